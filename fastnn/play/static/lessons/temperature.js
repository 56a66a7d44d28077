// @ts-check
/** The same logits, sharper or flatter. */

import { Calculator, lead, table } from "../calculator.js";
import { button } from "../controls.js";
import { decimal, element, fixed, percent, section, whole, words } from "../dom.js";

class Temperature extends Calculator {
  /** @param {HTMLElement} place @param {any} talk */
  constructor(place, talk) {
    super(talk);
    this.bars = element("div", { className: "bars" });
    this.verdict = element("p", { className: "verdict" });
    this.drawn = element("div");
    const presets = [0, 0.5, 1, 2].map((each) => button(`T = ${each}`, () => this.take({ temperature: each })));
    place.replaceChildren(
      lead("A network ends in a number for each choice, its logits. Softmax makes probabilities of them; the temperature says how much of a lead the larger ones keep."),
      this.screen("Probabilities", [this.bars], ["temperature", element("div", { className: "controls" }, ...presets), this.verdict]),
      section("logits", "The logits", element("div", { className: "panel two" }, ...talk.texts.logits.map((/** @type {string} */ name) => this.controls[name].root))),
      section("draw", "Drawn a thousand times", words("A language model draws its next token so. At 0 it always takes the largest."), this.controls.seed.root, this.drawn),
    );
  }

  /** @param {any} answer */
  answer(answer) {
    const { settings, texts } = this.talk;
    const names = texts.choices;
    this.bars.replaceChildren(...answer.probabilities.map((/** @type {number} */ share, /** @type {number} */ at) => {
      const bar = element("span", { className: "bar" });
      bar.style.setProperty("width", `${100 * share}%`);
      return element("div", {}, element("span", {}, names[at]), element("span", { className: "track" }, bar), element("b", {}, percent(share)));
    }));
    const t = settings.temperature;
    const told = t === 0 ? "the largest logit takes it all." : t < 1 ? "sharper than it was learned." : t === 1 ? "as it was learned." : "flatter than it was learned.";
    this.verdict.textContent = `T = ${decimal(t)}: ${told} As uncertain as among ${fixed(Math.exp(answer.entropy), 2)} equal choices.`;
    this.drawn.replaceChildren(table("Draws", ["choice", "logit", "probability", `of ${whole(texts.samples)}`], names.map((/** @type {string} */ name, /** @type {number} */ at) => [
      name, decimal(settings[texts.logits[at]]), fixed(answer.probabilities[at]), whole(answer.counts[at]),
    ])));
  }
}

/** @param {HTMLElement} place @param {any} talk */
export const make = (place, talk) => new Temperature(place, talk);
