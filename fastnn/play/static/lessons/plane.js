// @ts-check
/** Two numbers and a label, generated or one's own. */

import { lead, table } from "../calculator.js";
import { Curve } from "../curve.js";
import { element, fixed, percent, section, si, whole, words, write } from "../dom.js";
import { keep } from "../keep.js";
import { Plane, shape } from "../plane.js";
import { Trained } from "../trained.js";

class Points extends Trained {
  /** @param {HTMLElement} place @param {any} talk */
  constructor(place, talk) {
    super(talk);
    const { texts } = talk;
    this.figure = element("div");
    this.legend = element("p", { className: "legend" });
    this.verdict = element("p", { className: "verdict" });
    this.curvePlace = element("div", { className: "plot" });
    this.speed = words();
    this.matrix = element("div");
    place.replaceChildren(
      lead("Each row is two numbers, so it is a point, and a label, its colour and shape. The network colours the whole plane by what it would say there: where colours meet runs its border."),
      this.screen("The plane", [this.figure, this.legend], ["data", "noise", ...(talk.recorded ? [] : [this.drop()]), "hidden", "activation", this.verdict]),
      section("learn", "How it learns",
        element("div", { className: "side-by-side" }, element("div", {}, element("h3", {}, "The loss, step by step"), this.curvePlace),
          element("div", { className: "panel" }, ...["rate", "optimizer", "batch", "seed"].map((name) => this.controls[name].root), this.speed))),
      section("held", "Rows that it was not shown", words("A fifth of all rows is held out: drawn hollow above, counted here by what they are and what the network says of them."), this.matrix),
      keep(talk),
      this.player.root,
    );
    this.plane = new Plane(this.figure, texts.across);
    this.curve = new Curve(this.curvePlace, "loss of the rows it trains on");
    for (const name of ["data", "noise"]) this.controls[name].root.addEventListener("change", () => talk.set({ file: null }));
  }

  /** Where a file is dropped, or chosen. */
  drop() {
    const { texts } = this.talk;
    const input = element("input", { type: "file", id: "own", accept: ".csv,.tsv,.txt,text/csv", "aria-label": "A csv file" });
    input.addEventListener("change", () => { if (input.files[0]) this.take(input.files[0]); input.value = ""; });
    this.from = element("small", {});
    const root = element("div", { className: "drop", role: "group", "aria-label": "Your own rows" },
      element("b", {}, "Your own rows"), element("span", {}, `Drop a csv here: two columns of numbers and a label, the column of that name or the last. Up to ${whole(texts.most_rows)} rows, ${texts.most_classes} labels.`),
      input, this.from);
    root.addEventListener("dragover", (event) => { event.preventDefault(); root.classList.add("over"); });
    root.addEventListener("dragleave", () => root.classList.remove("over"));
    root.addEventListener("drop", (event) => {
      event.preventDefault();
      root.classList.remove("over");
      const file = event.dataTransfer?.files[0];
      if (file) this.take(file);
    });
    return root;
  }

  /** @param {File} file */
  async take(file) {
    if (file.size > this.talk.most_file) this.talk.warn(`${file.name} has ${si(file.size, "B")}; expected at most ${si(this.talk.most_file, "B")}.`);
    else this.talk.give(await file.arrayBuffer());
  }

  /** @param {any} told */
  hear(told) {
    super.hear(told);
    if (told.words) this.lay(told.words);
  }

  /** @param {any} told  of a new training */
  lay(told) {
    this.plane?.lay(told);
    const { class_names: names, counts } = told;
    this.legend.replaceChildren(...names.flatMap((/** @type {string} */ name, /** @type {number} */ at) => [shape(at), ` ${name}, ${whole(counts[at])}\u2003`]), "hollow: held out");
    if (this.from) write(this.from, `Shown: ${told.title}.`);
  }

  /** @param {{step: number, arrays: Record<string, Float32Array>}} frame @param {Record<string, number>} numbers */
  tell(frame, numbers) {
    const { class_names: names, held_out: held, cost, parameters } = this.words;
    const { arrays } = frame;
    this.plane?.paint(arrays.classes, arrays.sure, names.length);
    this.curve?.update(arrays.curve, numbers.points, numbers.window);
    write(this.verdict, `${percent(numbers.accuracy)} of ${whole(held)} rows held out are told right${numbers.points ? `; loss ${fixed(numbers.latest)}` : ""}.`);
    write(this.speed, `${whole(parameters)} parameters; a step is ${whole(cost.step_flops)} FLOPs. ${this.pace(numbers)}`);
    const rows = names.map((/** @type {string} */ name, /** @type {number} */ at) => [name, ...names.map((/** @type {string} */ _, /** @type {number} */ said) => whole(arrays.confusion[at * names.length + said]))]);
    this.matrix.replaceChildren(table("Rows held out", ["is \\ said to be", ...names], rows));
  }
}

/** @param {HTMLElement} place @param {any} talk */
export const make = (place, talk) => new Points(place, talk);
