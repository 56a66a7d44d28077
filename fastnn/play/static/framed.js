// @ts-check
/** A page in a frame: what is around it carries its messages. */

import { show } from "./page.js";

class Around {
  /** @param {(data: string | ArrayBuffer) => void} take @param {() => void} _end @param {() => void} ready */
  begin(take, _end, ready) {
    window.addEventListener("message", (event) => { if (event.source === window.parent) take(event.data); });
    queueMicrotask(ready);
  }

  /** @param {any} message */
  send(message) {
    this.give(JSON.stringify(message));
  }

  /** @param {string | ArrayBuffer} content */
  give(content) {
    window.parent.postMessage(content, "*");
  }
}

/** @param {(place: HTMLElement, talk: any) => any} make  of the lesson */
export function begin(make) {
  show(make, new Around(), {});
}
