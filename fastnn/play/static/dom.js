// @ts-check
/** Elements, and numbers as they are written everywhere on these pages. */

/** @param {string} name @param {Record<string, any>} properties @param {(Node|string)[]} children @returns {any} */
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in made && !key.startsWith("aria")) /** @type {any} */ (made)[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

/** @param {string} name @param {Record<string, any>} attributes @param {(Node|string)[]} children @returns {any} */
export function drawn(name, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  made.append(...children);
  return made;
}

/** Changes text only where it is another: an unchanged one is not laid out again.
 * @param {Node} node @param {string} text */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** @param {number} value @param {number} digits */
export function fixed(value, digits = 4) {
  if (!Number.isFinite(value)) return "not finite";
  const text = value.toFixed(digits);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "\u2212");
}

/** Without zeros at the end. @param {number} value @param {number} digits */
export function decimal(value, digits = 4) {
  const text = fixed(value, digits);
  return text.includes(".") ? text.replace(/0+$/, "").replace(/\.$/, "") : text;
}

/** @param {number} value */
export const whole = (value) => Math.round(value).toLocaleString("en");

/** @param {number} value @param {number} digits */
export const percent = (value, digits = 1) => `${fixed(100 * value, digits)} %`;

/** Few digits, however large or small. @param {number} value */
export function brief(value) {
  if (value === 0) return "0";
  if (!Number.isFinite(value)) return "not finite";
  const size = Math.abs(value);
  if (size >= 1e-4 && size < 1e5) return decimal(value, size >= 100 ? 1 : 5);
  const [digits, power] = value.toExponential(1).split("e");
  return `${digits.replace("-", "\u2212")}e${Number(power)}`.replace("e-", "e\u2212");
}

const PREFIXES = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""]];

/** @param {number} value @param {string} unit */
export function si(value, unit) {
  const [scale, prefix] = /** @type {[number, string]} */ (PREFIXES.find(([each]) => value >= Number(each)) || [1, ""]);
  const size = value / scale;
  return `${size.toFixed(size < 10 ? 2 : size < 100 ? 1 : 0)} ${prefix}${unit}`;
}

/** The numbers of an array by their names. @param {string[]} names @param {Float32Array} values @returns {Record<string, number>} */
export const named = (names, values) => Object.fromEntries(names.map((name, at) => [name, values[at]]));

/** A section with its heading. @param {string} id @param {string} title @param {(Node|string)[]} children */
export function section(id, title, ...children) {
  return element("section", { id }, element("h2", {}, title), ...children);
}

/** A paragraph. @param {(Node|string)[]} children */
export const words = (...children) => element("p", { className: "words" }, ...children);

/** What takes letters, and what takes Space. */
const TAKES_LETTERS = "input:not([type=range]):not([type=radio]), select, textarea, [contenteditable]";
const TAKES_SPACE = "input, select, textarea, button, summary, a, [contenteditable]";

/** The key that was pressed for the page as a whole; empty where it belongs to what has the focus.
 * @param {KeyboardEvent} event */
export function keyOf(event) {
  const key = event.key.toLowerCase();
  const others = event.ctrlKey || event.metaKey || event.altKey;
  return others || /** @type {Element} */ (event.target).closest(key === " " ? TAKES_SPACE : TAKES_LETTERS) ? "" : key;
}

export const calm = window.matchMedia("(prefers-reduced-motion: reduce)");

let told = 0;
let waiting = 0;
/** To who listens, at most once a second: the last of what comes. @param {string} text */
export function announce(text) {
  const live = /** @type {HTMLElement} */ (document.getElementById("live"));
  window.clearTimeout(waiting);
  waiting = window.setTimeout(() => {
    told = performance.now();
    write(live, text);
  }, Math.max(0, told + 1000 - performance.now()));
}
