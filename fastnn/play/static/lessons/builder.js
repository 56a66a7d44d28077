// @ts-check
/** A network of any size. */

import { Calculator, cards, lead, table } from "../calculator.js";
import { button } from "../controls.js";
import { element, section, si, whole, words, write } from "../dom.js";
import { Plot } from "../plot.js";

const PRESETS = ["3-4-2", "3-4-4-2", "784-128-10", "784-512-512-10"];

class Builder extends Calculator {
  /** @param {HTMLElement} place @param {any} talk */
  constructor(place, talk) {
    super(talk);
    this.editor = element("div", { className: "editor", role: "group", "aria-label": talk.fields.sizes.label });
    this.more = button("+ layer", () => this.build(talk.settings.sizes.toSpliced(-1, 0, 4)), { "aria-label": "add a layer of 4 units" });
    this.less = button("\u2212 layer", () => this.build(talk.settings.sizes.toSpliced(-2, 1)), { "aria-label": "take the last hidden layer away" });
    this.editor.append(this.more, this.less);
    /** @type {{root: HTMLElement, name: Node, input: any}[]} */ this.layers = [];
    this.count = element("p", { className: "verdict" });
    this.cost = element("div");
    this.axisPlace = element("div", { className: "plot" });
    this.larger = element("div");
    const embedding = talk.texts.embedding;
    place.replaceChildren(
      lead("Every unit has a weight for each number of the layer before, and a bias. That is all there is to count."),
      element("section", { "aria-label": "The network" },
        element("div", { className: "panel" }, this.editor,
          element("div", { className: "controls" }, ...PRESETS.map((text) => button(text, () => this.build(text.split("-").map(Number))))),
          element("div", { className: "panel two bare" }, this.controls.batch.root, this.controls.activation.root), this.count)),
      section("cost", "What it costs", this.cost),
      section("axis", "On one axis with the largest", this.axisPlace, this.larger,
        words(`784 inputs are a digit of 28 \u00d7 28 pixels. A language model begins with a table: GPT-2's has ${whole(embedding.tokens)} tokens of ${whole(embedding.width)} numbers, ${whole(embedding.parameters)} parameters before its first layer.`)),
    );
    this.axis = new Plot(this.axisPlace, "Parameters", 190);
    this.edit();
  }

  /** @param {number[]} sizes */
  build(sizes) {
    this.talk.set({ sizes });
    this.edit();
  }

  /** What is there stays, and so does the focus. */
  edit() {
    const { sizes } = this.talk.settings;
    const { fewest, most } = this.talk.fields.sizes;
    while (this.layers.length > sizes.length) this.layers.pop().root.remove();
    while (this.layers.length < sizes.length) {
      const layer = this.layer(this.layers.length);
      this.layers.push(layer);
      this.more.before(layer.root);
    }
    this.layers.forEach((layer, at) => {
      const name = at === 0 ? "inputs" : at === sizes.length - 1 ? "outputs" : `layer ${at}`;
      write(layer.name, name);
      layer.input.setAttribute("aria-label", name);
      layer.input.value = String(sizes[at]);
    });
    const focused = document.activeElement;
    this.more.disabled = sizes.length >= most;
    this.less.disabled = sizes.length <= fewest;
    if (focused === this.more && this.more.disabled) this.less.focus();
    if (focused === this.less && this.less.disabled) this.more.focus();
  }

  /** @param {number} at */
  layer(at) {
    const name = element("span", { "aria-hidden": "true" });
    const input = element("input", { type: "number", min: 1, max: this.talk.fields.sizes.widest, step: 1, required: true });
    input.addEventListener("change", () => { if (input.reportValidity()) this.build(this.talk.settings.sizes.with(at, Number(input.value))); });
    return { root: element("label", {}, name, input), name, input };
  }

  /** @param {any} told */
  hear(told) {
    super.hear(told);
    if (told.refused) this.edit();
  }

  /** @param {any} answer */
  answer(answer) {
    const { sizes } = answer;
    const { settings, texts } = this.talk;
    const terms = sizes.slice(1).map((/** @type {number} */ size, /** @type {number} */ at) => `${sizes[at]}\u00d7${size} + ${size}`);
    write(this.count, `${sizes.join("-")}: ${terms.join(" + ")} = ${whole(answer.parameters)} parameters`);
    const predicted = answer.predicted === null ? "Run fastnn machine once, and its prediction stands here." : `Predicted from a measurement of this machine: ${time(answer.predicted)}.`;
    this.cost.replaceChildren(cards([
      [whole(answer.forward_macs), "multiply-adds to answer one row: one a weight."],
      [si(answer.flops, "FLOPs"), `a training step of ${settings.batch} ${settings.batch === "1" ? "row" : "rows"}: forward, backward, update.`],
      [bytes(answer.weight_bytes), `of weights; a step moves ${bytes(answer.bytes)}.`],
      [time(answer.measured), `a step took just now, called from Python. ${predicted}`],
    ]));
    const all = [{ name: sizes.join("-"), parameters: answer.parameters, estimate: false }, ...texts.large];
    this.axis?.update({ label: "parameters", low: 1, high: 1e13, log: true }, { label: "", low: 0, high: all.length, bare: true }, [],
      all.map((/** @type {any} */ each, /** @type {number} */ at) => ({ x: each.parameters, y: at + 0.5, name: each.name, colour: at === 0 ? 1 : 0 })));
    this.larger.replaceChildren(table("Beside others", ["network", "parameters", "times this"], all.map((/** @type {any} */ each) => [
      `${each.name}${each.estimate ? ", an estimate" : ""}`, whole(each.parameters), whole(each.parameters / answer.parameters),
    ])));
  }
}

/** @param {number} seconds */
const time = (seconds) => (seconds < 1e-3 ? `${(1e6 * seconds).toPrecision(3)} \u00b5s` : `${(1e3 * seconds).toPrecision(3)} ms`);
/** @param {number} count */
const bytes = (count) => (count < 1000 ? `${count} bytes` : si(count, "B"));

/** @param {HTMLElement} place @param {any} talk */
export const make = (place, talk) => new Builder(place, talk);
