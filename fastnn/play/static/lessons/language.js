// @ts-check
/** From the prompt to the next letter, of a model that learns meanwhile. */

import { lead, table } from "../calculator.js";
import { button } from "../controls.js";
import { Curve } from "../curve.js";
import { decimal, element, fixed, percent, section, whole, words, write } from "../dom.js";
import { Heads } from "../heads.js";
import { keep } from "../keep.js";
import { Trained } from "../trained.js";

/** Of the tokens that a head looks at most. */
const MOST = 3;

class Language extends Trained {
  /** @param {HTMLElement} place @param {any} talk */
  constructor(place, talk) {
    super(talk);
    const { texts } = talk;
    /** @type {any} */ this.seen = null;
    this.chips = element("ol", { className: "chips", "aria-label": "Tokens of the prompt" });
    this.strips = element("div", { className: "strips", role: "img" });
    this.lastVector = words();
    this.mapPlace = element("div");
    this.heads = new Heads(this.mapPlace);
    this.pick = element("select", { "aria-label": "Head" });
    this.pick.addEventListener("change", () => this.seen && this.paintHead(this.seen.arrays));
    this.looks = element("div");
    this.layers = element("div");
    this.bars = element("div", { className: "bars tokens" });
    this.next = button("Draw the next token", () => this.draws(), { className: "main" });
    this.sample = element("p", { className: "writing" });
    this.verdict = element("p", { className: "verdict" });
    this.curvePlace = element("div", { className: "plot" });
    this.cost = element("div");
    this.asOf = element("small");
    place.replaceChildren(
      lead(`A model of language answers one question: what comes next? This one reads letters of ${texts.text}, ${whole(texts.size)} of them, and knew nothing at step 0. Follow a prompt through it, then see it learn below, and the same stages change.`),
      section("tokens", "1. Text to tokens", this.controls.prompt.root, this.chips,
        words(`Here a token is a letter, and its number is its place in the model's list of ${texts.tokens.length}. Large models have tokens of some letters each, and list about 100,000. This one looks at ${texts.positions} at a time.`), this.asOf),
      section("vectors", "2. Tokens to vectors", words("Each token becomes a row of numbers, its embedding: a row of the tokens' table and one of the places' table, added. Blue is above 0, orange below; the stronger, the further."), this.strips, this.lastVector),
      section("attention", "3. Attention: where each token looks",
        element("div", { className: "side-by-side" },
          element("div", {}, this.mapPlace, element("p", { className: "legend" }, "A row is a token that looks, a column one that it looks at; the darker, the more. None looks ahead.")),
          element("div", { className: "panel" }, element("label", { className: "typed" }, "Drawn ", this.pick), element("h3", {}, "Where the last token looks"), this.looks))),
      section("layers", "4. Layer after layer: what it would say by now", this.layers),
      section("next", "5. Numbers to probabilities, and one is drawn",
        element("div", { className: "side-by-side" }, this.bars, element("div", { className: "panel" }, this.controls.temperature.root, ...(talk.recorded ? [] : [this.controls.draw.root, this.next]),
          words("The last layer gives a number for each token, its logit. Softmax makes probabilities of them, at a temperature. One token is drawn, put behind the prompt, and all begins again.")))),
      section("learn", "6. It learns to write",
        element("div", { className: "side-by-side" }, element("div", {}, element("h3", {}, "What it writes by now"), this.sample, element("h3", {}, "The loss, step by step"), this.curvePlace),
          element("div", { className: "panel" }, ...["blocks", "width", "rate", "seed"].map((name) => this.controls[name].root), this.verdict)),
        words(`The loss is in nats a letter. Knowing only that there are ${texts.tokens.length} costs ln ${texts.tokens.length} = ${fixed(texts.guessing, 3)}; having counted which letter follows which, ${fixed(texts.pairs, 3)}: what is below that comes of a longer memory. A schedule spans ${whole(texts.steps)} steps of ${texts.batch} sequences of ${texts.positions} letters.`)),
      section("cost", "7. What it costs", this.cost),
      keep(talk),
      this.player.root,
    );
    this.curve = new Curve(this.curvePlace, "loss of the text that it learns from");
  }

  /** One token more behind the prompt: what was drawn first. */
  draws() {
    if (!this.seen) return;
    const { settings, texts } = this.talk;
    const prompt = (settings.prompt + texts.tokens[this.seen.arrays.written[0]]).slice(-texts.positions);
    this.take({ prompt, draw: (settings.draw + 1) % 2 ** 31 });
  }

  /** @param {any} told */
  hear(told) {
    super.hear(told);
    if (told.words) this.lay(told.words);
  }

  /** @param {any} told  of a new training */
  lay(told) {
    const chosen = this.pick.selectedIndex;
    const names = Array.from({ length: told.blocks * this.talk.texts.heads }, (_, at) => this.name(at));
    this.pick.replaceChildren(...names.map((name) => element("option", {}, name)));
    this.pick.selectedIndex = chosen > 0 && chosen < names.length ? chosen : 0;
    const macs = told.parts.reduce((/** @type {number} */ sum, /** @type {any} */ each) => sum + each[2], 0);
    const rows = told.parts.map((/** @type {any} */ [name, parameters, each]) => [name, whole(parameters), whole(each), percent(each / macs)]);
    this.cost.replaceChildren(
      table("Parts of the model", ["part", "parameters", "multiply-adds", "share"], [...rows, ["all", whole(told.parameters), whole(macs), ""]]),
      words(`The multiply-adds are of a pass over ${this.talk.texts.positions} tokens. The same stages, in other numbers:`),
      table("Larger models", ["model", "parameters", "times as many"], this.talk.texts.large.map((/** @type {any} */ each) => [`${each.name}${each.estimate ? ", an estimate" : ""}`, whole(each.parameters), whole(each.parameters / told.parameters)])),
    );
    this.seen = null;
  }

  /** @param {number} at */
  name(at) {
    const { heads } = this.talk.texts;
    return `block ${Math.floor(at / heads) + 1}, head ${(at % heads) + 1}`;
  }

  /** @param {{step: number, arrays: Record<string, Float32Array>}} frame @param {Record<string, number>} numbers */
  tell(frame, numbers) {
    const { arrays } = frame;
    this.curve?.update(arrays.curve, numbers.points, numbers.window);
    const loss = numbers.points ? `The loss is ${fixed(numbers.latest, 3)} nats, ` : "";
    write(this.verdict, `${loss}${loss ? "and " : ""}${percent(numbers.accuracy)} of letters that it never saw are guessed right. ${this.pace(numbers)}`);
    if (this.seen && isSame(this.seen.arrays, arrays)) return;
    this.seen = frame;
    write(this.asOf, `All numbers of stages 1 to 5, and what it writes, are of step ${whole(numbers.looked)}.`);
    this.showStages(arrays);
  }

  /** What is looked at: as of a step that is said. @param {Record<string, Float32Array>} arrays */
  showStages(arrays) {
    const ids = Array.from(arrays.ids.subarray(0, arrays.count[0]));
    this.letters = ids.map((id) => visible(this.talk.texts.tokens[id]));
    this.chips.replaceChildren(...ids.map((id, at) => element("li", {}, element("b", {}, /** @type {string[]} */ (this.letters)[at]), element("small", {}, String(id)))));
    this.paintVectors(arrays);
    this.paintHead(arrays);
    this.tellHeads(arrays);
    this.tellLayers(arrays);
    this.tellLikely(arrays);
    const { settings, texts } = this.talk;
    this.sample.replaceChildren(element("b", {}, settings.prompt), Array.from(arrays.written, (id) => texts.tokens[id]).join(""));
  }

  /** @param {Record<string, Float32Array>} arrays */
  paintVectors({ vectors }) {
    const { numbers } = this.talk.texts;
    const letters = /** @type {string[]} */ (this.letters);
    const largest = Math.max(1e-6, ...vectors.map(Math.abs));
    const row = (/** @type {number} */ at) => vectors.subarray(at * numbers, (at + 1) * numbers);
    this.strips.replaceChildren(...letters.map((letter, at) => element("div", {}, element("span", {}, letter), ...Array.from(row(at), (value) => {
      const cell = element("i", { className: value < 0 ? "below" : "" });
      cell.style.setProperty("--share", String(Math.abs(value) / largest));
      return cell;
    }))));
    const last = Array.from(row(letters.length - 1), (value) => fixed(value, 2)).join("  ");
    this.strips.setAttribute("aria-label", `The first ${numbers} numbers of each token's vector`);
    write(this.lastVector, `Drawn are the first ${numbers} of ${this.words.width} numbers. Those of the last token, ${letters[letters.length - 1]}: ${last}`);
  }

  /** @param {Record<string, Float32Array>} arrays */
  paintHead({ looks }) {
    const { positions } = this.talk.texts;
    const at = Math.max(0, this.pick.selectedIndex);
    this.heads.paint(/** @type {string[]} */ (this.letters), looks.subarray(at * positions ** 2, (at + 1) * positions ** 2), positions, this.name(at));
  }

  /** @param {Record<string, Float32Array>} arrays */
  tellHeads({ looks }) {
    const { positions } = this.talk.texts;
    const letters = /** @type {string[]} */ (this.letters);
    const last = letters.length - 1;
    const rows = Array.from({ length: looks.length / positions ** 2 }, (_, head) => {
      const share = (/** @type {number} */ place) => looks[head * positions ** 2 + last * positions + place];
      const most = Array.from(letters.keys()).sort((a, b) => share(b) - share(a)).slice(0, MOST);
      return [this.name(head), most.map((place) => `${letters[place]} at ${place}: ${percent(share(place), 0)}`).join(", ")];
    });
    this.looks.replaceChildren(table("Where the last token looks", ["head", "most at"], rows, 2));
  }

  /** @param {Record<string, Float32Array>} arrays */
  tellLayers({ guesses }) {
    const rows = Array.from({ length: guesses.length / 2 }, (_, at) => [
      at ? `block ${at}` : "embeddings", visible(this.talk.texts.tokens[guesses[2 * at]]), percent(guesses[2 * at + 1]),
    ]);
    this.layers.replaceChildren(table("What each layer would say", ["after", "most probable", "probability"], rows, 2));
  }

  /** @param {Record<string, Float32Array>} arrays */
  tellLikely({ likely }) {
    const rows = Array.from({ length: likely.length / 4 }, (_, at) => likely.subarray(4 * at, 4 * at + 4));
    this.bars.replaceChildren(...rows.map(([id, logit, one, warm]) => {
      const bar = element("span", { className: "bar" });
      bar.style.setProperty("width", `${(100 * warm).toFixed(1)}%`);
      const name = visible(this.talk.texts.tokens[id]);
      return element("div", { title: `logit ${fixed(logit, 3)}; at T = 1 ${percent(one)}` }, element("span", {}, name), element("span", { className: "track" }, bar), element("b", {}, percent(warm)));
    }));
    this.bars.append(words(`The ${rows.length} most probable of ${this.talk.texts.tokens.length} at T = ${decimal(this.talk.settings.temperature)}: logit / T, then softmax.`));
  }
}

/** Whether nothing was looked at since. @param {Record<string, Float32Array>} a @param {Record<string, Float32Array>} b */
const isSame = (a, b) => ["vectors", "ids", "count", "likely", "written"].every((name) => a[name].every((value, at) => value === b[name][at]));

/** A blank is seen. @param {string} letter */
const visible = (letter) => ({ " ": "\u2423", "\n": "\u21b5", "\t": "\u21e5" })[letter] ?? letter;

/** @param {HTMLElement} place @param {any} talk */
export const make = (place, talk) => new Language(place, talk);
