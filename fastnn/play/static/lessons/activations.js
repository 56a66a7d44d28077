// @ts-check
/** Nine activations, and units that die. */

import { lead, table } from "../calculator.js";
import { Curve } from "../curve.js";
import { decimal, element, fixed, percent, section, whole, words, write } from "../dom.js";
import { keep } from "../keep.js";
import { Plot } from "../plot.js";
import { Trained } from "../trained.js";

class Activations extends Trained {
  /** @param {HTMLElement} place @param {any} talk */
  constructor(place, talk) {
    super(talk);
    this.plotPlace = element("div", { className: "plot" });
    this.verdict = element("p", { className: "verdict" });
    this.all = element("div");
    this.curvePlace = element("div", { className: "plot" });
    this.asleep = element("p", { className: "verdict" });
    const steepest = talk.texts.steepest;
    place.replaceChildren(
      lead("Without a bend after each sum a network would be a straight line, however large. The slope matters as much as the value: gradients are multiplied by it on their way back."),
      this.screen("One activation", [this.plotPlace, element("p", { className: "legend" }, element("span", { className: "key" }), " value", element("span", { className: "key below" }), " slope, dashed")], ["activation", "z", this.verdict]),
      section("nine", "All nine at this sum", this.all,
        words(`A sigmoid's slope is ${decimal(steepest.sigmoid)} at most and tanh's ${decimal(steepest.tanh)}; relu's is 0 wherever its sum is below 0.`)),
      section("dying", "Units that die",
        words(`A relu unit whose sum is below 0 for every digit has a slope of 0 everywhere, and never learns again. Train ${talk.texts.units} of them on handwritten digits at a rate that is too large, and count.`),
        element("div", { className: "side-by-side" }, element("div", {}, element("h3", {}, "The loss, step by step"), this.curvePlace),
          element("div", { className: "panel" }, ...["unit", "rate", "seed"].map((name) => this.controls[name].root), this.asleep))),
      keep(talk),
      this.player.root,
    );
    this.plot = new Plot(this.plotPlace, "Value and slope");
    this.curve = new Curve(this.curvePlace, "loss of the digits");
  }

  /** @param {any} answer */
  answer(answer) {
    const { settings, texts } = this.talk;
    const [value, slope] = answer.at[settings.activation];
    const [values, slopes] = texts.curves[settings.activation].map((/** @type {number[]} */ ys) => ys.map((y, at) => [texts.curve[at], y]));
    this.plot?.update({ label: "sum z", low: -4, high: 4 }, { label: "value, slope", low: Math.min(-1, ...texts.curves[settings.activation][0]), high: Math.max(1.2, ...texts.curves[settings.activation][0]) },
      [{ name: "", colour: 0, points: values }, { name: "", colour: 1, points: slopes }],
      [{ x: settings.z, y: value, name: `value ${fixed(value)}` }, { x: settings.z, y: slope, name: `slope ${fixed(slope)}`, colour: 1 }]);
    this.verdict.textContent = `${spoken(settings.activation)}(${decimal(settings.z)}) = ${fixed(value)}; slope ${fixed(slope)}`;
    this.all.replaceChildren(table("All activations", ["activation", "value", "slope", "steepest"], Object.entries(answer.at).map(([name, [y, s]]) => [spoken(name), fixed(y), fixed(s), decimal(texts.steepest[name])])));
  }

  /** @param {{step: number, arrays: Record<string, Float32Array>}} frame @param {Record<string, number>} numbers */
  tell(frame, numbers) {
    const dead = frame.arrays.asleep[0];
    write(this.asleep, `${dead} of ${this.talk.texts.units} units are dead; ${percent(numbers.accuracy)} of the digits that it trains on are read right, after ${whole(frame.step)} steps.`);
    this.asleep.classList.toggle("wrong", dead > 0);
    this.curve?.update(frame.arrays.curve, numbers.points, numbers.window);
  }
}

const spoken = (/** @type {string} */ name) => name.replaceAll("_", " ");

/** @param {HTMLElement} place @param {any} talk */
export const make = (place, talk) => new Activations(place, talk);
