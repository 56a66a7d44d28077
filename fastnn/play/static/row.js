// @ts-check
/** One row on its way through a small network and back, for a recording, which has no kernels to ask. */

import { linksOf, placeOf } from "./layers.js";

/** As fastnn/play/session/looking.py has it. */
const NUDGE = 1e-5;

/** All layers relu but the last, whose outputs are classes. @param {number[]} sizes @param {ArrayLike<number>} parameters
 * @param {ArrayLike<number>} x */
function forward(sizes, parameters, x) {
  const links = linksOf(sizes);
  const last = sizes.length - 2;
  const count = placeOf(sizes, last + 1, 0);
  const [sums, values] = [new Float64Array(count), new Float64Array(count)];
  for (let layer = 0; layer <= last; layer += 1) {
    for (const link of links) {
      if (link.layer !== layer) continue;
      const given = link.from < 0 ? 1 : layer === 0 ? x[link.from] : values[placeOf(sizes, layer - 1, link.from)];
      sums[placeOf(sizes, layer, link.to)] += given * parameters[link.index];
    }
    for (let unit = 0; unit < sizes[layer + 1]; unit += 1) {
      const at = placeOf(sizes, layer, unit);
      values[at] = layer === last ? sums[at] : Math.max(0, sums[at]);
    }
  }
  const logits = values.subarray(placeOf(sizes, last, 0));
  const most = Math.max(...logits);
  const total = logits.reduce((sum, each) => sum + Math.exp(each - most), 0);
  const probabilities = logits.map((each) => Math.exp(each - most) / total);
  return { links, sums, values, probabilities, losses: logits.map((each) => Math.log(total) + most - each) };
}

/** What a frame has of its row. @param {number[]} sizes @param {ArrayLike<number>} parameters @param {ArrayLike<number>} x
 * @param {number} truth */
export function row(sizes, parameters, x, truth) {
  const { links, sums, values, probabilities, losses } = forward(sizes, parameters, x);
  const last = sizes.length - 2;
  const slopes = sums.map((sum, at) => (at >= placeOf(sizes, last, 0) || sum > 0 ? 1 : 0));
  const deltas = new Float64Array(sums.length);
  probabilities.forEach((each, unit) => { deltas[placeOf(sizes, last, unit)] = each - (unit === truth ? 1 : 0); });
  for (let layer = last; layer > 0; layer -= 1) {
    for (const { from, to, index } of links.filter((link) => link.layer === layer && link.from >= 0)) {
      const at = placeOf(sizes, layer - 1, from);
      deltas[at] += slopes[at] * parameters[index] * deltas[placeOf(sizes, layer, to)];
    }
  }
  const gradient = links.map(({ layer, from, to }) => deltas[placeOf(sizes, layer, to)]
    * (from < 0 ? 1 : layer === 0 ? x[from] : values[placeOf(sizes, layer - 1, from)]));
  const tried = links.map(({ index }) => {
    const [below, above] = [-NUDGE, NUDGE].map((nudge) => {
      const moved = Float64Array.from(parameters);
      moved[index] += nudge;
      return forward(sizes, moved, x).losses[truth];
    });
    return (above - below) / (2 * NUDGE);
  });
  return { x, truth: [truth], probe_loss: [losses[truth]], sums, values, slopes, probabilities, gradient, tried };
}
