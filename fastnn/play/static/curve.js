// @ts-check
/** A curve as a drawing with its two axes. */

import { brief, drawn, whole, write } from "./dom.js";

const [LEFT, RIGHT, TOP, BOTTOM] = [64, 8, 14, 40];
const HEIGHT = 210;

export class Curve {
  /** @param {HTMLElement} place @param {string} name  of what goes up and down */
  constructor(place, name) {
    this.place = place;
    this.name = name;
    this.line = drawn("path", { class: "curve" });
    this.high = drawn("text", { x: LEFT - 8, y: TOP + 5, "text-anchor": "end" });
    this.low = drawn("text", { x: LEFT - 8, y: HEIGHT - BOTTOM, "text-anchor": "end" }, "0");
    this.end = drawn("text", { y: HEIGHT - BOTTOM + 20, "text-anchor": "end" });
    this.begin = drawn("text", { x: LEFT, y: HEIGHT - BOTTOM + 20 }, "step 0");
    this.axes = drawn("path", { class: "axes" });
    this.svg = drawn("svg", { role: "img", class: "plot-svg" }, this.axes, this.line, this.high, this.low, this.begin, this.end);
    place.append(this.svg);
    new ResizeObserver(() => this.lay()).observe(place);
    this.lay();
  }

  lay() {
    this.width = Math.max(240, Math.min(720, this.place.clientWidth));
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${HEIGHT}`);
    this.svg.setAttribute("width", String(this.width));
    this.svg.setAttribute("height", String(HEIGHT));
    this.axes.setAttribute("d", `M${LEFT} ${TOP}V${HEIGHT - BOTTOM}H${this.width - RIGHT}`);
    this.end.setAttribute("x", String(this.width - RIGHT));
    if (this.last) this.update(...this.last);
  }

  /** @param {Float32Array} values @param {number} count @param {number} window  steps of each */
  update(values, count, window) {
    /** @type {[Float32Array, number, number]} */ this.last = [values, count, window];
    const top = Math.max(1e-9, ...values.subarray(0, count).filter(Number.isFinite));
    const across = (Number(this.width) - LEFT - RIGHT) / Math.max(1, count);
    let path = "";
    for (let at = 0; at < count; at += 1) {
      const y = TOP + (HEIGHT - TOP - BOTTOM) * (1 - values[at] / top);
      path += `${at ? "L" : "M"}${(LEFT + across * (at + 0.5)).toFixed(1)} ${y.toFixed(1)}`;
    }
    this.line.setAttribute("d", path);
    write(this.high, count ? brief(Number(top.toPrecision(3))) : "");
    write(this.end, count ? whole(count * window) : "");
    this.svg.setAttribute("aria-label", count
      ? `${this.name}: from ${brief(Number(values[0].toPrecision(3)))} to ${brief(Number(values[count - 1].toPrecision(3)))} over ${whole(count * window)} steps`
      : `${this.name}: no step yet`);
  }
}
