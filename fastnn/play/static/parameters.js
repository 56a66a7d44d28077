// @ts-check
/** All parameters as a table: each can be typed. The same that the drawing shows. */

import { element, fixed, write } from "./dom.js";

export class Parameters {
  /** @param {string[]} names @param {((index: number, value: number) => void) | null} put  null where none can be typed
   * @param {(index: number) => void} pick */
  constructor(names, put, pick) {
    this.rows = names.map((name, index) => {
      const input = element("input", { type: "number", step: "any", "aria-label": `${name}, value`, inputMode: "decimal", readOnly: !put });
      input.addEventListener("change", () => {
        if (input.value !== "" && Number.isFinite(Number(input.value))) put?.(index, Number(input.value));
      });
      input.addEventListener("focus", () => pick(index));
      const [gradient, tried] = [element("td", { className: "number" }), element("td", { className: "number" })];
      const root = element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, input), gradient, tried);
      return { root, input, gradient, tried };
    });
    const heads = ["parameter", "value", "gradient", "by trying"].map((text, at) =>
      element("th", { scope: "col", className: at > 1 ? "number" : "" }, text));
    const table = element("table", { id: "parameters" },
      element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...this.rows.map((row) => row.root)));
    this.root = element("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": "All parameters" }, table);
  }

  /** What is being typed stays. @param {Record<string, Float32Array>} arrays */
  update(arrays) {
    this.rows.forEach((row, index) => {
      const text = arrays.parameters[index].toFixed(4);
      if (row.input !== document.activeElement && row.input.value !== text) row.input.value = text;
      write(row.gradient, fixed(arrays.gradient[index]));
      const tried = arrays.tried[index];
      write(row.tried, Number.isNaN(tried) ? "when paused" : fixed(tried));
    });
  }
}
