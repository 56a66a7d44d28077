// @ts-check
/** What a lesson talks to: words as objects, frames as arrays. Frames come only when they are asked for. */

import { contentOf, decode, isFile } from "./frames.js";

/** Two frames a second, for who asked for less motion. */
const CALM_PAUSE = 500;
/** One on its way while another is drawn. */
const AHEAD = 2;

export class Transport {
  /** @param {string} lesson @param {object} opening @param {(told: any) => void} hear @param {(frame: any) => void} draw
   * @param {() => boolean} isCalm */
  constructor(lesson, opening, hear, draw, isCalm) {
    this.hear = hear;
    this.draw = draw;
    this.isCalm = isCalm;
    /** @type {any} */ this.layout = null;
    /** @type {any} */ this.newest = null;
    /** @type {any} */ this.keep = null;
    this.asked = 0;
    this.rests = false;
    this.socket = new WebSocket(`ws://${location.host}/socket/${lesson}`);
    this.socket.binaryType = "arraybuffer";
    this.socket.addEventListener("open", () => {
      this.send({ do: "open", ...opening });
      this.ask();
    });
    this.socket.addEventListener("message", (event) => this.take(event.data));
    this.socket.addEventListener("close", () => hear({ closed: true }));
  }

  /** @param {object} message */
  send(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  /** A file, for the page that takes one. @param {ArrayBuffer} content */
  give(content) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(content);
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
