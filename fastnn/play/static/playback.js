// @ts-check
/** The bar of a recording: play, pause, a frame on or back, any frame. Keys do the same. */

import { button } from "./controls.js";
import { announce, brief, element, keyOf, percent, whole, write } from "./dom.js";
import { Player } from "./player.js";

/** The bar of a page: of a recording what plays it. @param {any} talk */
export const barOf = (talk) => (talk.recorded ? new Playback(talk) : new Player(talk));

class Playback {
  /** @param {any} talk */
  constructor(talk) {
    this.talk = talk;
    this.steps = talk.recorded.steps;
    this.at = 0;
    this.main = button("Play", () => this.toggle(), { className: "main", "aria-keyshortcuts": "Space" });
    this.earlier = button("Earlier", () => this.go(this.at - 1), { "aria-keyshortcuts": "A" });
    this.later = button("Later", () => this.go(this.at + 1), { "aria-keyshortcuts": "S" });
    this.place = element("input", {
      type: "range", min: 0, max: this.steps.length - 1, step: 1, value: 0, "aria-label": "Place in the recording",
    });
    this.place.addEventListener("input", () => this.go(Number(this.place.value)));
    this.told = element("p", { className: "state" });
    this.root = element("div", { className: "player playback", role: "group", "aria-label": "Recording" },
      this.main, this.earlier, this.later, this.place, this.told);
    document.addEventListener("keydown", (event) => this.key(event));
  }

  toggle() {
    this.talk.send({ do: this.talk.isTraining() ? "pause" : "train" });
  }

  /** @param {number} at */
  go(at) {
    this.talk.send({ do: "go", at });
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const press = { " ": () => this.toggle(), s: () => this.later.click(), a: () => this.earlier.click() }[keyOf(event)];
    if (!press) return;
    event.preventDefault();
    press();
  }

  show() {
    write(this.main, this.talk.isTraining() ? "Pause" : "Play");
  }

  /** @param {number} step @param {Record<string, number>} numbers */
  update(step, numbers) {
    this.show();
    this.at = this.steps.indexOf(step);
    this.place.value = String(this.at);
    this.place.setAttribute("aria-valuetext", `step ${whole(step)}`);
    this.earlier.disabled = this.at === 0;
    this.later.disabled = this.at === this.steps.length - 1;
    const loss = numbers.points ? `loss ${brief(Number(numbers.latest.toPrecision(3)))}, ` : "";
    const state = `step ${whole(step)}, recorded: ${loss}${percent(numbers.accuracy)} ${this.talk.texts.counted} right`;
    write(this.told, state);
    announce(state);
  }
}
