// @ts-check
/** Opens the session of the page, and hands what comes to the script of the lesson. */

import { announce, calm, named, write } from "./dom.js";
import { keep } from "./keep.js";
import { Transport } from "./transport.js";

const place = /** @type {HTMLElement} */ (document.getElementById("lesson"));
const notice = /** @type {HTMLElement} */ (document.getElementById("notice"));

const compiling = /** @type {HTMLElement} */ (document.getElementById("compiling"));

/** @param {string} text */
function warn(text) {
  notice.textContent = text;
  notice.hidden = !text;
}

document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

/** @type {(place: HTMLElement, talk: any) => any} */
let make;
/** @type {any} */
let shown = null;
let isTraining = false;
let awaitsFrames = false;
/** @type {string[]} */
let numbers = [];

/** What must have come before the page says something: an answer, a frame, or both. */
const awaited = new Set();

/** @type {Transport} */
let transport;

/** @param {(place: HTMLElement, talk: any) => any} made  of the lesson @param {import("./transport.js").Line} line
 * @param {{refused?: string, settings?: object, weights?: string}} opening */
export function show(made, line, { refused: badLink, ...wanted }) {
  make = made;
  if (badLink) warn(`This link was not taken: ${badLink}. The page shows its own settings.`);
  transport = new Transport(line, badLink ? {} : wanted, hear, draw, () => calm.matches && isTraining);
}

/** @param {any} frame */
function draw(frame) {
  isTraining = named(numbers, frame.arrays.numbers).trains > 0;
  shown?.draw(frame);
  came("frame");
}

/** @param {string} what */
function came(what) {
  const isNew = awaited.delete(what);
  if (awaited.size > 0) return;
  compiling.hidden = true;
  if (isNew) document.documentElement.dataset.ready = "";
}

/** @param {any} told */
function hear(told) {
  if (told.refused) refuse(told.refused);
  else if (told.closed) warn("The playground has ended, or let this page go. Start it again, and load this page anew.");
  else if (told.told) note(told.told);
  else if (told.fields) begin(told);
  else {
    if (told.words) numbers = told.words.numbers;
    shown?.hear(told);
    if (told.answer) came("answer");
  }
}

/** Nobody looks: nothing trains on. */
document.addEventListener("visibilitychange", () => {
  if (document.hidden && awaitsFrames) transport.send({ do: "pause" });
});

/** @param {any} refused */
function refuse(refused) {
  if (shown && refused.settings) Object.assign(shown.talk.settings, refused.settings);
  warn(refused.link ? `This link was not taken: ${refused.told}. The page shows its own settings instead.` : refused.told);
  shown?.hear({ refused });
}

/** What takes long is said until numbers come. @param {string} text */
function note(text) {
  write(/** @type {Node} */ (compiling.firstElementChild), text);
  compiling.hidden = false;
  announce(text);
}

/** @param {any} told */
function begin(told) {
  const talk = {
    ...told, warn, isTraining: () => isTraining,
    /** @param {object} settings */
    set: (settings) => { Object.assign(told.settings, settings); warn(""); transport.send({ do: "set", settings }); },
    /** @param {any} message */
    send: (message) => {
      warn("");
      transport.send(message);
    },
    /** @param {ArrayBuffer} content */
    give: (content) => {
      warn("");
      transport.give(content);
    },
    /** @param {string} form */
    file: (form) => transport.file(form),
  };
  for (const what of told.comes) awaited.add(what);
  awaitsFrames = told.comes.includes("frame");
  shown = make(place, talk);
  if (!talk.forms.length) place.append(keep(talk));
}
