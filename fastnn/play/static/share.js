// @ts-check
/** The state of a page as the fragment of its address, which no browser sends to any server. */

const VERSION = "1";

/** @param {Record<string, any>} settings @param {Float32Array | null} weights */
export function fragment(settings, weights) {
  const parts = new URLSearchParams({ v: VERSION });
  for (const [name, value] of Object.entries(settings)) parts.set(name, JSON.stringify(value));
  if (weights) parts.set("weights", base64url(new Uint8Array(weights.slice().buffer)));
  return `#${parts}`;
}

/** What to open a session with, of the address. The server checks every part.
 * @param {string} hash @returns {{settings?: object, weights?: string, refused?: string}} */
export function opening(hash) {
  if (hash.length < 2) return {};
  const parts = new URLSearchParams(hash.slice(1));
  if (!parts.has("v")) return {};
  if (parts.get("v") !== VERSION) return { refused: `v is ${parts.get("v")?.slice(0, 20)}; expected ${VERSION}` };
  /** @type {Record<string, any>} */
  const settings = {};
  for (const [name, text] of parts) {
    if (name === "v" || name === "weights") continue;
    try {
      settings[name] = JSON.parse(text);
    } catch {
      return { refused: `${name.slice(0, 40)} is ${text.slice(0, 20)}; expected a value of JSON` };
    }
  }
  const weights = parts.get("weights");
  return weights === null ? { settings } : { settings, weights };
}

/** @param {Uint8Array} bytes */
function base64url(bytes) {
  const text = Array.from(bytes, (each) => String.fromCharCode(each)).join("");
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** @param {string} name @param {Uint8Array} content */
export function download(name, content) {
  const address = URL.createObjectURL(new Blob([/** @type {any} */ (content)]));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  window.setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
