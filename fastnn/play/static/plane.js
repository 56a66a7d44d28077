// @ts-check
/** A plane: what a network says everywhere, rows on it, and axes with the numbers of the rows. */

import { brief, drawn, element } from "./dom.js";
import { rgb } from "./maps.js";
import { ticks } from "./plot.js";

const SIZE = 420;
const [LEFT, RIGHT, TOP, BOTTOM] = [52, 10, 10, 40];
const [WIDTH, HEIGHT] = [SIZE - LEFT - RIGHT, SIZE - TOP - BOTTOM];
/** Of the colour of a class: where it is not more probable than the others, and where it is certain. */
const [FAINT, FULL] = [0.04, 0.5];
/** A shape for each class, so that colour is not all that tells it. */
const SHAPES = [
  "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0z", "M-4.2-4.2h8.4v8.4h-8.4z", "M0-5.4l5 9.2h-10z", "M0-5.8l5 5.8-5 5.8-5-5.8z",
  "M-1.7-5.2h3.4v3.5h3.5v3.4h-3.5v3.5h-3.4v-3.5h-3.5v-3.4h3.5z", "M0 5.4l5-9.2h-10z", "M-3-5.2h6l2.6 5.2-2.6 5.2h-6l-2.6-5.2z",
];

/** @typedef {{points: number[][], labels: number[], trained_on: number, low: number[], high: number[], columns: string[], class_names: string[]}} Words */

export class Plane {
  /** @param {HTMLElement} place @param {number} across  points of the map */
  constructor(place, across) {
    this.across = across;
    this.canvas = element("canvas", { width: SIZE, height: SIZE, "aria-hidden": "true" });
    this.small = element("canvas", { width: across, height: across });
    this.svg = drawn("svg", { viewBox: `0 0 ${SIZE} ${SIZE}`, role: "img" });
    place.append(element("div", { className: "layers" }, this.canvas, this.svg));
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.last && this.paint(...this.last));
  }

  /** Of a new training. @param {Words} words */
  lay(words) {
    const { points, labels, trained_on: trainedOn, low, high, columns } = words;
    const x = (/** @type {number} */ value) => LEFT + (WIDTH * (value - low[0])) / (high[0] - low[0]);
    const y = (/** @type {number} */ value) => TOP + HEIGHT - (HEIGHT * (value - low[1])) / (high[1] - low[1]);
    const rows = points.map(([first, second], at) => drawn("path", {
      d: SHAPES[labels[at]], transform: `translate(${x(first).toFixed(1)} ${y(second).toFixed(1)})`,
      class: `row colour-${labels[at]}${at < trainedOn ? "" : " out"}`,
    }));
    const across = ticks({ label: "", low: low[0], high: high[0] }, 6).map((value) => drawn("text", { x: x(value), y: SIZE - BOTTOM + 17, "text-anchor": "middle" }, brief(value)));
    const up = ticks({ label: "", low: low[1], high: high[1] }, 6).map((value) => drawn("text", { x: LEFT - 7, y: y(value) + 4, "text-anchor": "end" }, brief(value)));
    this.svg.replaceChildren(
      drawn("rect", { x: LEFT, y: TOP, width: WIDTH, height: HEIGHT, class: "frame" }), ...across, ...up, ...rows,
      drawn("text", { x: SIZE - RIGHT, y: SIZE - 5, "text-anchor": "end", class: "name" }, columns[0].slice(0, 30)),
      drawn("text", { x: LEFT + 6, y: TOP + 16, class: "name" }, columns[1].slice(0, 30)),
    );
    this.svg.setAttribute("aria-label", `Rows by ${columns[0]}, across, and ${columns[1]}, up; behind them what the network says`);
  }

  /** @param {Float32Array} classes @param {Float32Array} sure  of each point, row by row from the lowest @param {number} count  of classes */
  paint(classes, sure, count) {
    /** @type {[Float32Array, Float32Array, number]} */ this.last = [classes, sure, count];
    const style = getComputedStyle(document.documentElement);
    const colours = Array.from({ length: count }, (_, at) => rgb(style.getPropertyValue(`--colour-${at}`)));
    const image = new ImageData(this.across, this.across);
    for (let at = 0; at < classes.length; at += 1) {
      const to = 4 * ((this.across - 1 - Math.floor(at / this.across)) * this.across + (at % this.across));
      const lead = Math.max(0, (sure[at] - 1 / count) / (1 - 1 / count));
      image.data.set(colours[classes[at]], to);
      image.data[to + 3] = 255 * (FAINT + (FULL - FAINT) * lead);
    }
    this.small.getContext("2d").putImageData(image, 0, 0);
    const pen = this.canvas.getContext("2d");
    pen.clearRect(0, 0, SIZE, SIZE);
    pen.drawImage(this.small, LEFT, TOP, WIDTH, HEIGHT);
  }
}

/** @param {number} label */
export const shape = (label) => drawn("svg", { viewBox: "-7 -7 14 14", width: 16, height: 16, class: "shape", "aria-hidden": "true" },
  drawn("path", { d: SHAPES[label], class: `row colour-${label}` }));
