// @ts-check
/** The bar that trains: begin, pause, a step, again from the start. Keys do the same. */

import { button } from "./controls.js";
import { announce, brief, element, keyOf, percent, whole, write } from "./dom.js";


export class Player {
  /** @param {any} talk */
  constructor(talk) {
    this.talk = talk;
    this.train = button("Train", () => this.toggle(), { className: "main", "aria-keyshortcuts": "Space" });
    this.step = button("One step", () => talk.send({ do: "step" }), { "aria-keyshortcuts": "S" });
    this.reset = button("Reset", () => talk.send({ do: "reset" }), { "aria-keyshortcuts": "R" });
    this.told = element("p", { className: "state" });
    this.root = element("div", { className: "player", role: "group", "aria-label": "Training" }, this.train, this.step, this.reset, this.told);
    document.addEventListener("keydown", (event) => this.key(event));
  }

  toggle() {
    this.talk.send({ do: this.talk.isTraining() ? "pause" : "train" });
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const press = { " ": () => this.toggle(), s: () => this.step.click(), r: () => this.reset.click() }[keyOf(event)];
    if (!press) return;
    event.preventDefault();
    press();
  }

  /** Whether it trains is the server's to say, with each frame. */
  show() {
    write(this.train, this.talk.isTraining() ? "Pause" : "Train");
  }

  /** @param {number} step @param {Record<string, number>} numbers */
  update(step, numbers) {
    this.show();
    const loss = numbers.points ? `loss ${brief(Number(numbers.latest.toPrecision(3)))}, ` : "";
    const state = `step ${whole(step)}: ${loss}${percent(numbers.accuracy)} ${this.talk.texts.counted} right`;
    write(this.told, state);
    announce(state);
  }
}
