// @ts-check
/** A network of dense layers as a drawing: each link a number that can be picked, each unit what it says now. */

import { drawn, fixed, write } from "./dom.js";
import { linksOf, placeOf } from "./layers.js";

const RADIUS = 21;
const ROW = 84;
const TOP = 44;
/** Up to this width of the drawing its names are short. */
const MARGIN = 26;

export class Network {
  /** @param {HTMLElement} place @param {{sizes: number[], inputs: readonly string[], outputs: readonly string[], names: string[]}} words
   * @param {(index: number) => void} pick */
  constructor(place, words, pick) {
    this.words = words;
    this.pick = pick;
    this.links = linksOf(words.sizes);
    this.picked = 0;
    this.place = place;
    /** @type {any} */ this.last = null;
    new ResizeObserver(() => this.lay()).observe(place);
    this.lay();
  }

  lay() {
    const width = Math.max(260, Math.min(720, this.place.clientWidth));
    if (width === this.width) return;
    this.width = width;
    const { sizes } = this.words;
    this.height = TOP + ROW * Math.max(...sizes);
    this.svg = drawn("svg", { viewBox: `0 0 ${width} ${this.height}`, width, height: this.height, class: "network" });
    this.makeLinks();
    this.makeUnits();
    const held = this.place.contains(document.activeElement);
    this.place.replaceChildren(this.svg);
    this.mark();
    if (held) this.options[this.picked].focus();
    if (this.last) this.update(...this.last);
  }

  /** @param {number} layer @param {number} unit */
  at(layer, unit) {
    const { sizes } = this.words;
    const across = (Number(this.width) - 2 * MARGIN) / (sizes.length - 1);
    const down = (Number(this.height) - TOP) / sizes[layer];
    return { x: MARGIN + across * layer, y: TOP + down * (unit + 0.5) };
  }

  makeLinks() {
    const group = drawn("g", { role: "listbox", "aria-label": "Weights and biases", "aria-orientation": "vertical" });
    this.options = this.links.map((link) => {
      const option = drawn("g", { role: "option", class: "link", tabindex: -1 }, ...this.shape(link));
      option.addEventListener("focus", () => this.choose(link.index));
      option.addEventListener("click", () => option.focus());
      option.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.move(event, link.index));
      return option;
    });
    group.append(...this.options);
    this.svg.append(group);
  }

  /** A line, and a wider one that is easier to hit; of a bias a square at its unit. @param {import("./layers.js").Link} link */
  shape(link) {
    const end = this.at(link.layer + 1, link.to);
    if (link.from < 0) {
      const box = { x: end.x - RADIUS - 5, y: end.y - RADIUS - 5 };
      return [
        drawn("rect", { ...box, width: 24, height: 24, class: "hit", transform: "translate(-8 -8)" }),
        drawn("rect", { ...box, width: 9, height: 9, rx: 2, class: "bias" }),
      ];
    }
    const begin = this.at(link.layer, link.from);
    const line = { x1: begin.x + RADIUS, y1: begin.y, x2: end.x - RADIUS, y2: end.y };
    return [drawn("line", { ...line, class: "hit" }), drawn("line", { ...line, class: "halo" }), drawn("line", { ...line, class: "line" })];
  }

  makeUnits() {
    const { sizes, inputs, outputs } = this.words;
    /** @type {any[][]} */
    this.units = sizes.map((size, layer) => Array.from({ length: size }, (_, unit) => {
      const { x, y } = this.at(layer, unit);
      const [circle, value] = [drawn("circle", { cx: x, cy: y, r: RADIUS }), drawn("text", { x, y: y + 5, class: "value" })];
      const last = layer === sizes.length - 1;
      const name = layer === 0 ? inputs[unit] : last ? outputs[unit] : `hidden ${unit + 1}`;
      const [place, anchor] = layer === 0 ? [x - RADIUS, "start"] : last ? [x + RADIUS, "end"] : [x, "middle"];
      const label = drawn("text", { x: place, y: y - RADIUS - 9, class: "label", "text-anchor": anchor }, name);
      this.svg.append(drawn("g", { class: "unit", "aria-hidden": "true" }, circle, value, label));
      return { circle, value, label, name };
    }));
  }

  /** @param {KeyboardEvent} event @param {number} index */
  move(event, index) {
    const size = this.links.length;
    const next = {
      ArrowDown: index + 1, ArrowRight: index + 1, ArrowUp: index - 1, ArrowLeft: index - 1, Home: 0, End: size - 1,
    }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    this.options[Math.min(size - 1, Math.max(0, next))].focus();
  }

  /** @param {number} index */
  choose(index) {
    if (index === this.picked) return;
    this.picked = index;
    this.mark();
    this.pick(index);
  }

  mark() {
    this.options.forEach((option, index) => {
      option.setAttribute("aria-selected", String(index === this.picked));
      option.setAttribute("tabindex", index === this.picked ? "0" : "-1");
    });
  }

  /** Which links and units a step of backpropagation is about; null is all.
   * @param {{links: Set<number>, units: Set<string>} | null} lit */
  light(lit) {
    this.svg.classList.toggle("dimmed", lit !== null);
    this.options.forEach((option, index) => option.classList.toggle("lit", Boolean(lit?.links.has(index))));
    this.units.forEach((layer, at) => layer.forEach((unit, place) => {
      unit.circle.parentNode.classList.toggle("lit", Boolean(lit?.units.has(`${at}.${place}`)));
    }));
  }

  /** @param {Float32Array} parameters @param {number[]} inputs @param {Float32Array} values @param {string[]} beside  of the outputs */
  update(parameters, inputs, values, beside) {
    this.last = [parameters, inputs, values, beside];
    this.links.forEach((link, index) => this.paint(this.options[index], link, parameters[index]));
    const { sizes } = this.words;
    this.units.forEach((layer, at) => layer.forEach((unit, place) => {
      const value = at === 0 ? inputs[place] : values[placeOf(sizes, at - 1, place)];
      write(unit.value, fixed(value, Math.abs(value) < 99.5 ? 2 : 0));
      unit.circle.style.setProperty("--level", String(Math.min(1, Math.abs(value) / 2)));
      unit.circle.classList.toggle("below", value < 0);
      if (at === sizes.length - 1) write(unit.label, `${unit.name} ${beside[place]}`);
    }));
  }

  /** Below 0 dashed and of another colour; the thicker the larger. @param {any} option @param {any} link @param {number} weight */
  paint(option, link, weight) {
    option.classList.toggle("below", weight < 0);
    option.style.setProperty("--width", String(0.8 + Math.min(7, 1.7 * Math.abs(weight))));
    option.setAttribute("aria-label", `${this.words.names[link.index]}: ${fixed(weight)}`);
  }
}
