// @ts-check
/** A page whose session is in the process that it came from. */

import { show } from "./page.js";
import { opening } from "./share.js";

class Socket {
  /** @param {string} lesson */
  constructor(lesson) {
    this.socket = new WebSocket(`ws://${location.host}/socket/${lesson}`);
    this.socket.binaryType = "arraybuffer";
  }

  /** @param {(data: string | ArrayBuffer) => void} take @param {() => void} end @param {() => void} ready */
  begin(take, end, ready) {
    this.socket.addEventListener("open", ready);
    this.socket.addEventListener("message", (event) => take(event.data));
    this.socket.addEventListener("close", end);
  }

  /** @param {any} message */
  send(message) {
    this.give(JSON.stringify(message));
  }

  /** @param {string | ArrayBuffer} content */
  give(content) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(content);
  }
}

const lesson = document.documentElement.dataset.lesson ?? "";
const { make } = await import(`./lessons/${lesson}.js`);
show(make, new Socket(lesson), opening(location.hash));
