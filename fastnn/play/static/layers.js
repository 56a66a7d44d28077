// @ts-check
/** Where each parameter of a network of dense layers lies, and between what. */

/** @typedef {{index: number, layer: number, from: number, to: number}} Link  from is -1 of a bias. */

/** @param {number[]} sizes @returns {Link[]} in the order in which parameters lie */
export function linksOf(sizes) {
  const found = [];
  for (let layer = 0; layer + 1 < sizes.length; layer += 1) {
    for (let from = 0; from < sizes[layer]; from += 1) {
      for (let to = 0; to < sizes[layer + 1]; to += 1) found.push({ index: found.length, layer, from, to });
    }
    for (let to = 0; to < sizes[layer + 1]; to += 1) found.push({ index: found.length, layer, from: -1, to });
  }
  return found;
}

/** Of a unit among the sums and values of all layers. @param {number[]} sizes @param {number} layer @param {number} unit */
export function placeOf(sizes, layer, unit) {
  return sizes.slice(1, layer + 1).reduce((sum, size) => sum + size, 0) + unit;
}

/** @param {Link[]} links @param {number} layer @param {number} from @param {number} to */
export function linkBetween(links, layer, from, to) {
  return /** @type {Link} */ (links.find((each) => each.layer === layer && each.from === from && each.to === to));
}
