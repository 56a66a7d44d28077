// @ts-check
/** Curves over an axis, and points on them; tells each curve by its dash too. */

import { brief, drawn } from "./dom.js";

const [LEFT, RIGHT, TOP, BOTTOM] = [54, 14, 16, 44];
/** Of a figure of the type that labels are set in, at most. */
const FIGURE = 7.5;
/** Between names at one place. */
const LINE = 17;
const DASHES = ["", "8 5", "2 4", "10 4 2 4"];

/** @typedef {{label: string, low: number, high: number, log?: boolean, bare?: boolean}} Axis  bare: without figures. */
/** @typedef {{name: string, colour: number, points: [number, number][]}} Series */
/** @typedef {{x: number, y: number, name: string, colour?: number}} Mark */

export class Plot {
  /** @param {HTMLElement} place @param {string} name @param {number} height */
  constructor(place, name, height = 300) {
    this.place = place;
    this.name = name;
    this.height = height;
    this.svg = drawn("svg", { role: "img", class: "plot-svg" });
    place.append(this.svg);
    new ResizeObserver(() => this.last && this.update(...this.last)).observe(place);
  }

  /** @param {Axis} x @param {Axis} y @param {Series[]} series @param {Mark[]} marks */
  update(x, y, series, marks = []) {
    /** @type {[Axis, Axis, Series[], Mark[]]} */ this.last = [x, y, series, marks];
    const width = Math.max(240, Math.min(720, this.place.clientWidth));
    for (const [key, value] of Object.entries({ viewBox: `0 0 ${width} ${this.height}`, width, height: this.height })) {
      this.svg.setAttribute(key, String(value));
    }
    this.heights = y.bare ? [] : ticks(y, 5);
    this.left = y.bare ? RIGHT : Math.max(LEFT, 12 + FIGURE * Math.max(...this.heights.map((value) => brief(value).length)));
    this.across = scale(x, this.left, width - RIGHT);
    this.up = scale(y, this.height - BOTTOM, TOP);
    this.svg.replaceChildren(...this.axis(x, y, width), ...series.flatMap((each, at) => this.curve(each, at, series.length > 1)), ...this.marks(marks, Boolean(y.bare)));
    const said = marks.map((mark) => `${mark.name} at ${brief(mark.x)}, ${brief(mark.y)}`);
    this.svg.setAttribute("aria-label", `${this.name}. ${[...series.map((each) => each.name), ...said].filter(Boolean).join("; ")}`);
  }

  /** @param {Axis} x @param {Axis} y @param {number} width */
  axis(x, y, width) {
    const bottom = this.height - BOTTOM;
    const found = [];
    const left = this.left;
    for (const value of this.heights) {
      const at = this.up(value);
      found.push(drawn("path", { d: `M${left} ${at}H${width - RIGHT}`, class: "grid" }));
      found.push(drawn("text", { x: left - 8, y: at + 4, "text-anchor": "end" }, brief(value)));
    }
    for (const value of ticks(x, width < 420 ? 4 : 8)) {
      const at = this.across(value);
      found.push(drawn("path", { d: `M${at} ${bottom}v5`, class: "axes" }));
      found.push(drawn("text", { x: at, y: bottom + 19, "text-anchor": "middle" }, brief(value)));
    }
    found.push(drawn("path", { d: y.bare ? `M${left} ${bottom}H${width - RIGHT}` : `M${left} ${TOP}V${bottom}H${width - RIGHT}`, class: "axes" }));
    found.push(drawn("text", { x: width - RIGHT, y: this.height - 6, "text-anchor": "end" }, x.label));
    found.push(drawn("text", { x: left + 6, y: TOP - 4 }, y.label));
    return found;
  }

  /** @param {Series} series @param {number} at @param {boolean} named */
  curve(series, at, named) {
    const places = series.points.filter(([, y]) => Number.isFinite(y)).map(([x, y]) => [this.across(x), this.up(y)]);
    const path = drawn("path", {
      d: places.map(([x, y], each) => `${each ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join(""),
      class: `curve colour-${series.colour}`, "stroke-dasharray": DASHES[at % DASHES.length],
    });
    if (!named || !places.length) return [path];
    const [x, y] = places[places.length - 1];
    return [path, drawn("text", { x: x - 4, y: y - 8, "text-anchor": "end", class: "name" }, series.name)];
  }

  /** @param {Mark[]} marks @param {boolean} bare */
  marks(marks, bare) {
    const bottom = this.height - BOTTOM;
    const lines = marks.map((mark, at) => {
      const y = this.up(mark.y);
      return bare ? y + 5 : at % 2 && y + 24 < bottom ? y + 24 : y - 9;
    });
    for (let at = marks.length - 1; at > 0; at -= 1) {
      if (marks[at].x === marks[at - 1].x && Math.abs(lines[at] - lines[at - 1]) < LINE) lines[at - 1] = lines[at] - LINE;
    }
    return marks.flatMap((mark, at) => this.mark(mark, lines[at]));
  }

  /** @param {Mark} mark @param {number} line  of its name, so that two at one place are both read */
  mark(mark, line) {
    const [x, y] = [this.across(mark.x), this.up(mark.y)];
    const left = x > 150;
    return [
      drawn("circle", { cx: x, cy: y, r: 7, class: `mark colour-${mark.colour ?? 0}` }),
      drawn("text", { x: x + (left ? -13 : 13), y: line, "text-anchor": left ? "end" : "start", class: "name" }, mark.name),
    ];
  }
}

/** @param {Axis} axis @param {number} from @param {number} to @returns {(value: number) => number} */
function scale(axis, from, to) {
  const turn = axis.log ? Math.log10 : Number;
  const [low, high] = [turn(axis.low), turn(axis.high)];
  return (value) => {
    const share = (turn(value) - low) / (high - low);
    return from + (to - from) * Math.min(1.02, Math.max(-0.02, share));
  };
}

/** @param {Axis} axis @param {number} most @returns {number[]} */
export function ticks(axis, most) {
  if (axis.log) {
    const [low, high] = [Math.ceil(Math.log10(axis.low)), Math.floor(Math.log10(axis.high))];
    const each = Math.max(1, Math.ceil((high - low) / most));
    return Array.from({ length: Math.floor((high - low) / each) + 1 }, (_, at) => 10 ** (low + each * at));
  }
  const rough = (axis.high - axis.low) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = /** @type {number} */ ([1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough));
  const first = Math.ceil(axis.low / step - 1e-9);
  return Array.from({ length: Math.floor(axis.high / step + 1e-9) - first + 1 }, (_, at) => Number(((first + at) * step).toPrecision(9)));
}
