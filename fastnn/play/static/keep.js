// @ts-check
/** Sharing a page by its address, and keeping what was trained. */

import { button } from "./controls.js";
import { announce, element, section, words } from "./dom.js";
import { download, fragment } from "./share.js";

/** What the file of each form is called. @type {Record<string, string>} */
const FORMS = { safetensors: "network.safetensors", onnx: "network.onnx", json: "network.json", py: "again.py" };

/** Nothing of a recording, which is a file itself. @param {any} talk @param {(() => Float32Array | null)} [weights]  of a page whose links hold them, and whose weights may be typed */
export function keep(talk, weights) {
  if (talk.recorded) return document.createDocumentFragment();
  const link = element("input", { type: "text", id: "link", readOnly: true, "aria-label": "Link to this page as it is" });
  link.addEventListener("focus", () => link.select());
  const share = button("Link to this", () => {
    const values = weights?.() ?? null;
    history.replaceState(null, "", fragment(talk.settings, values && values.length <= talk.most_shared ? values : null));
    link.value = location.href;
    link.focus();
    announce("The link is in the address of this page.");
  });
  // A page in a frame has no address.
  const shared = !location.protocol.startsWith("http") ? [] : [
    words(`The link holds all settings${weights ? " and every weight" : ""}, in the part of an address that browsers keep to themselves. It opens in a playground on this port; on another, change the port. ${talk.texts.linked ?? ""}`),
    element("div", { className: "controls" }, share, link),
  ];
  const files = talk.forms.map((/** @type {string} */ form) => button(FORMS[form], async () => download(FORMS[form], await talk.file(form))));
  if (!talk.forms.length && !shared.length) return document.createDocumentFragment();
  if (!talk.forms.length) return section("keep", "Take it with you", ...shared);
  const holds = talk.texts.holds ?? "network.safetensors is what fastnn's fit gives after as many steps, to the byte";
  const unless = `: unless a setting was changed on the way${weights ? ", or a parameter was typed or came with a link" : ""}. Reset begins again without that.`;
  return section("keep", "Take it with you",
    ...shared,
    words(`${holds}${talk.forms.includes("py") ? ", and again.py makes it anew" : ""}${unless}`),
    element("div", { className: "controls" }, ...files));
}
