// @ts-check
/** Spam: 3-4-2, every number of it. */

import { Moment, OneWeight, Stages } from "../backprop.js";
import { button, control } from "../controls.js";
import { Curve } from "../curve.js";
import { calm, element, fixed, keyOf, named, percent, section, si, whole, words, write } from "../dom.js";
import { Network } from "../network.js";
import { Parameters } from "../parameters.js";
import { barOf } from "../playback.js";
import { keep } from "../keep.js";

/** What is read rather than watched is written so often, in milliseconds. */
const READ_PAUSE = 200;

/** @param {HTMLElement} place @param {any} talk */
export function make(place, talk) {
  return new Spam(place, talk);
}

class Spam {
  /** @param {HTMLElement} place @param {any} talk */
  constructor(place, talk) {
    this.talk = talk;
    /** @type {any} */ this.words = null;
    this.read = 0;
    this.controls = Object.fromEntries(Object.entries(talk.fields).map(([name, field]) => [
      name, control(field, (value) => talk.set({ [name]: value })),
    ]));
    this.player = barOf(talk);
    this.figure = element("div", { className: "drawing" });
    this.verdict = element("p", { className: "verdict" });
    this.curvePlace = element("div", { className: "plot" });
    this.curve = new Curve(this.curvePlace, "loss of the training mails");
    this.stages = new Stages((lit) => this.network?.light(lit));
    this.one = new OneWeight();
    // A recorder stops for each frame: how fast it trained says nothing.
    this.cards = [false, true, true, false].map((live) => {
      const [value, about] = [element("b"), element("small")];
      return { root: element("li", {}, value, about), value, about, live };
    });
    place.replaceChildren(...this.parts());
    this.show(talk.settings);
    document.addEventListener("keydown", (event) => this.key(event));
  }

  parts() {
    const { texts, recorded } = this.talk;
    const presets = Object.entries(texts.mails).map(([name, x]) => button(name, () => this.take(x)));
    this.parameters = new Parameters(
      texts.names, recorded ? null : (index, value) => this.talk.send({ do: "put", index, value }), (index) => this.network?.choose(index),
    );
    this.count = element("strong");
    return [
      element("p", { className: "lead" }, "A mail comes in as three numbers. The network multiplies and adds them with its ",
        this.count, " parameters, and says spam or mail. Move a slider and watch the numbers on their way."),
      element("section", { id: "ask", "aria-label": "Ask the network" },
        element("div", { className: "side-by-side" },
          element("div", {}, this.figure,
            element("p", { className: "legend" }, key("above"), " above 0", key("below"), " below 0, dashed; the thicker the larger. Pick any.")),
          element("div", { className: "panel" },
            ...texts.inputs.map((/** @type {string} */ name) => this.controls[name].root),
            element("div", { className: "presets" }, ...presets), this.verdict,
            this.controls.truth.root, this.controls.activation.root))),
      section("learn", "Now let it learn",
        words(`Its first weights are random, and so are its answers. Training shows it ${whole(texts.rows)} mails again and again; after each step every weight has moved a little to make the loss smaller.`),
        element("div", { className: "side-by-side" }, element("div", {}, element("h3", {}, "The loss, step by step"), this.curvePlace),
          element("div", { className: "panel" }, ...["rate", "optimizer", "batch", "seed"].map((name) => this.controls[name].root), ...(recorded ? [] : [this.exactly()]))),
        element("ul", { className: "cards" }, ...this.cards.filter((card) => !recorded || !card.live).map((card) => card.root))),
      section("back", "How each weight knows where to go",
        words("Backpropagation asks of every weight: would a little more of it make the loss of this mail larger or smaller? Pick a weight in the drawing, or go through all stages."),
        element("div", { className: "side-by-side" }, this.stages.root, element("div", { className: "panel" }, this.one.root))),
      section("all", "All of it", words(`The whole network is in this table.${recorded ? "" : " Type another number, and everything above follows at once."}`), this.parameters.root),
      keep(this.talk, () => this.last?.arrays.parameters ?? null),
      this.player.root,
    ];
  }

  /** Training to an exact step. */
  exactly() {
    const input = element("input", { type: "number", id: "until", min: 1, max: 1e12, step: 1, value: 9600, inputMode: "numeric" });
    const go = button("Train to it", () => { if (input.reportValidity()) this.talk.send({ do: "train", until: Number(input.value) }); });
    return element("div", { className: "typed" }, element("label", { htmlFor: "until" }, "Up to step"), input, go);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const key = keyOf(event);
    if (key === "n") this.stages.go(this.stages.at + 1);
    if (key === "b") this.stages.go(this.stages.at - 1);
  }

  /** @param {any} x */
  take(x) {
    const given = Object.fromEntries(this.talk.texts.inputs.map((/** @type {string} */ name, /** @type {number} */ at) => [name, x[at]]));
    this.talk.set(given);
    this.show(given);
  }

  /** @param {Record<string, any>} settings */
  show(settings) {
    for (const [name, value] of Object.entries(settings)) this.controls[name].set(value);
  }

  /** @param {any} told */
  hear(told) {
    if (told.refused) this.show(this.talk.settings);
    if (told.words) this.lay(told.words);
    if (told.over) this.talk.warn(`The loss is not finite any more: at step ${whole(told.paused)} the weights flew apart. Reset, and try a smaller rate.`);
  }

  /** @param {any} told  of a new training */
  lay(told) {
    this.words = told;
    const { texts } = this.talk;
    const shape = { sizes: told.sizes, inputs: texts.features, outputs: texts.classes, names: texts.names };
    if (!this.network) this.network = new Network(this.figure, shape, (index) => this.talk.send({ do: "pick", index }));
    const [a, b, c] = told.sizes;
    write(/** @type {Node} */ (this.count), `${a}\u00d7${b} + ${b} + ${b}\u00d7${c} + ${c} = ${told.parameters}`);
  }

  /** @param {{step: number, arrays: Record<string, Float32Array>}} frame */
  draw(frame) {
    this.last = frame;
    const { arrays } = frame;
    const numbers = named(this.words.numbers, arrays.numbers);
    const shares = Array.from(arrays.probabilities, (each) => percent(each));
    this.network?.update(arrays.parameters, Array.from(arrays.x), arrays.values, shares);
    this.player.show();
    this.curve.update(arrays.curve, numbers.points, numbers.window);
    const now = performance.now();
    if (this.talk.isTraining() && now - this.read < READ_PAUSE && !calm.matches) return;
    this.read = now;
    this.tell(frame, numbers);
  }

  /** What is read: all of it of one frame, for the sliders may be elsewhere by now.
   * @param {any} frame @param {Record<string, number>} numbers */
  tell(frame, numbers) {
    const { texts } = this.talk;
    const { arrays } = frame;
    const truth = arrays.truth[0];
    const said = arrays.probabilities[1] > arrays.probabilities[0] ? 1 : 0;
    write(this.verdict, `${texts.classes[said]}, it says: ${percent(arrays.probabilities[said])} sure. ${said === truth ? "Right" : "Wrong"}; loss ${fixed(arrays.probe_loss[0])}.`);
    this.verdict.classList.toggle("wrong", said !== truth);
    const moment = new Moment({ ...this.words, inputs: texts.features, outputs: texts.classes, names: texts.names, activation: this.words.activation_names[arrays.activations[0]] },
      Array.from(arrays.x), truth, arrays, Number(arrays.rate[0].toPrecision(6)));
    this.stages.update(moment);
    this.one.update(moment, this.network?.picked ?? 0);
    this.parameters?.update(arrays);
    this.player.update(frame.step, numbers);
    this.tellCards(numbers);
  }

  /** @param {Record<string, number>} numbers */
  tellCards(numbers) {
    const { cost, peak, batch } = this.words;
    const speed = numbers.steps_per_second;
    const rate = speed * cost.step_flops;
    const noise = this.talk.texts.noise;
    [
      [percent(numbers.accuracy), `of ${whole(this.talk.texts.held_out)} other mails are told right. About ${percent(1 - noise, 0)} is the most: ${percent(noise, 0)} of the labels are wrong.`],
      [speed ? `${si(speed, "")}steps/s` : "no step yet", "of training, on one core, while it is drawn. TensorFlow Playground makes at most 1,500 updates a second, at its own settings and 60 frames a second."],
      [speed ? si(rate, "FLOP/s") : "no FLOP yet", speed ? `${percent(rate / peak)} of what one core can do at this moment, ${si(peak, "FLOP/s")}. So small a network is mostly calls and loads.` : "of training, beside what this core can do."],
      [`${whole(cost.step_flops)} FLOPs`, `a step of ${batch} ${batch === 1 ? "mail" : "mails"}: ${whole(cost.step_macs)} multiply-adds among them, ${whole(cost.step_bytes)} bytes moved. One answer takes ${whole(cost.forward_macs)} multiply-adds.`],
    ].forEach(([value, about], at) => { write(this.cards[at].value, value); write(this.cards[at].about, about); });
  }
}

/** @param {string} kind */
const key = (kind) => element("span", { className: `key ${kind}`, "aria-hidden": "true" });
