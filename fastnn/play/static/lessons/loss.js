// @ts-check
/** What being wrong costs. */

import { Calculator, lead } from "../calculator.js";
import { decimal, element, fixed, section, whole, words } from "../dom.js";
import { Plot } from "../plot.js";

class Loss extends Calculator {
  /** @param {HTMLElement} place @param {any} talk */
  constructor(place, talk) {
    super(talk);
    this.plotPlace = element("div", { className: "plot" });
    this.verdict = element("p", { className: "verdict" });
    this.classes = element("p", { className: "verdict" });
    this.squares = element("div");
    place.replaceChildren(
      lead("A network says how sure it is. The loss says what that costs once the truth is known: little where it was sure and right, ever more where it was sure and wrong."),
      this.screen("One prediction", [this.plotPlace], ["prediction", "truth", this.verdict]),
      section("classes", "When there are many answers",
        words("A language model chooses among some 100,000 tokens. Knowing nothing, it gives each the same probability, and pays the logarithm of their number."),
        element("div", { className: "panel" }, this.controls.classes.root, this.controls.lead.root, this.classes)),
      section("why", "Why the logarithm, and not the square", words("The steeper the loss, the harder a training pulls. The square of the error is nearly flat where a prediction is most wrong behind a sigmoid; the logarithm is steepest there."), this.squares),
    );
    this.plot = new Plot(this.plotPlace, "Loss by prediction");
  }

  /** @param {any} answer */
  answer(answer) {
    const { settings, texts } = this.talk;
    const isTrue = settings.truth === "1";
    const points = (/** @type {number[]} */ values) => texts.curve.map((/** @type {number} */ p, /** @type {number} */ at) => [isTrue ? p : 1 - p, values[at]]).sort((/** @type {number[]} */ a, /** @type {number[]} */ b) => b[0] - a[0]);
    this.plot?.update({ label: "prediction p", low: 0, high: 1 }, { label: "loss", low: 0, high: 5 }, [
      { name: "", colour: 0, points: points(texts.cross_entropy) }, { name: "", colour: 1, points: points(texts.squares) },
    ], [{ x: settings.prediction, y: answer.loss, name: fixed(answer.loss) }, { x: settings.prediction, y: answer.square, name: `square ${fixed(answer.square)}`, colour: 1 }]);
    const [formula, slope] = isTrue ? ["\u2212ln p", "\u22121/p"] : ["\u2212ln(1 \u2212 p)", "1/(1 \u2212 p)"];
    this.verdict.textContent = `p = ${settings.prediction.toFixed(2)}, y = ${settings.truth}: loss ${formula} = ${fixed(answer.loss)}; slope ${slope} = ${fixed(answer.slope)}`;
    this.classes.textContent = `Knowing nothing costs ln ${whole(settings.classes)} = ${fixed(answer.uniform)}. With the right answer's logit ${decimal(settings.lead)} ahead of all others: ${fixed(answer.class_loss)}, a probability of ${decimal(Math.exp(-answer.class_loss), 6)}.`;
    this.squares.replaceChildren(words(`Here the logarithm's slope by p is ${fixed(answer.slope)}, the square's ${fixed(answer.square_slope)}.`));
  }
}

/** @param {HTMLElement} place @param {any} talk */
export const make = (place, talk) => new Loss(place, talk);
