// @ts-check
/** What a notebook runs: a frame with the page, and its messages carried to the kernel and back. */

/** @param {{model: any, el: HTMLElement}} given  of anywidget */
function render({ model, el }) {
  // No secret, but a name; crypto.randomUUID is only there where a page came over https.
  const view = `${Date.now()}-${Math.random()}`;
  const frame = document.createElement("iframe");
  frame.title = "fastnn playground";
  // An origin of its own: nothing of the notebook is in its reach.
  frame.setAttribute("sandbox", "allow-scripts allow-downloads");
  frame.style.cssText = `width: 100%; height: ${model.get("height")}px; border: 1px solid #8886; border-radius: 8px;`;

  /** @param {MessageEvent} event */
  const fromPage = ({ source, data }) => {
    if (source !== frame.contentWindow) return;
    if (typeof data === "string") model.send({ view, text: data });
    else model.send({ view }, undefined, [data]);
  };
  /** @param {any} told @param {DataView[]} buffers */
  const fromKernel = (told, buffers) => {
    if (told.view !== view) return;
    const bytes = buffers[0];
    const content = bytes ? bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) : told.text;
    frame.contentWindow?.postMessage(content, "*");
  };
  window.addEventListener("message", fromPage);
  model.on("msg:custom", fromKernel);
  frame.srcdoc = model.get("page");
  el.replaceChildren(frame);
  return () => {
    window.removeEventListener("message", fromPage);
    model.off("msg:custom", fromKernel);
    model.send({ view, end: true });
  };
}

export default { render };
