// @ts-check
/** Four kinds of network, side by side. */

import { lead, table } from "../calculator.js";
import { Curve } from "../curve.js";
import { element, fixed, percent, section, si, whole, words, write } from "../dom.js";
import { keep } from "../keep.js";
import { Trained } from "../trained.js";

class Zoo extends Trained {
  /** @param {HTMLElement} place @param {any} talk */
  constructor(place, talk) {
    super(talk);
    const { texts } = talk;
    /** How far each was trained on this page. @type {Map<string, string>} */
    this.reached = new Map();
    this.counts = element("div");
    this.curvePlace = element("div", { className: "plot" });
    this.verdict = element("p", { className: "verdict" });
    this.tally = element("div");
    const kinds = Object.entries(texts.about);
    place.replaceChildren(
      lead("Here all four read the same handwritten digits with about as many parameters, so that what differs is the wiring."),
      section("kinds", "What each is good at", element("div", { className: "kinds" }, ...kinds.map(([kind, [how, strength, weakness, names]]) => element("div", {},
        element("h3", {}, kind), element("p", {}, `Looks at ${how}.`), element("p", {}, element("b", {}, "Good at "), `${strength}.`), element("p", {}, element("b", {}, "But "), `${weakness}.`), element("small", {}, `Here: ${names}.`))))),
      section("counts", "What each has, does and takes", this.controls.size.root, this.counts),
      section("learn", "Let them learn",
        element("div", { className: "side-by-side" }, element("div", {}, element("h3", {}, "The loss, step by step"), this.curvePlace),
          element("div", { className: "panel" }, ...["kind", "rate", "optimizer", "seed"].map((name) => this.controls[name].root), this.verdict)),
        element("h3", {}, "How far you have trained each"), this.tally),
      keep(talk),
      this.player.root,
    );
    this.curve = new Curve(this.curvePlace, "loss of the digits that it trains on");
  }

  /** @param {any} answer */
  answer(answer) {
    const { batch } = this.talk.texts;
    const rows = Object.entries(answer.kinds).map(([kind, each]) => [
      kind, whole(each.parameters), whole(each.macs), (each.macs / each.parameters).toFixed(1), si(each.step_flops, "FLOPs"), `${(1e3 * each.seconds).toPrecision(3)} ms`, si(each.step_flops / each.seconds, "FLOP/s"),
    ]);
    this.counts.replaceChildren(
      table("Counts", ["network", "parameters", "multiply-adds a digit", "uses of a parameter", `a step of ${batch}`, "takes", "is"], rows),
      words("Parameters and multiply-adds are counted from the networks as built; what a step takes was measured just now. A parameter is used once by a feed-forward network, at every place by a convolution, at every row by the other two: as many parameters, many times the work."),
    );
  }

  /** @param {any} told */
  hear(told) {
    super.hear(told);
    if (told.words) this.count();
  }

  count() {
    const rows = Array.from(this.reached, ([kind, text]) => [kind, text]);
    this.tally.replaceChildren(rows.length ? table("How far", ["network", "read right"], rows, 2) : words("None yet: choose one, press Train, then another."));
  }

  /** @param {{step: number, arrays: Record<string, Float32Array>}} frame @param {Record<string, number>} numbers */
  tell(frame, numbers) {
    const { kind } = this.words;
    this.curve?.update(frame.arrays.curve, numbers.points, numbers.window);
    write(this.verdict, `${kind}: ${percent(numbers.accuracy)} of digits held out are read right${numbers.points ? `; loss ${fixed(numbers.latest)}` : ""}. ${this.pace(numbers)}`);
    if (!frame.step) return;
    this.reached.set(kind, `${percent(numbers.accuracy)} after ${whole(numbers.looked)} steps`);
    this.count();
  }
}

/** @param {HTMLElement} place @param {any} talk */
export const make = (place, talk) => new Zoo(place, talk);
