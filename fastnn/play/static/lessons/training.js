// @ts-check
/** How large a step to take. */

import { lead, table } from "../calculator.js";
import { button } from "../controls.js";
import { Curve } from "../curve.js";
import { brief, decimal, element, fixed, percent, section, whole, words, write } from "../dom.js";
import { keep } from "../keep.js";
import { Plot } from "../plot.js";
import { Trained } from "../trained.js";

/** Rates at which one weight goes down the valley in four ways: its distance shrinks by 1 - 2 rate each step. */
const WAYS = /** @type {[string, number][]} */ ([["too small", 0.02], ["right", 0.3], ["oscillates", 0.95], ["diverges", 1.05]]);

class Training extends Trained {
  /** @param {HTMLElement} place @param {any} talk */
  constructor(place, talk) {
    super(talk);
    const { texts } = talk;
    this.valleyPlace = element("div", { className: "plot" });
    this.verdict = element("p", { className: "verdict" });
    this.curvePlace = element("div", { className: "plot" });
    this.schedulePlace = element("div", { className: "plot" });
    this.told = element("p", { className: "verdict" });
    this.runs = element("div");
    place.replaceChildren(
      lead("Training is one thing, again and again: take a batch, find the gradient, step against it. All the art is in how far to step."),
      this.screen("One weight in a valley", [this.valleyPlace], ["valley", ...(talk.recorded ? [] : [element("div", { className: "controls" }, ...WAYS.map(([name, rate]) => button(name, () => this.take({ valley: rate }))))]), this.verdict]),
      section("loop", `Handwritten digits, ${texts.batch} at a time`,
        words(`A network of ${texts.sizes.join("-")} units. Guessing among ten digits costs ln 10 = ${fixed(texts.guessing)}; a loss above that is worse than knowing nothing.`),
        element("div", { className: "side-by-side" }, element("div", {}, element("h3", {}, "The loss, step by step"), this.curvePlace, element("h3", {}, "The rate of each step"), this.schedulePlace),
          element("div", { className: "panel" }, ...["optimizer", "rate", "schedule", "seed"].map((name) => this.controls[name].root), this.told)),
        words(`${texts.scheduled_rate} is the highest rate of Llama 2's 7B and 13B: up to it in the warm-up, then down along a cosine. Here a schedule spans ${texts.epochs} epochs, ${whole(texts.steps)} steps.`)),
      section("rates", "The same training at seven rates", words("Each by the optimizer and from the seed that are chosen above, by the same kernels."), this.runs),
      keep(talk),
      this.player.root,
    );
    this.valley = new Plot(this.valleyPlace, "One weight, step by step");
    this.schedule = new Plot(this.schedulePlace, "Learning rate by step", 200);
    this.curve = new Curve(this.curvePlace, "loss of the digits");
  }

  /** @param {any} answer */
  answer(answer) {
    const { settings } = this.talk;
    const [low, high] = [-2, 4];
    const parabola = /** @type {[number, number][]} */ (Array.from({ length: 61 }, (_, at) => [low + ((high - low) * at) / 60, (low + ((high - low) * at) / 60 - 1) ** 2]));
    const path = answer.valley.map((/** @type {number} */ w) => [w, (w - 1) ** 2]);
    const last = answer.valley[answer.valley.length - 1];
    this.valley?.update({ label: "weight", low, high }, { label: "loss", low: 0, high: 9 }, [{ name: "", colour: 0, points: parabola }, { name: "", colour: 1, points: path }],
      path.map(([x, y], /** @type {number} */ at) => ({ x, y, colour: 1, name: at === 0 ? "start" : at === path.length - 1 ? "end" : "" })));
    const factor = Math.abs(1 - 2 * settings.valley);
    const way = settings.valley < 0.1 ? "too small" : factor >= 1 ? "diverges" : settings.valley > 0.7 ? "oscillates" : "right";
    this.verdict.textContent = `${decimal(settings.valley)}: ${way}. After ${answer.valley.length - 1} steps the weight is ${fixed(last)}; the best is 1.`;
    this.verdict.classList.toggle("wrong", way !== "right");
    const rates = answer.schedule;
    const steps = this.talk.texts.steps;
    this.schedule?.update({ label: "step", low: 0, high: steps }, { label: "rate", low: 0, high: Math.max(...rates.map((/** @type {number[]} */ each) => each[1])) * 1.05 }, [{ name: "", colour: 2, points: rates }]);
    this.runs.replaceChildren(table("Seven rates", ["rate", "loss", "what it did"], answer.runs.map((/** @type {any} */ run) => [brief(run.rate), run.loss === null ? "not finite" : fixed(run.loss), run.told])));
  }

  /** @param {{step: number, arrays: Record<string, Float32Array>}} frame @param {Record<string, number>} numbers */
  tell(frame, numbers) {
    this.curve?.update(frame.arrays.curve, numbers.points, numbers.window);
    const epochs = frame.step / this.words.steps_of_epoch;
    write(this.told, frame.step ? `After ${decimal(epochs, 1)} epochs the loss is ${brief(Number(numbers.latest.toPrecision(3)))}, and ${percent(numbers.accuracy)} of the digits that it trains on are read right.` : this.begin());
  }
}

/** @param {HTMLElement} place @param {any} talk */
export const make = (place, talk) => new Training(place, talk);
