/** A map -> colours, by the rules of the API's own overlay (service/imaging/heat.py). */

import { DIVERGING, NEUTRAL, SEQUENTIAL, between, mix } from "./colours.js";

/** The strongest half per cent of the pixels share the strongest colour, or single pixels would hide the rest. */
const CLIP_PERCENTILE = 99.5;

/** Colours on either side of zero; 8 bits of a channel cannot show more. */
const HALF = 1024;

/** Whether a map tells evidence against the target from evidence for it. */
export function isSigned(values) {
  return values.some((value) => value < 0);
}

/** The magnitude that gets the strongest colour. */
export function strongest(values) {
  const magnitudes = values.map(Math.abs).sort();
  return percentile(magnitudes, CLIP_PERCENTILE) || magnitudes[magnitudes.length - 1] || 1;
}

/**
 * Paint a map.
 *
 * Over the picture, stronger evidence is both more saturated and less transparent, and nothing is laid over
 * what does not matter. Alone, the map is opaque.
 *
 * @param {{values: Float32Array, rows: number, columns: number, scale: number}} map `scale` is of strongest().
 * @param {{sequential: string, diverging: string, cover: number, alone: boolean}} style
 *     `cover` in [0, 1] is the share of the strongest colour in the mixture.
 * @returns {ImageData} As large as the map.
 */
export function paint({ values, rows, columns, scale }, style) {
  const colours = table(isSigned(values), style);
  const pixels = new Uint32Array(values.length);
  for (let index = 0; index < values.length; index++) {
    const share = Math.min(Math.max(values[index] / scale, -1), 1);
    pixels[index] = colours[Math.round(HALF * (share + 1))];
  }
  return new ImageData(new Uint8ClampedArray(pixels.buffer), columns, rows);
}

/** All colours from the strongest evidence against to the strongest for, as pixels. */
function table(isSignedMap, style) {
  const colour = isSignedMap ? twoColours(style) : oneRamp(style);
  const bytes = new Uint8ClampedArray(4 * (2 * HALF + 1));
  for (let level = -HALF; level <= HALF; level++) {
    const share = Math.abs(level) / HALF;
    bytes.set(colour(share, level < 0), 4 * (level + HALF));
    bytes[4 * (level + HALF) + 3] = style.alone ? 255 : 255 * style.cover * share;
  }
  return new Uint32Array(bytes.buffer);
}

/** The colours of a map's legend, from its least to its greatest value. */
export function ramp(isSignedMap, style, steps) {
  const colour = isSignedMap ? twoColours({ ...style, alone: true }) : oneRamp(style);
  return Array.from({ length: steps }, (_, step) => {
    const position = step / (steps - 1);
    return isSignedMap ? colour(Math.abs(2 * position - 1), position < 0.5) : colour(position, false);
  });
}

/** Over a picture the ramp begins at a third: what lies below is nearly black and would read as shadow. */
function oneRamp({ sequential, alone }) {
  const colours = SEQUENTIAL[sequential];
  return (share) => between(colours, alone ? share : (1 + 2 * share) / 3);
}

function twoColours({ diverging, alone }) {
  const ends = DIVERGING[diverging];
  return (share, isAgainst) => {
    const end = isAgainst ? ends.against : ends.for;
    return alone ? mix(NEUTRAL, end, share) : end;
  };
}

/** Between the sorted values linearly, as numpy does. */
function percentile(sorted, percent) {
  const position = ((sorted.length - 1) * percent) / 100;
  const lower = Math.floor(position);
  const upper = Math.min(lower + 1, sorted.length - 1);
  return sorted[lower] + (position - lower) * (sorted[upper] - sorted[lower]);
}
