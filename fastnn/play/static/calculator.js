// @ts-check
/** A page of settings and what the kernels make of them: a figure, its controls beside it, and what it says. */

import { control } from "./controls.js";
import { element } from "./dom.js";

export class Calculator {
  /** @param {any} talk */
  constructor(talk) {
    this.talk = talk;
    this.controls = Object.fromEntries(Object.entries(talk.fields).filter(([, field]) => !["sizes", "file"].includes(field.kind)).map(([name, field]) => [
      name, control(field, (value) => talk.set({ [name]: value })),
    ]));
    this.show(talk.settings);
  }

  /** A figure with controls beside it. @param {string} name @param {Node[]} figure @param {(string|Node)[]} panel  names of controls, or nodes */
  screen(name, figure, panel) {
    const right = panel.map((each) => (typeof each === "string" ? this.controls[each].root : each));
    return element("section", { "aria-label": name },
      element("div", { className: "side-by-side" }, element("div", {}, ...figure), element("div", { className: "panel" }, ...right)));
  }

  /** Sets some at once, as a preset does. @param {Record<string, any>} settings */
  take(settings) {
    this.talk.set(settings);
    this.show(settings);
  }

  /** @param {Record<string, any>} settings */
  show(settings) {
    for (const [name, value] of Object.entries(settings)) this.controls[name]?.set(value);
  }

  /** @param {any} told */
  hear(told) {
    if (told.refused) this.show(this.talk.settings);
    if (told.answer) this.answer(told.answer);
  }

  /** @param {any} answer */
  answer(answer) { throw new Error(`nobody shows ${Object.keys(answer)}`); }

  /** @param {any} frame */
  draw(frame) { throw new Error(`nobody draws step ${frame.step}`); }
}

/** A table. @param {string} name @param {string[]} heads @param {(string|Node)[][]} rows @param {number} [texts]  columns of words, at the left */
export function table(name, heads, rows, texts = 1) {
  const side = (/** @type {number} */ at) => (at < texts ? "" : "number");
  const head = element("tr", {}, ...heads.map((text, at) => (text ? element("th", { scope: "col", className: side(at) }, text) : element("td"))));
  const lines = rows.map((row) => element("tr", {}, ...row.map((cell, at) => element("td", { className: side(at) }, cell))));
  const root = element("table", {}, element("thead", {}, head), element("tbody", {}, ...lines));
  return element("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": name }, root);
}

/** Cards of numbers. @param {[string, string][]} cards */
export function cards(cards) {
  return element("ul", { className: "cards" }, ...cards.map(([value, about]) => element("li", {}, element("b", {}, value), element("small", {}, about))));
}

/** @param {(string|Node)[]} children */
export const lead = (...children) => element("p", { className: "lead" }, ...children);
