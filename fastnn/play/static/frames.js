// @ts-check
/** Frames as fastnn/play/session/frames.py writes them. */

const VERSION = 1;
const FRAME = 1;
const HEADER = 16;

/** @typedef {{step: number, arrays: Record<string, Float32Array>}} Frame */

/** The arrays of a frame, as views; null where it is of an older layout. Throws where it is no frame.
 * @param {ArrayBuffer} buffer @param {{number: number, arrays: [string, number][]}} layout @returns {Frame | null} */
export function decode(buffer, layout) {
  const view = new DataView(buffer);
  if (view.getUint8(0) !== VERSION || view.getUint8(1) !== FRAME) throw new Error("no frame of this version");
  if (view.getUint16(2, true) !== layout.number % 65536) return null;
  /** @type {Record<string, Float32Array>} */
  const arrays = {};
  let at = HEADER;
  for (const [name, size] of layout.arrays) {
    arrays[name] = new Float32Array(buffer, at, size);
    at += 4 * size;
  }
  return { step: Number(view.getBigUint64(8, true)), arrays };
}

/** Whether it is a file to be kept, and no frame. @param {ArrayBuffer} buffer */
export const isFile = (buffer) => new DataView(buffer).getUint8(1) !== FRAME;

/** @param {ArrayBuffer} buffer */
export const contentOf = (buffer) => new Uint8Array(buffer, HEADER);
