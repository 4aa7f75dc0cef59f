/** The part of a picture that the model saw, and the map at every pixel of a drawing of it. */

/** Of the longer side of a drawing, in pixels: small pictures are enlarged so that a map can be read at all. */
const SHORTEST_SIDE = 512;
const LONGEST_SIDE = 1024;

/**
 * Lay out a drawing, as the API lays out its overlay (service/imaging/overlay.py).
 *
 * @param {{width: number, height: number, seen: Object}} extent The answer's `picture`.
 * @returns {{left, top, width, height, columns, rows}} The seen part in pixels of the picture, padding cut, and
 *     the size of the drawing.
 */
export function frameOf({ width, height, seen }) {
  const left = Math.min(Math.max(0, Math.round(seen.left)), width - 1);
  const top = Math.min(Math.max(0, Math.round(seen.top)), height - 1);
  const right = Math.max(left + 1, Math.min(width, Math.round(seen.left + seen.width)));
  const bottom = Math.max(top + 1, Math.min(height, Math.round(seen.top + seen.height)));
  const frame = { left, top, width: right - left, height: bottom - top };
  const longer = Math.max(frame.width, frame.height);
  const scale = Math.min(Math.max(longer, SHORTEST_SIDE), LONGEST_SIDE) / longer;
  const size = (side) => Math.max(1, Math.round(side * scale));
  return { ...frame, columns: size(frame.width), rows: size(frame.height) };
}

/**
 * Read a map at every pixel centre of a drawing, between its own pixel centres linearly.
 *
 * @param {{values: Float32Array, rows: number, columns: number}} map
 * @param {Object} seen What the map covers, in pixels of the picture.
 * @param {Object} frame Of frameOf().
 */
export function sample(map, seen, frame) {
  const across = places(frame.columns, frame.width, frame.left - seen.left, seen.width, map.columns);
  const down = places(frame.rows, frame.height, frame.top - seen.top, seen.height, map.rows);
  const values = new Float32Array(frame.rows * frame.columns);
  let index = 0;
  for (const row of down) {
    for (const column of across) {
      const upper = blend(map, row.before, column);
      values[index++] = upper + row.share * (blend(map, row.after, column) - upper);
    }
  }
  return { values, rows: frame.rows, columns: frame.columns };
}

/** Along one axis: between which two pixels of the map each pixel of the drawing lies. */
function places(count, extent, offset, covered, cells) {
  return Array.from({ length: count }, (_, place) => {
    const position = ((((place + 0.5) / count) * extent + offset) / covered) * cells - 0.5;
    const before = Math.floor(position);
    const inside = (cell) => Math.min(Math.max(cell, 0), cells - 1);
    return { before: inside(before), after: inside(before + 1), share: position - before };
  });
}

function blend({ values, columns }, row, { before, after, share }) {
  const left = values[row * columns + before];
  return left + share * (values[row * columns + after] - left);
}
