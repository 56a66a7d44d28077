// @ts-check
/** Layers without an activation. */

import { Calculator, lead, table } from "../calculator.js";
import { element, fixed, section, whole, words } from "../dom.js";

/** Of the largest answer, in float32. */
const ROUNDING = 1e-4;

/** @param {number | null} residual @param {boolean} off @param {string} rows */
function told(residual, off, rows) {
  if (residual === null) return `it answers 0 to each of ${rows} rows. Nothing comes through that many layers.`;
  const share = `${residual.toExponential(1).replace("-", "\u2212")} of the largest answer to ${rows} rows`;
  const judged = residual < ROUNDING ? "That is rounding: one matrix says it all." : "No matrix says what this says.";
  return `${off ? "the product of all matrices" : "the best of all matrices, by least squares,"} is off by ${share}. ${judged}`;
}

class Linear extends Calculator {
  /** @param {HTMLElement} place @param {any} talk */
  constructor(place, talk) {
    super(talk);
    this.title = element("h2", { className: "minor" }, "");
    this.product = element("div");
    this.verdict = element("p", { className: "verdict" });
    this.proof = element("div");
    place.replaceChildren(
      lead("A layer without an activation multiplies by a matrix. So does the next; and the product of two matrices is a matrix again. However many layers there are, one would do."),
      this.screen("One matrix", [this.title, this.product], ["depth", "activation", "seed", this.verdict]),
      section("proof", "One row, both ways", this.proof, words("Switch the activation on, and no one matrix does it any more: that is what activations are for.")),
    );
  }

  /** @param {any} answer */
  answer(answer) {
    const { settings, texts } = this.talk;
    const names = Array.from({ length: texts.width }, (_, at) => `output ${at + 1}`);
    this.product.replaceChildren(table("The matrix", ["", ...names], answer.matrix.map((/** @type {number[]} */ row, /** @type {number} */ at) => [`input ${at + 1}`, ...row.map((value) => fixed(value))])));
    const off = settings.activation === "off";
    const layers = settings.depth === 1 ? "1 layer" : `${settings.depth} layers`;
    this.title.textContent = off ? "The one matrix that all layers are" : "The one matrix that comes nearest";
    this.verdict.textContent = `${layers}, ${whole(answer.parameters)} parameters, ${off ? "no activation" : settings.activation}: ${told(answer.residual, off, whole(texts.rows))}`;
    this.verdict.classList.toggle("wrong", !(answer.residual < ROUNDING));
    this.proof.replaceChildren(table("One row", ["", ...names], [["layer by layer", ...answer.answered.map((/** @type {number} */ value) => fixed(value, 6))], ["by the one matrix", ...answer.by_matrix.map((/** @type {number} */ value) => fixed(value, 6))]]));
  }
}

/** @param {HTMLElement} place @param {any} talk */
export const make = (place, talk) => new Linear(place, talk);
