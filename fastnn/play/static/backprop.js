// @ts-check
/** Backpropagation with its own numbers: one weight with all its factors, and all weights stage by stage. */

import { button } from "./controls.js";
import { element, fixed, write } from "./dom.js";
import { linkBetween, linksOf, placeOf } from "./layers.js";

const TIMES = " \u00d7 ";
const n = (/** @type {number} */ value) => fixed(value);
/** In brackets where a sign would meet another. @param {number} value */
const b = (value) => (value < 0 ? `(${n(value)})` : n(value));

/** What a frame says, asked for by layer and unit. */
export class Moment {
  /** @param {{sizes: number[], inputs: string[], outputs: string[], names: string[], activation: string}} words @param {number[]} x
   * @param {number} truth @param {Record<string, Float32Array>} arrays @param {number} rate */
  constructor(words, x, truth, arrays, rate) {
    this.words = words;
    this.x = x;
    this.truth = truth;
    this.arrays = arrays;
    this.rate = rate;
    this.links = linksOf(words.sizes);
    this.last = words.sizes.length - 1;
  }

  /** What a unit hands on; layer 0 is the input. @param {number} layer @param {number} unit */
  value(layer, unit) { return layer === 0 ? this.x[unit] : this.arrays.values[placeOf(this.words.sizes, layer - 1, unit)]; }
  /** @param {number} layer @param {number} unit */
  sum(layer, unit) { return this.arrays.sums[placeOf(this.words.sizes, layer - 1, unit)]; }
  /** @param {number} layer @param {number} unit */
  slope(layer, unit) { return this.arrays.slopes[placeOf(this.words.sizes, layer - 1, unit)]; }
  /** The loss by the sum of a unit: of one row that is the gradient of its bias. @param {number} layer @param {number} unit */
  delta(layer, unit) { return this.arrays.gradient[linkBetween(this.links, layer - 1, -1, unit).index]; }
  /** @param {number} layer @param {number} from @param {number} to */
  weight(layer, from, to) { return this.arrays.parameters[linkBetween(this.links, layer, from, to).index]; }
  /** @param {number} layer @param {number} unit */
  name(layer, unit) {
    const { inputs, outputs } = this.words;
    return layer === 0 ? inputs[unit] : layer === this.last ? outputs[unit] : `hidden ${unit + 1}`;
  }
  /** @param {number} layer */
  units(layer) { return Array.from({ length: this.words.sizes[layer] }, (_, unit) => unit); }

  /** @param {number} layer @param {number} unit */
  sumLine(layer, unit) {
    const products = this.units(layer - 1).map((from) => `${n(this.value(layer - 1, from))}${TIMES}${b(this.weight(layer - 1, from, unit))}`);
    return `${this.name(layer, unit)}: ${products.join(" + ")} + ${b(this.weight(layer - 1, -1, unit))} = ${n(this.sum(layer, unit))}`;
  }

  /** @param {number} layer @param {number} unit */
  deltaLine(layer, unit) {
    if (layer === this.last) {
      const truth = unit === this.truth ? 1 : 0;
      return `${n(this.arrays.probabilities[unit])} \u2212 ${truth} = ${n(this.delta(layer, unit))}`;
    }
    const back = this.units(layer + 1).map((to) => `${b(this.weight(layer, unit, to))}${TIMES}${b(this.delta(layer + 1, to))}`);
    return `${n(this.slope(layer, unit))}${TIMES}(${back.join(" + ")}) = ${n(this.delta(layer, unit))}`;
  }

  /** @param {import("./layers.js").Link} link */
  gradientLine(link) {
    const [incoming, back] = [link.from < 0 ? 1 : this.value(link.layer, link.from), this.delta(link.layer + 1, link.to)];
    return `${n(incoming)}${TIMES}${b(back)} = ${n(this.arrays.gradient[link.index])}`;
  }

  /** @param {number} index */
  updated(index) { return this.arrays.parameters[index] - this.rate * this.arrays.gradient[index]; }
}

/** The stages of a network with one hidden layer: what each is called, says, and which part it is about.
 * @type {{title: string, about: string, lines: (m: Moment) => string[], layer: number, units: number[]}[]} */
const STAGES = [
  { title: "Forward: products and a sum", about: "Each hidden unit multiplies what comes in by its weights, and adds its bias.",
    lines: (m) => m.units(1).map((unit) => m.sumLine(1, unit)), layer: 0, units: [0, 1] },
  { title: "Forward: the activation", about: "What each sum becomes.",
    lines: (m) => m.units(1).map((unit) => `${m.name(1, unit)}: ${m.words.activation}(${n(m.sum(1, unit))}) = ${n(m.value(1, unit))}`), layer: -1, units: [1] },
  { title: "Forward: the outputs", about: "The same again, from the hidden units on.",
    lines: (m) => m.units(2).map((unit) => m.sumLine(2, unit)), layer: 1, units: [1, 2] },
  { title: "Softmax: sums become probabilities", about: "e to the power of each, divided by their sum.",
    lines: (m) => m.units(2).map((unit) => `${m.name(2, unit)}: e^${b(m.sum(2, unit))} / (${m.units(2).map((each) => `e^${b(m.sum(2, each))}`).join(" + ")}) = ${n(m.arrays.probabilities[unit])}`), layer: -1, units: [2] },
  { title: "The loss: how wrong is that?", about: "Minus the logarithm of the probability of the truth.",
    lines: (m) => [`\u2212ln ${n(m.arrays.probabilities[m.truth])} = ${n(m.arrays.probe_loss[0])}`], layer: -1, units: [2] },
  { title: "Backward: the outputs", about: "How the loss changes with each output's sum: the probability less the truth. It is called delta.",
    lines: (m) => m.units(2).map((unit) => `delta of ${m.name(2, unit)}: ${m.deltaLine(2, unit)}`), layer: -1, units: [2] },
  { title: "Backward: the last weights", about: "The gradient of a weight: what came in, times the delta that comes back.",
    lines: (m) => m.links.filter((link) => link.layer === 1).map((link) => `${m.words.names[link.index]}: ${m.gradientLine(link)}`), layer: 1, units: [1, 2] },
  { title: "Backward: the hidden units", about: "Deltas go back through the weights, and are multiplied by the slope of the activation.",
    lines: (m) => m.units(1).map((unit) => `delta of ${m.name(1, unit)}: ${m.deltaLine(1, unit)}`), layer: 1, units: [1] },
  { title: "Backward: the first weights", about: "Again: what came in, times the delta that comes back.",
    lines: (m) => m.links.filter((link) => link.layer === 0).map((link) => `${m.words.names[link.index]}: ${m.gradientLine(link)}`), layer: 0, units: [0, 1] },
  { title: "The step: every weight moves", about: "Against its gradient, by as much as the learning rate says. This is gradient descent on this mail alone; training takes the mean gradient of a batch.",
    lines: (m) => m.links.map((link) => `${m.words.names[link.index]}: ${n(m.arrays.parameters[link.index])} \u2212 ${m.rate}${TIMES}${b(m.arrays.gradient[link.index])} = ${n(m.updated(link.index))}`), layer: -2, units: [] },
];

export class Stages {
  /** @param {(lit: any) => void} light */
  constructor(light) {
    this.light = light;
    this.at = -1;
    this.back = button("Back", () => this.go(this.at - 1), { "aria-keyshortcuts": "B" });
    this.next = button("Next", () => this.go(this.at + 1), { "aria-keyshortcuts": "N", className: "main" });
    this.title = element("h3", {}, "");
    this.about = element("p", { className: "words" });
    this.lines = element("ul", { className: "lines" });
    this.count = element("span", { className: "state" });
    this.root = element("div", { className: "stages" },
      element("div", { className: "controls" }, this.back, this.next, this.count), this.title, this.about, this.lines);
    /** @type {Moment | null} */ this.moment = null;
    this.go(-1);
  }

  /** @param {number} to  -1 is before the first */
  go(to) {
    this.at = Math.min(STAGES.length - 1, Math.max(-1, to));
    this.back.disabled = this.at < 0;
    this.next.disabled = this.at === STAGES.length - 1;
    const stage = STAGES[this.at];
    write(this.count, stage ? `${this.at + 1} of ${STAGES.length}` : `${STAGES.length} stages, there and back`);
    write(this.title, stage ? stage.title : "One mail, one step");
    write(this.about, stage ? stage.about : "Press Next, or the key N, and follow the numbers of this mail through the network and back.");
    this.show();
  }

  show() {
    const [stage, moment] = [STAGES[this.at], this.moment];
    if (!moment) return;
    this.light(stage ? lit(stage, moment) : null);
    const texts = stage ? stage.lines(moment) : [];
    while (this.lines.children.length > texts.length) this.lines.lastChild.remove();
    while (this.lines.children.length < texts.length) this.lines.append(element("li"));
    texts.forEach((text, at) => write(this.lines.children[at], text));
  }

  /** @param {Moment} moment */
  update(moment) {
    this.moment = moment;
    this.show();
  }
}

/** @param {{layer: number, units: number[]}} stage @param {Moment} moment */
function lit(stage, moment) {
  const links = moment.links.filter((link) => stage.layer === link.layer || stage.layer === -2);
  const units = stage.units.flatMap((layer) => moment.units(layer).map((unit) => `${layer}.${unit}`));
  return { links: new Set(links.map((link) => link.index)), units: new Set(units) };
}

/** One weight with all its factors. */
export class OneWeight {
  constructor() {
    this.title = element("h3", {}, "");
    this.rows = ["its value w", "what comes in, a", "what comes back, delta", "gradient, a \u00d7 delta", "the same by trying", "after a step"].map((name) => {
      const value = element("dd", {}, "");
      return { root: element("div", {}, element("dt", {}, name), value), value };
    });
    this.root = element("div", { className: "one" }, this.title, element("dl", { id: "factors" }, ...this.rows.map((row) => row.root)));
  }

  /** @param {Moment} m @param {number} index */
  update(m, index) {
    const link = m.links[index];
    const incoming = link.from < 0 ? "1, as of any bias" : n(m.value(link.layer, link.from));
    write(this.title, m.words.names[index]);
    const tried = m.arrays.tried[index];
    [
      n(m.arrays.parameters[index]), incoming, m.deltaLine(link.layer + 1, link.to), m.gradientLine(link),
      Number.isNaN(tried) ? "one moment" : `${n(tried)}, from the loss with this weight a hundred-thousandth less and more`,
      `${n(m.arrays.parameters[index])} \u2212 ${m.rate}${TIMES}${b(m.arrays.gradient[index])} = ${n(m.updated(index))}`,
    ].forEach((text, at) => write(this.rows[at].value, text));
  }
}
