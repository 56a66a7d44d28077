// @ts-check
/** Sharing a page by its address, and keeping what was trained. */

import { button } from "./controls.js";
import { announce, element } from "./dom.js";
import { download, fragment } from "./share.js";

const FORMS = { safetensors: "network.safetensors", json: "network.json", py: "again.py" };

/** @param {any} talk @param {() => Float32Array | null} weights */
export function keep(talk, weights) {
  const link = element("input", { type: "text", id: "link", readOnly: true, "aria-label": "Link to this page as it is" });
  link.addEventListener("focus", () => link.select());
  const share = button("Link to this", () => {
    const values = weights();
    history.replaceState(null, "", fragment(talk.settings, values && values.length <= talk.most_shared ? values : null));
    link.value = location.href;
    link.focus();
    announce("The link is in the address of this page.");
  });
  const files = Object.entries(FORMS).map(([form, name]) => button(name, async () => download(name, await talk.file(form))));
  return element("div", { className: "keep" },
    element("p", { className: "words" }, "The link holds all settings and every weight, in the part of an address that browsers keep to themselves. It opens in a playground on this port; on another, change the port."),
    element("div", { className: "controls" }, share, link),
    element("p", { className: "words" }, "network.safetensors is what fastnn's fit gives after as many steps, to the byte, and again.py makes it anew: unless a parameter was typed or came with a link, or the rate or the activation was changed on the way. Reset begins again without that."),
    element("div", { className: "controls" }, ...files));
}
