// @ts-check
/** Maps side by side, each a small picture of numbers. */

import { element } from "./dom.js";

export class Maps {
  /** @param {number} count @param {number} side  pixels @param {string} name */
  constructor(count, side, name) {
    this.side = side;
    this.name = name;
    this.canvases = Array.from({ length: count }, () => element("canvas", { width: side, height: side }));
    this.root = element("div", { className: "maps", role: "img" }, ...this.canvases);
  }

  /** Below 0 of another colour. @param {Float32Array} values  of all maps, one behind the other, row by row */
  paint(values) {
    const style = getComputedStyle(document.documentElement);
    const [above, below] = [rgb(style.getPropertyValue("--colour-0")), rgb(style.getPropertyValue("--colour-1"))];
    const size = this.side ** 2;
    const largest = Math.max(1e-9, ...values.map(Math.abs));
    const sums = this.canvases.map((canvas, map) => {
      const image = new ImageData(this.side, this.side);
      let sum = 0;
      for (let at = 0; at < size; at += 1) {
        const value = values[map * size + at];
        image.data.set(value < 0 ? below : above, 4 * at);
        image.data[4 * at + 3] = (255 * Math.abs(value)) / largest;
        sum += Math.abs(value);
      }
      canvas.getContext("2d").putImageData(image, 0, 0);
      return sum;
    });
    const strongest = sums.indexOf(Math.max(...sums)) + 1;
    this.root.setAttribute("aria-label", this.canvases.length > 1 ? `${this.name}; the strongest is number ${strongest}` : this.name);
  }
}

/** @param {string} colour  as #rrggbb */
export function rgb(colour) {
  const value = Number.parseInt(colour.trim().slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}
