// @ts-check
/** Answers as a session does, from frames that were recorded. */

import { calm } from "./dom.js";
import { decode } from "./frames.js";
import { show } from "./page.js";
import { row } from "./row.js";

/** Milliseconds of a frame; longer for who asked for less motion. */
const [PAUSE, CALM_PAUSE] = [50, 500];

class Recording {
  /** @param {any} told  the words of the session @param {ArrayBuffer[]} frames */
  constructor(told, frames) {
    [this.opened, this.words] = told;
    this.told = told;
    this.frames = frames;
    this.layout = { number: this.words.layout, arrays: this.words.arrays };
    this.settings = { ...this.opened.settings };
    this.at = 0;
    this.credit = 0;
    this.timer = 0;
    this.changed = true;
  }

  /** @param {(data: string | ArrayBuffer) => void} take @param {() => void} _end @param {() => void} ready */
  begin(take, _end, ready) {
    this.take = take;
    // When the page holds the transport that this is the line of.
    queueMicrotask(ready);
  }

  /** @param {any} message */
  send(message) {
    if (message.do === "open") this.told.forEach((/** @type {any} */ each) => this.take?.(JSON.stringify(each)));
    if (message.do === "frame") this.credit = Math.min(2, this.credit + 1);
    if (message.do === "set") Object.assign(this.settings, message.settings);
    if (message.do === "train") this.play();
    if (message.do === "pause" || message.do === "go") this.pause();
    if (message.do === "go") this.at = Math.min(this.frames.length - 1, Math.max(0, message.at));
    if (message.do !== "frame") this.changed = true;
    queueMicrotask(() => this.deliver());
  }

  play() {
    this.pause();
    if (this.at === this.frames.length - 1) this.at = 0;
    this.timer = window.setInterval(() => {
      this.at += 1;
      if (this.at === this.frames.length - 1) this.pause();
      this.changed = true;
      this.deliver();
    }, calm.matches ? CALM_PAUSE : PAUSE);
  }

  pause() {
    window.clearInterval(this.timer);
    this.timer = 0;
  }

  deliver() {
    if (!this.credit || !this.changed) return;
    this.credit -= 1;
    this.changed = false;
    const buffer = this.frames[this.at].slice(0);
    const arrays = /** @type {any} */ (decode(buffer, this.layout)).arrays;
    const { words } = this.words;
    arrays.numbers[words.numbers.indexOf("trains")] = this.timer ? 1 : 0;
    if (this.opened.recorded.computes) this.compute(arrays);
    this.take?.(buffer);
  }

  /** Of another row than the one that was recorded. @param {Record<string, Float32Array>} arrays */
  compute(arrays) {
    const { inputs, classes } = this.opened.texts;
    const x = inputs.map((/** @type {string} */ name) => this.settings[name]);
    const truth = classes.indexOf(this.settings.truth);
    if (truth !== arrays.truth[0] || x.some((/** @type {number} */ each, /** @type {number} */ at) => Math.fround(each) !== arrays.x[at])) {
      for (const [name, values] of Object.entries(row(this.words.words.sizes, arrays.parameters, x, truth))) arrays[name].set(values);
    }
  }
}

/** @param {string} text  base64 of what zlib made of the frames, all of one size @param {number} count */
async function unpacked(text, count) {
  const bytes = Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const all = await new Response(stream).arrayBuffer();
  const size = all.byteLength / count;
  return Array.from({ length: count }, (_, at) => all.slice(at * size, (at + 1) * size));
}

/** @param {(place: HTMLElement, talk: any) => any} make  of the lesson */
export async function begin(make) {
  const { told, frames } = JSON.parse(document.getElementById("recording")?.textContent ?? "");
  show(make, new Recording(told, await unpacked(frames, told[0].recorded.steps.length)), {});
}
