// @ts-check
/** Where the heads of attention look: a row is a token that looks, a column one that it looks at. */

import { drawn, percent } from "./dom.js";

const [SIZE, EDGE] = [420, 22];

export class Heads {
  /** @param {HTMLElement} place */
  constructor(place) {
    this.svg = drawn("svg", { viewBox: `0 0 ${SIZE} ${SIZE}`, class: "heads", role: "img" });
    place.append(this.svg);
  }

  /** @param {string[]} letters  of the tokens @param {Float32Array} looks  shares, row by row @param {number} positions  in a row @param {string} name */
  paint(letters, looks, positions, name) {
    const each = (SIZE - EDGE) / letters.length;
    const at = (/** @type {number} */ place) => EDGE + each * place;
    const cells = letters.flatMap((_, row) => letters.slice(0, row + 1).map((__, column) => {
      const cell = drawn("rect", { x: at(column).toFixed(1), y: at(row).toFixed(1), width: (each - 0.6).toFixed(1), height: (each - 0.6).toFixed(1) });
      cell.style.setProperty("--share", String(Math.sqrt(looks[row * positions + column])));
      return cell;
    }));
    const names = letters.flatMap((letter, place) => [
      drawn("text", { x: EDGE - 7, y: at(place + 0.5) + 4, "text-anchor": "end" }, letter),
      drawn("text", { x: at(place + 0.5), y: EDGE - 8, "text-anchor": "middle" }, letter),
    ]);
    this.svg.replaceChildren(...cells, ...names);
    const last = letters.length - 1;
    const most = Array.from(letters.keys()).sort((a, b) => looks[last * positions + b] - looks[last * positions + a])[0];
    this.svg.setAttribute("aria-label", `${name}: the last token looks most at ${letters[most]}, place ${most}, ${percent(looks[last * positions + most], 0)}`);
  }
}
