// @ts-check
/** Milestones, and experiments that are run on the page. */

import { Calculator, lead, table } from "../calculator.js";
import { button } from "../controls.js";
import { announce, element, section, words } from "../dom.js";
import { Plot } from "../plot.js";

class Timeline extends Calculator {
  /** @param {HTMLElement} place @param {any} talk */
  constructor(place, talk) {
    super(talk);
    const { milestones } = talk.texts;
    /** Where each experiment shows what it found. @type {Map<string, HTMLElement>} */
    this.found = new Map();
    this.buttons = [];
    this.axisPlace = element("div", { className: "plot" });
    place.replaceChildren(
      lead("What papers claimed, and what comes out when it is done again, on this machine, now. Each experiment says of how many random starts it is; where the paper has a single run, its number is marked in the spread of ours. A claim holds where our number lies in the interval that is asked: the intervals are ours, no paper prints them."),
      section("scale", "How large they are", this.axisPlace, words("Parameters of each paper's own largest model, on a logarithmic axis. Those with ≈ are estimates, or from memory.")),
      element("ol", { className: "timeline" }, ...milestones.map((/** @type {any} */ each) => this.milestone(each))),
    );
    this.axis = new Plot(this.axisPlace, "Parameters by year", 60 + 30 * milestones.length);
    const sized = milestones.filter((/** @type {any} */ each) => each.parameters);
    this.axis.update({ label: "parameters", low: 1, high: 1e13, log: true }, { label: "", low: -sized.length, high: 0, bare: true }, [],
      sized.map((/** @type {any} */ each, /** @type {number} */ at) => ({ x: each.parameters, y: -at - 0.5, name: `${each.year}: ${each.estimate ? "≈ " : ""}${each.counted}`, colour: each.estimate ? 1 : 0 })));
  }

  /** @param {any} about */
  milestone(about) {
    const title = `t${about.year.replace(/\W/g, "")}`;
    const printed = about.printed.map((/** @type {any} */ [name, value, of, unchecked]) => [name, value, `${of}${unchecked ? " (from memory, not looked up again)" : ""}`]);
    const size = [about.sized && `${about.counted ? `${about.counted} parameters: ` : ""}${about.sized}`, about.training && `a training: ${about.training}`].filter(Boolean).join("; ");
    return element("li", {}, element("article", { "aria-labelledby": title },
      element("time", { dateTime: about.date }, about.year), element("h2", { id: title }, about.title), words(about.claim),
      element("p", { className: "source" }, `${about.source}. `, element("a", { href: about.link, rel: "noreferrer" }, about.link.replace("https://", ""))),
      ...(about.aside ? [element("p", { className: "aside" }, about.aside)] : []),
      ...(size ? [element("p", { className: "source" }, `${size}.`)] : []),
      ...(printed.length ? [element("details", {}, element("summary", {}, "Numbers as they are printed"), table(`Numbers of ${about.year}`, ["number", "value", "of"], printed, 1))] : []),
      ...about.experiments.map((/** @type {string} */ name) => this.experiment(name))));
  }

  /** @param {string} name */
  experiment(name) {
    const place = element("div");
    const start = button(`Run ${name}`, () => this.run(name));
    this.buttons.push(start);
    this.found.set(name, place);
    return element("div", { className: "experiment" }, element("div", { className: "controls" }, start, element("code", {}, `fastnn timeline ${name}`)), place);
  }

  /** @param {string} name */
  run(name) {
    for (const each of this.buttons) each.disabled = true;
    this.found.get(name)?.replaceChildren(words("It runs: some seconds, a minute at most ..."), element("progress", { "aria-label": `${name} runs` }));
    announce(`${name} runs`);
    this.talk.set({ run: name });
  }

  /** @param {any} told */
  hear(told) {
    if (told.refused) for (const each of this.buttons) each.disabled = false;
    super.hear(told);
  }

  /** @param {any} answer */
  answer({ ran }) {
    for (const each of this.buttons) each.disabled = false;
    if (!ran) return;
    const place = /** @type {HTMLElement} */ (this.found.get(ran.name));
    const blocks = ran.blocks.map((/** @type {any} */ block) => this.block(block, ran.name));
    place.replaceChildren(
      element("h3", {}, ran.title), table(`The paper's numbers and ours: ${ran.name}`, ran.columns, ran.rows, 1),
      ...blocks.map((/** @type {any} */ each) => each.root),
      ...(ran.fails ? [element("p", { className: "verdict wrong" }, ran.fails)] : []),
      element("p", { className: "source" }, `${ran.sample ? `${ran.sample}. ` : ""}It took ${ran.took}.`));
    for (const each of blocks) each.draw?.();
    announce(`${ran.name}: ${ran.title}`);
  }

  /** @param {any} block @param {string} name @returns {{root: Node, draw?: () => void}} */
  block(block, name) {
    if (block.kind === "text") return { root: words(block.text) };
    if (block.kind === "table") return { root: table(`Table of ${name}`, block.columns, block.rows.map((/** @type {any[]} */ row) => row.map(String)), 1) };
    const plot = element("div", { className: "plot" });
    const told = block.kind === "spread" ? [block.told] : block.words;
    const root = element("figure", { "aria-label": block.title }, element("figcaption", {}, block.title), plot, ...told.map((/** @type {string} */ text) => words(text)));
    return { root, draw: () => (block.kind === "spread" ? drawSpread(plot, block) : drawPicture(plot, block)) };
  }
}

/** @param {HTMLElement} place @param {any} spread */
function drawSpread(place, { title, unit, edges, counts, median, published, log }) {
  const top = Math.max(...counts);
  const steps = counts.flatMap((/** @type {number} */ count, /** @type {number} */ at) => [[edges[at], count], [edges[at + 1], count]]);
  const points = /** @type {[number, number][]} */ ([[edges[0], 0], ...steps, [edges[edges.length - 1], 0]]);
  const marks = [[median, "median"], [published, "paper"]].filter(([value]) => value !== null).map(([x, name], at) => ({ x, y: top * (1 - 0.3 * at), name, colour: at ? 1 : 2 }));
  new Plot(place, title).update({ label: unit, low: edges[0], high: edges[edges.length - 1], log }, { label: "starts", low: 0, high: 1.15 * top }, [{ name: "", colour: 0, points }], marks);
}

/** @param {HTMLElement} place @param {any} picture */
function drawPicture(place, { title, x, y, series }) {
  const all = series.flatMap((/** @type {any} */ each) => each.points);
  const lines = series.filter((/** @type {any} */ each) => each.drawn);
  const marks = series.filter((/** @type {any} */ each) => !each.drawn).flatMap((/** @type {any} */ each) => each.points.map(([px, py], /** @type {number} */ at) => ({ x: px, y: py, name: at ? "" : each.name, colour: each.colour })));
  new Plot(place, title).update(around(x, all.map((/** @type {number[]} */ each) => each[0])), around(y, all.map((/** @type {number[]} */ each) => each[1])), lines, marks);
}

/** An axis that has all of them. @param {any} axis @param {number[]} values */
function around(axis, values) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = axis.log ? (high / low) ** 0.08 : 0.08 * (high - low || 1);
  return axis.log ? { ...axis, low: low / room, high: high * room } : { ...axis, low: low - room, high: high + room };
}

/** @param {HTMLElement} place @param {any} talk */
export const make = (place, talk) => new Timeline(place, talk);
