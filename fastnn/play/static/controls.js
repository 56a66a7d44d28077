// @ts-check
/** Controls, made of what the server says can be set. */

import { decimal, element, write } from "./dom.js";

/** @typedef {{root: HTMLElement, set: (value: any) => void}} Control */

let made = 0;
const fresh = () => `control-${(made += 1)}`;

/** Steps of a slider that moves by factors: a hundredth of a factor of ten. */
const LOG_STEP = 0.05;

/** @param {any} field @param {(value: any) => void} tell @returns {Control} */
export function slider(field, tell) {
  const id = fresh();
  const isLog = field.scale === "log";
  const [toPlace, toValue] = isLog
    ? [Math.log10, (/** @type {number} */ place) => Number((10 ** place).toPrecision(2))]
    : [Number, Number];
  const digits = isLog ? 6 : Math.max(0, Math.ceil(-Math.log10(field.step ?? 1)));
  const input = element("input", {
    type: "range", id, min: toPlace(field.low), max: toPlace(field.high), step: isLog ? LOG_STEP : field.step ?? 1,
  });
  const output = element("output", { htmlFor: id });
  const show = (/** @type {number} */ value) => {
    const text = `${decimal(value, digits)}${field.unit ? ` ${field.unit}` : ""}`;
    write(output, text);
    input.setAttribute("aria-valuetext", text);
  };
  input.addEventListener("input", () => {
    const value = toValue(Number(input.value));
    show(value);
    tell(value);
  });
  const root = element("div", { className: "slider" }, element("label", { htmlFor: id }, field.label), output, input);
  return { root, set: (value) => { input.value = String(toPlace(value)); show(value); } };
}

/** @param {any} field @param {(value: any) => void} tell @returns {Control} */
export function wholeNumber(field, tell) {
  const id = fresh();
  const input = element("input", { type: "number", id, min: field.low, max: field.high, step: 1, inputMode: "numeric" });
  input.addEventListener("change", () => {
    if (input.reportValidity() && input.value !== "") tell(Number(input.value));
  });
  const root = element("div", { className: "typed" }, element("label", { htmlFor: id }, field.label), input);
  return { root, set: (value) => { input.value = String(value); } };
}

/** A line of text. @param {any} field @param {(value: any) => void} tell @returns {Control} */
export function line(field, tell) {
  const id = fresh();
  const input = element("input", { type: "text", id, maxLength: field.most, spellcheck: false, autocomplete: "off" });
  input.addEventListener("input", () => { if (input.value !== "") tell(input.value); });
  const root = element("div", { className: "line" }, element("label", { htmlFor: id }, field.label), input);
  return { root, set: (value) => { if (input.value !== value) input.value = value; } };
}

/** @param {any} field @param {(value: any) => void} tell @returns {Control} */
export function segments(field, tell) {
  const name = fresh();
  const inputs = field.options.map((/** @type {string} */ option) => {
    const input = element("input", { type: "radio", name, value: option });
    input.addEventListener("change", () => tell(option));
    return input;
  });
  const labels = inputs.map((/** @type {any} */ input) => element("label", {}, input, spoken(input.value)));
  const root = element(
    "fieldset", { className: "choice" }, element("legend", {}, field.label),
    element("div", { className: "segments" }, ...labels),
  );
  return { root, set: (value) => inputs.forEach((/** @type {any} */ input) => { input.checked = input.value === value; }) };
}

/** @param {any} field @param {(value: any) => void} tell @returns {Control} */
export function picker(field, tell) {
  const id = fresh();
  const options = field.options.map((/** @type {string} */ value) => element("option", { value }, spoken(value)));
  const input = element("select", { id }, ...options);
  input.addEventListener("change", () => tell(input.value));
  const root = element("div", { className: "typed" }, element("label", { htmlFor: id }, field.label), input);
  return { root, set: (value) => { input.value = value; } };
}

const spoken = (/** @type {string} */ name) => name.replaceAll("_", " ");

/** As it suits what can be set; of a recording some is fixed. @param {any} field @param {(value: any) => void} tell @returns {Control} */
export function control(field, tell) {
  const made = controlOf(field, tell);
  if (field.fixed) made.root.querySelectorAll("input, select").forEach((each) => { /** @type {any} */ (each).disabled = true; });
  return made;
}

/** @param {any} field @param {(value: any) => void} tell @returns {Control} */
function controlOf(field, tell) {
  if (field.kind === "number" || (field.kind === "whole" && field.slides)) return slider(field, tell);
  if (field.kind === "whole") return wholeNumber(field, tell);
  if (field.kind === "text") return line(field, tell);
  return field.options.length <= 3 ? segments(field, tell) : picker(field, tell);
}

/** @param {string} text @param {() => void} press @param {Record<string, any>} more */
export function button(text, press, more = {}) {
  const root = element("button", { type: "button", ...more }, text);
  root.addEventListener("click", press);
  return root;
}
