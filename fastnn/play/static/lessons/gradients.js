// @ts-check
/** What comes back through many layers. */

import { Calculator, lead } from "../calculator.js";
import { button } from "../controls.js";
import { brief, decimal, element, section, words } from "../dom.js";
import { Plot } from "../plot.js";

class Gradients extends Calculator {
  /** @param {HTMLElement} place @param {any} talk */
  constructor(place, talk) {
    super(talk);
    this.plotPlace = element("div", { className: "plot" });
    this.verdict = element("p", { className: "verdict" });
    this.slopes = element("div");
    const cures = talk.fields.cure.options.slice(1).map((/** @type {string} */ cure) => button(cure, () => this.take({ cure })));
    place.replaceChildren(
      lead("A gradient goes back layer by layer, and is multiplied by weights and slopes at each. Through many layers of sigmoids next to nothing arrives, and the first layers do not learn."),
      this.screen("Norm of the gradient of each layer", [this.plotPlace], ["depth", "activation", "cure", "seed", this.verdict]),
      section("slopes", "A product of slopes", this.slopes),
      section("cures", "What cures it", words("Initial weights keep the size of what passes; a residual connection lets the gradient pass beside the layer; layer normalisation gives what each layer says the same size. Transformers use the last two."),
        element("div", { className: "controls" }, ...cures)),
    );
    this.plot = new Plot(this.plotPlace, "Norm of the gradient by layer");
  }

  /** @param {any} answer */
  answer(answer) {
    const { settings } = this.talk;
    const points = /** @type {[number, number][]} */ (answer.norms.map((/** @type {number} */ norm, /** @type {number} */ at) => [at + 1, Math.max(norm, 1e-50)]));
    const low = 10 ** Math.floor(Math.log10(Math.min(...points.map(([, y]) => y))) - 0.2);
    const high = 10 ** Math.ceil(Math.log10(Math.max(...points.map(([, y]) => y))) + 0.2);
    this.plot?.update({ label: "layer", low: 1, high: Math.max(2, points.length) }, { label: "norm", low, high, log: true }, [{ name: "", colour: 0, points }],
      [{ x: 1, y: points[0][1], name: `first: ${brief(points[0][1])}` }, { x: points.length, y: points[points.length - 1][1], name: `last: ${brief(points[points.length - 1][1])}`, colour: 2 }]);
    const cure = settings.cure === "none" ? "nothing done about it" : settings.cure;
    this.verdict.textContent = `${settings.depth} layers of ${settings.activation}, ${cure}: ${answer.left.toExponential(0).replace("-", "\u2212")} of the last layer's gradient reaches the first.`;
    this.verdict.classList.toggle("wrong", answer.left < 1e-3);
    this.slopes.replaceChildren(words(`The slope of ${settings.activation} is ${decimal(answer.steepest)} at most. ${settings.depth} of them in a row: at most ${decimal(answer.steepest)}^${settings.depth} = ${brief(answer.product)}, before any weight.`));
  }
}

/** @param {HTMLElement} place @param {any} talk */
export const make = (place, talk) => new Gradients(place, talk);
