// @ts-check
/** A line in the plane. */

import { Calculator, lead, table } from "../calculator.js";
import { button } from "../controls.js";
import { decimal, drawn, element, fixed, section, whole, words } from "../dom.js";

const SIZE = 330;
const EDGE = 34;

class Perceptron extends Calculator {
  /** @param {HTMLElement} place @param {any} talk */
  constructor(place, talk) {
    super(talk);
    const { texts } = talk;
    this.plane = drawn("svg", { viewBox: `0 0 ${SIZE} ${SIZE}`, class: "plane", role: "img" });
    this.verdict = element("p", { className: "verdict" });
    this.learned = element("div");
    this.inequalities = element("div");
    this.learn = button("Let Rosenblatt's rule find it", () => {
      const { weights, bias } = texts.rosenblatt[this.talk.settings.gate];
      this.take({ w1: weights[0], w2: weights[1], bias });
    }, { className: "main" });
    place.replaceChildren(
      lead("A neuron with two inputs answers 1 on one side of a line and 0 on the other. Turn and move the line until all four corners are on their right side."),
      this.screen("The plane", [this.plane, element("p", { className: "legend" }, "Filled corners should be 1, empty ones 0; a cross marks one that is wrong. The shaded side is where the neuron says 1.")],
        ["gate", "w1", "w2", "bias", "unit", this.learn, this.verdict]),
      section("rule", "What Rosenblatt's rule learns", this.learned,
        words(`A sigmoid in place of the step, and gradient descent: after ${whole(texts.steps)} steps the loss of AND is ${fixed(texts.sigmoid.AND)}, of OR ${fixed(texts.sigmoid.OR)}, and of XOR ${fixed(texts.sigmoid.XOR)}. That is ln 2 = ${fixed(texts.least)}, the loss of answering one half always.`)),
      section("xor", "Why no line does XOR", this.inequalities,
        words("The second and third together say w1 + w2 + 2b is 0 or more; the fourth says w1 + w2 + b is below 0, so b would be above 0; the first says it is below. No three numbers do all four.")),
      section("hidden", "What hidden units do about it", ...this.hidden(texts.hidden)),
    );
  }

  /** @param {any} found */
  hidden(found) {
    const canvas = element("canvas", { width: found.across, height: found.across, className: "map", role: "img", "aria-label": "What a trained network answers over the plane: 1 at two opposite corners, 0 at the other two" });
    const paint = () => {
      const style = getComputedStyle(document.documentElement);
      const pen = canvas.getContext("2d");
      pen.fillStyle = style.getPropertyValue("--ground");
      pen.fillRect(0, 0, found.across, found.across);
      pen.fillStyle = style.getPropertyValue("--colour-0");
      found.map.forEach((/** @type {number} */ value, /** @type {number} */ at) => {
        pen.globalAlpha = value;
        pen.fillRect(at % found.across, Math.floor(at / found.across), 1, 1);
      });
      pen.globalAlpha = 1;
    };
    paint();
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
    const rows = this.talk.texts.corners.map((/** @type {number[]} */ corner, /** @type {number} */ at) => [
      corner.join(" "), String(this.talk.texts.gates.XOR[at]), fixed(found.outputs[at]),
    ]);
    return [
      words(`${found.units} hidden ${found.activation} units, ${found.parameters} parameters in all, trained on the four corners for ${whole(found.steps)} steps: ${found.learned} of ${found.seeds} random starts learn XOR. Each hidden unit draws a line of its own; the output joins them.`),
      element("div", { className: "side-by-side" }, canvas, table("What it answers", ["inputs", "truth", "output"], rows)),
    ];
  }

  /** @param {any} answer */
  answer(answer) {
    const { settings, texts } = this.talk;
    const labels = texts.gates[settings.gate];
    this.drawPlane(answer, labels);
    const loss = answer.loss === null ? "" : `; loss ${fixed(answer.loss)}`;
    this.verdict.textContent = `${answer.right} of 4 corners right${loss}. ${decimal(settings.w1)} x1 + ${decimal(settings.w2)} x2 + ${decimal(settings.bias)}`.replaceAll("+ \u2212", "\u2212 ");
    this.verdict.classList.toggle("wrong", answer.right < 4);
    const found = texts.rosenblatt[settings.gate];
    this.learned.replaceChildren(words(found.mistakes === 0
      ? `The perceptron is of 1958, this rule of 1960 to 1962 as far as is known. It begins with weights of 0, and corrects them at each mistake by the input that was misread. ${settings.gate} takes it ${found.updates} corrections: weights ${decimal(found.weights[0])} and ${decimal(found.weights[1])}, bias ${decimal(found.bias)}.`
      : `Rosenblatt's rule corrects its weights at each mistake. At ${settings.gate} it never ends: after ${texts.epochs} rounds and ${found.updates} corrections it still makes ${found.mistakes} mistakes a round.`));
    this.tellInequalities(settings);
  }

  /** With the numbers of the sliders. @param {any} s */
  tellInequalities(s) {
    const lines = [
      ["0 0 must be 0", "b < 0", s.bias, s.bias < 0], ["0 1 must be 1", "w2 + b \u2265 0", s.w2 + s.bias, s.w2 + s.bias >= 0],
      ["1 0 must be 1", "w1 + b \u2265 0", s.w1 + s.bias, s.w1 + s.bias >= 0], ["1 1 must be 0", "w1 + w2 + b < 0", s.w1 + s.w2 + s.bias, s.w1 + s.w2 + s.bias < 0],
    ];
    this.inequalities.replaceChildren(table("The four inequalities of XOR", ["corner", "so", "now", ""], lines.map(([corner, rule, value, holds]) => [
      String(corner), String(rule), decimal(Number(value)), holds ? "holds" : "fails",
    ]), 2));
  }

  /** @param {any} answer @param {number[]} labels */
  drawPlane(answer, labels) {
    const { settings: s, texts } = this.talk;
    const [low, high] = texts.span;
    const turn = (/** @type {number} */ value) => EDGE + ((SIZE - 2 * EDGE) * (value - low)) / (high - low);
    const at = (/** @type {number[]} */ [x, y]) => [turn(x), SIZE - turn(y)];
    const side = clipped(s.w1, s.w2, s.bias, low, high).map(at);
    const parts = [drawn("rect", { x: turn(low), y: turn(low), width: turn(high) - turn(low), height: turn(high) - turn(low), class: "frame" })];
    if (side.length > 2) parts.push(drawn("polygon", { points: side.map((each) => each.map((v) => v.toFixed(1)).join(",")).join(" "), class: "side" }));
    texts.corners.forEach((/** @type {number[]} */ corner, /** @type {number} */ index) => {
      const [x, y] = at(corner);
      parts.push(drawn("circle", { cx: x, cy: y, r: 12, class: labels[index] ? "corner one" : "corner" }));
      if (answer.outputs[index] >= 0.5 !== Boolean(labels[index])) parts.push(drawn("path", { d: `M${x - 17} ${y - 17}l34 34m0 -34l-34 34`, class: "cross" }));
      parts.push(drawn("text", { x, y: y + 30, "text-anchor": "middle" }, `${corner.join(" ")}: ${decimal(answer.outputs[index], 2)}`));
    });
    this.plane.replaceChildren(...parts);
    this.plane.setAttribute("aria-label", texts.corners.map((/** @type {number[]} */ corner, /** @type {number} */ index) => `at ${corner.join(" ")} it says ${decimal(answer.outputs[index], 2)}, truth ${labels[index]}`).join("; "));
  }
}

/** The part of a square where w1 x + w2 y + b is 0 or more. @param {number} w1 @param {number} w2 @param {number} b @param {number} low @param {number} high */
function clipped(w1, w2, b, low, high) {
  const square = [[low, low], [high, low], [high, high], [low, high]];
  const height = (/** @type {number[]} */ [x, y]) => w1 * x + w2 * y + b;
  return square.flatMap((corner, at) => {
    const next = square[(at + 1) % 4];
    const [here, there] = [height(corner), height(next)];
    const kept = here >= 0 ? [corner] : [];
    if (here >= 0 === there >= 0) return kept;
    const share = here / (here - there);
    return [...kept, [corner[0] + share * (next[0] - corner[0]), corner[1] + share * (next[1] - corner[1])]];
  });
}

/** @param {HTMLElement} place @param {any} talk */
export const make = (place, talk) => new Perceptron(place, talk);
