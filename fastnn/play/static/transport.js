// @ts-check
/** What a lesson talks to: words as objects, frames as arrays. Frames come only when they are asked for. */

import { contentOf, decode, isFile } from "./frames.js";

/** Two frames a second, for who asked for less motion. */
const CALM_PAUSE = 500;
/** One on its way while another is drawn. */
const AHEAD = 2;

/** What messages go over. @typedef {object} Line
 * @property {(take: (data: string | ArrayBuffer) => void, end: () => void, ready: () => void) => void} begin
 * @property {(message: any) => void} send
 * @property {(content: ArrayBuffer) => void} [give]  a file */

export class Transport {
  /** @param {Line} line @param {object} opening @param {(told: any) => void} hear @param {(frame: any) => void} draw
   * @param {() => boolean} isCalm */
  constructor(line, opening, hear, draw, isCalm) {
    this.line = line;
    this.hear = hear;
    this.draw = draw;
    this.isCalm = isCalm;
    /** @type {any} */ this.layout = null;
    /** @type {any} */ this.newest = null;
    /** @type {any} */ this.keep = null;
    this.asked = 0;
    this.rests = false;
    line.begin((data) => this.take(data), () => hear({ closed: true }), () => {
      this.send({ do: "open", ...opening });
      this.ask();
    });
  }

  /** @param {object} message */
  send(message) {
    this.line.send(message);
  }

  /** A file, for the page that takes one. @param {ArrayBuffer} content */
  give(content) {
    this.line.give?.(content);
  }

  /** For as many frames as may be on their way: a calm page has one. */
  ask() {
    for (const most = this.isCalm() ? 1 : AHEAD; this.asked < most; this.asked += 1) this.send({ do: "frame" });
  }

  /** @param {string | ArrayBuffer} data */
  take(data) {
    if (typeof data === "string") {
      const told = JSON.parse(data);
      if (told.layout) this.layout = { number: told.layout, arrays: told.arrays };
      this.hear(told);
    } else if (isFile(data)) {
      this.keep?.(contentOf(data));
    } else {
      this.takeFrame(data);
    }
  }

  /** @param {ArrayBuffer} data */
  takeFrame(data) {
    this.asked -= 1;
    const frame = decode(data, this.layout);
    if (!frame) {
      this.ask();
      return;
    }
    const waits = this.newest !== null;
    this.newest = frame;
    if (waits) this.ask();
    else requestAnimationFrame(() => this.show());
  }

  show() {
    const frame = this.newest;
    this.newest = null;
    this.draw(frame);
    if (this.isCalm()) this.rest();
    else this.ask();
  }

  rest() {
    if (this.rests) return;
    this.rests = true;
    window.setTimeout(() => {
      this.rests = false;
      this.ask();
    }, CALM_PAUSE);
  }

  /** The bytes of a file. @param {string} form @returns {Promise<Uint8Array>} */
  file(form) {
    return new Promise((done) => {
      this.keep = done;
      this.send({ do: "save", form });
    });
  }
}
