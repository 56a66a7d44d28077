// @ts-check
/** The forward pass, and the same at the size of a language model. */

import { Calculator, cards, lead } from "../calculator.js";
import { button } from "../controls.js";
import { element, fixed, percent, section, si, whole, words, write } from "../dom.js";
import { linksOf } from "../layers.js";
import { Network } from "../network.js";

const TIMES = " \u00d7 ";
const b = (/** @type {number} */ value) => (value < 0 ? `(${fixed(value)})` : fixed(value));

class Forward extends Calculator {
  /** @param {HTMLElement} place @param {any} talk */
  constructor(place, talk) {
    super(talk);
    const { texts } = talk;
    this.figure = element("div", { className: "drawing" });
    this.lines = element("ul", { className: "lines" });
    this.title = element("h2", { className: "minor" }, "");
    this.layer = 0;
    this.back = button("Back", () => this.go(this.layer - 1));
    this.next = button("Next layer", () => this.go(this.layer + 1), { className: "main" });
    this.work = element("div");
    place.replaceChildren(
      lead("An answer is made in one direction: each layer multiplies what the last one said by its weights, adds its biases, and bends the sums. Go through it layer by layer."),
      this.screen("The network", [this.figure, element("div", { className: "controls" }, this.back, this.next), this.title, this.lines], [...texts.inputs, "activation"]),
      section("large", "The same, at the size of a language model",
        words("Each parameter is multiplied and added once for each token: two FLOPs. So N parameters and D tokens take 2ND."),
        element("div", { className: "panel two" }, ...["billions", "tokens", "milliseconds", "gpus"].map((name) => this.controls[name].root)), this.work,
        words(`Counted exactly, with attention over all ${whole(texts.llm.tokens)} tokens, ${texts.llm.name} of ${whole(texts.llm.parameters)} parameters takes ${texts.llm.flops.toExponential(2).replace("e+", "e")} FLOPs.`)),
    );
    const { sizes, names } = texts;
    this.network = new Network(this.figure, { sizes, inputs: texts.features, outputs: texts.classes, names }, () => undefined);
    this.links = linksOf(sizes);
    this.go(0);
  }

  /** @param {number} layer */
  go(layer) {
    this.layer = Math.min(1, Math.max(0, layer));
    this.back.disabled = this.layer === 0;
    this.next.disabled = this.layer === 1;
    this.tell();
  }

  tell() {
    const { last: answer } = this;
    if (!answer) return;
    const { settings, texts } = this.talk;
    const x = this.layer === 0 ? texts.inputs.map((/** @type {string} */ name) => settings[name]) : answer.layers[0];
    write(this.title, this.layer === 0 ? `Layer 1: three numbers to four, then ${settings.activation}` : "Layer 2: four numbers to two, then softmax");
    const [weights, biases] = [answer.weights[this.layer], answer.biases[this.layer]];
    this.lines.replaceChildren(...biases.map((/** @type {number} */ bias, /** @type {number} */ unit) => {
      const products = x.map((/** @type {number} */ value, /** @type {number} */ at) => `${fixed(value)}${TIMES}${b(weights[at][unit])}`).join(" + ");
      const name = this.layer === 0 ? `hidden ${unit + 1}` : texts.classes[unit];
      const end = this.layer === 0 ? `${settings.activation} makes ${fixed(answer.layers[0][unit])} of it` : `= ${fixed(answer.layers[1][unit])}; softmax: ${percent(answer.probabilities[unit])}`;
      return element("li", {}, `${name}: ${products} + ${b(bias)}${this.layer === 0 ? "; " : " "}${end}`);
    }));
    const units = [this.layer, this.layer + 1].flatMap((layer) => Array.from({ length: texts.sizes[layer] }, (_, unit) => `${layer}.${unit}`));
    this.network?.light({ links: new Set(this.links?.filter((link) => link.layer === this.layer).map((link) => link.index)), units: new Set(units) });
  }

  /** @param {any} answer */
  answer(answer) {
    this.last = answer;
    const { settings, texts } = this.talk;
    const x = texts.inputs.map((/** @type {string} */ name) => settings[name]);
    this.network?.update(new Float32Array(answer.parameters), x, new Float32Array(answer.layers.flat()), answer.probabilities.map((/** @type {number} */ share) => percent(share)));
    this.tell();
    this.work.replaceChildren(cards([
      [`${answer.flops.toExponential(2).replace("e+", "e")} FLOPs`, `2 \u00d7 ${settings.billions}e9 \u00d7 ${whole(settings.tokens)}.`],
      [`${si(answer.each, "FLOP/s")}`, `each of ${settings.gpus} GPUs must reach, to do it in ${whole(settings.milliseconds)} ms.`],
      [percent(answer.shares.a100), "of the peak of an A100, in bfloat16."], [percent(answer.shares.h100), "of the peak of an H100."],
    ]));
  }
}

/** @param {HTMLElement} place @param {any} talk */
export const make = (place, talk) => new Forward(place, talk);
