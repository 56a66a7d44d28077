// @ts-check
/** One neuron. */

import { Calculator, cards, lead } from "../calculator.js";
import { decimal, element, section, words } from "../dom.js";
import { Network } from "../network.js";

class Neuron extends Calculator {
  /** @param {HTMLElement} place @param {any} talk */
  constructor(place, talk) {
    super(talk);
    this.figure = element("div", { className: "drawing short" });
    this.sum = element("p", { className: "verdict" });
    this.told = element("div");
    this.cost = element("div");
    const names = ["input 1 -> neuron", "input 2 -> neuron", "input 3 -> neuron", "bias of the neuron"];
    const shape = { sizes: [3, 1], inputs: ["input 1", "input 2", "input 3"], outputs: ["neuron"], names };
    const group = (/** @type {string} */ title, /** @type {string[]} */ of) => element("div", { className: "group" }, element("h2", { className: "minor" }, title), ...of.map((name) => this.controls[name].root));
    place.replaceChildren(
      lead("Each input is multiplied by a weight. The products are added, and a bias to them. An activation bends the sum. That is all a neuron does."),
      this.screen("The neuron", [this.figure, this.sum, this.told], [group("What comes in", talk.texts.inputs), group("What it makes of it", [...talk.texts.weights, "bias", "activation"])]),
      section("cost", "What it costs", this.cost, words("A language model of billions of parameters is this, many times over.")),
    );
    this.network = new Network(this.figure, shape, () => undefined);
  }

  /** @param {any} answer */
  answer(answer) {
    const { settings, texts } = this.talk;
    const x = texts.inputs.map((/** @type {string} */ name) => settings[name]);
    const weights = texts.weights.map((/** @type {string} */ name) => settings[name]);
    this.network?.update(new Float32Array([...weights, settings.bias]), x, new Float32Array([answer.output]), [`= ${decimal(answer.output)}`]);
    const products = answer.products.map((/** @type {number} */ each, /** @type {number} */ at) => (at && each >= 0 ? `+ ${decimal(each)}` : at ? decimal(each).replace("\u2212", "\u2212 ") : decimal(each)));
    const bias = settings.bias ? ` ${settings.bias < 0 ? "\u2212" : "+"} ${decimal(Math.abs(settings.bias))}` : "";
    this.sum.textContent = `${products.join(" ")}${bias} = ${decimal(answer.sum)}`;
    this.told.replaceChildren(words(`${settings.activation}(${decimal(answer.sum)}) = ${decimal(answer.output)}; its slope there is ${decimal(answer.slope)}.`));
    this.cost.replaceChildren(cards([
      [String(answer.cost.parameters), "parameters: three weights and a bias."],
      [String(answer.cost.macs), "multiply-adds, one an input."],
      [String(answer.cost.flops), "FLOPs: additions and multiplications of numbers."],
    ]));
  }
}

/** @param {HTMLElement} place @param {any} talk */
export const make = (place, talk) => new Neuron(place, talk);
