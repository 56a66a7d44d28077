// @ts-check
/** Filters, and what they see. */

import { lead, table } from "../calculator.js";
import { Curve } from "../curve.js";
import { element, fixed, percent, section, whole, words, write } from "../dom.js";
import { keep } from "../keep.js";
import { Maps } from "../maps.js";
import { Trained } from "../trained.js";

class Filters extends Trained {
  /** @param {HTMLElement} place @param {any} talk */
  constructor(place, talk) {
    super(talk);
    const { texts } = talk;
    this.image = element("div");
    this.filters = new Maps(texts.filters, texts.kernel, `The weights of ${texts.filters} filters`);
    this.way = element("div", { className: "way" });
    this.bars = element("div", { className: "bars tokens" });
    this.verdict = element("p", { className: "verdict" });
    this.curvePlace = element("div", { className: "plot" });
    this.told = element("p", { className: "verdict" });
    this.layers = element("div");
    place.replaceChildren(
      lead(`A convolution looks at an image through a window of ${texts.kernel} × ${texts.kernel} pixels, with the same few weights at every place. Each set of weights is a filter; what it finds, and where, is a map.`),
      this.screen("A digit and its answer", [this.image, element("h2", { className: "minor" }, "What it says"), this.bars], ["digit", "right", "down", this.verdict,
        words("Move the digit: its maps move with it, since a filter finds everywhere what it finds anywhere.")]),
      section("filters", `Its first ${texts.filters} filters`, this.filters.root, words("They want ink where a weight is above 0, blue, and none where it is below, orange. At first they are random; train, and watch them become edges and strokes.")),
      section("way", "On its way through", this.way),
      section("learn", "It learns to read",
        element("div", { className: "side-by-side" }, element("div", {}, element("h3", {}, "The loss, step by step"), this.curvePlace),
          element("div", { className: "panel" }, ...["data", "rate", "optimizer", "seed"].map((name) => this.controls[name].root), this.told))),
      section("layers", "What its layers have and do", this.layers, words("A dense layer uses each of its weights once. A filter's weights are used at every place: few parameters, many multiply-adds.")),
      keep(talk),
      this.player.root,
    );
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.seen && this.paint(this.seen));
    this.curve = new Curve(this.curvePlace, "loss of the digits that it trains on");
  }

  /** @param {any} told */
  hear(told) {
    super.hear(told);
    if (told.words) this.lay(told.words);
  }

  /** @param {any} told  of a new training */
  lay(told) {
    const { drawn } = this.talk.texts;
    this.digit = new Maps(1, told.side, "The digit");
    this.digit.root.classList.add("large");
    this.image.replaceChildren(this.digit.root);
    this.stages = told.stages.map((/** @type {any} */ stage) => {
      const some = stage.maps > drawn ? `the first ${drawn} of ${stage.maps}` : String(stage.maps);
      const made = stage.made === "Activation" ? "after the relu" : "the largest of each 2 × 2";
      const text = `${some} maps of ${stage.side} × ${stage.side}, ${made}`;
      return { text, maps: new Maps(Math.min(drawn, stage.maps), stage.side, text) };
    });
    this.way.replaceChildren(...this.stages.flatMap((/** @type {any} */ stage) => [element("h3", {}, stage.text), stage.maps.root]));
    const rows = told.layers.map((/** @type {any} */ each) => [each.name, each.output.join(" × "), whole(each.parameters), whole(each.macs), each.uses ? whole(each.uses) : ""]);
    const macs = told.layers.reduce((/** @type {number} */ sum, /** @type {any} */ each) => sum + each.macs, 0);
    this.layers.replaceChildren(table("Layers", ["layer", "output", "parameters", "multiply-adds", "uses of a weight"], [...rows, ["all", "", whole(told.parameters), whole(macs), ""]], 2));
    /** @type {any} */ this.seen = null;
  }

  /** @param {{step: number, arrays: Record<string, Float32Array>}} frame @param {Record<string, number>} numbers */
  tell(frame, numbers) {
    const { arrays } = frame;
    this.curve?.update(arrays.curve, numbers.points, numbers.window);
    write(this.told, `${percent(numbers.accuracy)} of digits held out are read right${numbers.points ? `; loss ${fixed(numbers.latest)}` : ""}. ${this.pace(numbers)}`);
    if (this.seen && ["image", "filters", "probabilities"].every((name) => this.seen[name].every((/** @type {number} */ value, /** @type {number} */ at) => value === arrays[name][at]))) return;
    this.seen = arrays;
    this.paint(arrays);
    this.tellAnswer(arrays.probabilities, arrays.truth[0], numbers.looked);
  }

  /** @param {Record<string, Float32Array>} arrays */
  paint(arrays) {
    this.digit?.paint(arrays.image);
    this.filters.paint(arrays.filters);
    this.stages.forEach((/** @type {any} */ stage, /** @type {number} */ at) => stage.maps.paint(arrays[`stage${at}`]));
  }

  /** @param {Float32Array} shares @param {number} truth @param {number} step */
  tellAnswer(shares, truth, step) {
    this.bars.replaceChildren(...Array.from(shares, (share, digit) => {
      const bar = element("span", { className: "bar" });
      bar.style.setProperty("width", `${(100 * share).toFixed(1)}%`);
      return element("div", {}, element("span", {}, String(digit)), element("span", { className: "track" }, bar), element("b", {}, percent(share)));
    }));
    const said = shares.indexOf(Math.max(...shares));
    write(this.verdict, `It is a ${truth}. The network says ${said}, ${percent(shares[said])} sure, after ${whole(step)} steps.`);
    this.verdict.classList.toggle("wrong", said !== truth);
  }
}

/** @param {HTMLElement} place @param {any} talk */
export const make = (place, talk) => new Filters(place, talk);
