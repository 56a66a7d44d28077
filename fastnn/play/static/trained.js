// @ts-check
/** A calculator that also trains: the bar of the player, and what comes with each frame. */

import { Calculator } from "./calculator.js";
import { named, si, whole } from "./dom.js";
import { barOf } from "./playback.js";

export class Trained extends Calculator {
  /** @param {any} talk */
  constructor(talk) {
    super(talk);
    this.player = barOf(talk);
    /** @type {any} */ this.words = null;
  }

  /** How fast it trains, which a recording does not say. @param {Record<string, number>} numbers */
  pace({ steps_per_second: speed }) {
    if (this.talk.recorded) return "";
    if (!speed) return this.begin();
    return `${speed < 1e4 ? whole(speed) : si(speed, "")} steps/s, ${si(speed * this.words.cost.step_flops, "FLOP/s")}.`;
  }

  /** What is said before the first step. */
  begin() { return this.talk.recorded ? "Press Play below, or Space." : "Press Train below, or Space."; }

  /** @param {any} told */
  hear(told) {
    super.hear(told);
    if (told.words) this.words = told.words;
    if (told.over) this.talk.warn(`The loss is not finite any more: at step ${whole(told.paused)} the weights flew apart. Reset, and try a smaller rate.`);
  }

  /** @param {{step: number, arrays: Record<string, Float32Array>}} frame */
  draw(frame) {
    const numbers = named(this.words.numbers, frame.arrays.numbers);
    this.player.update(frame.step, numbers);
    this.tell(frame, numbers);
  }

  /** @param {any} frame @param {Record<string, number>} numbers */
  tell(frame, numbers) { throw new Error(`nobody tells step ${frame.step} of ${numbers.points}`); }
}
