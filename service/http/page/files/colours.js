/**
 * Colour maps that colour-blind eyes can read.
 *
 * The sequential ones are matplotlib's, seventeen samples each: perceptually uniform, their lightness alone
 * tells the order. The diverging ones are pairs of hues that stay apart under the common deficiencies: Okabe
 * and Ito's vermilion and blue, and the ends of ColorBrewer's PuOr and BrBG.
 */

const INFERNO =
  "000004 0b0724 210c4a 3d0965 57106e 71196e 8a226a a32c61 bc3754 d24644 e45a31 f1731d f98e09 fcac11 f9cb35 f2ea69 fcffa4";
const VIRIDIS =
  "440154 48186a 472d7b 424086 3b528b 33638d 2c728e 26828e 21918c 1fa088 28ae80 3fbc73 5ec962 84d44b addc30 d8e219 fde725";
const CIVIDIS =
  "00224e 002e6a 1a386f 32436d 434e6c 535a6d 61656f 6f7073 7d7c78 8c8878 9b9476 aba072 bcae6c cdbb63 dec958 f0d846 fee838";

/** For maps without negative values. */
export const SEQUENTIAL = {
  inferno: stops(INFERNO),
  viridis: stops(VIRIDIS),
  cividis: stops(CIVIDIS),
  grey: stops("000000 ffffff"),
};

/** For signed maps: evidence against the target, and for it. */
export const DIVERGING = {
  "blue and vermilion": { against: [0, 114, 178], for: [213, 94, 0] },
  "purple and orange": { against: [84, 39, 136], for: [179, 88, 6] },
  "teal and brown": { against: [1, 102, 94], for: [140, 81, 10] },
};

/** What a diverging map shows of zero, where nothing is under it. */
export const NEUTRAL = [247, 247, 247];

/** The colour at *share* in [0, 1] of a list of evenly spaced stops. */
export function between(colours, share) {
  const position = share * (colours.length - 1);
  const lower = Math.min(Math.floor(position), colours.length - 2);
  return mix(colours[lower], colours[lower + 1], position - lower);
}

/** The mixture of two colours: the first at 0, the second at 1. */
export function mix(first, second, share) {
  return first.map((level, channel) => level + share * (second[channel] - level));
}

function stops(text) {
  return text.split(" ").map((code) => [0, 2, 4].map((start) => parseInt(code.slice(start, start + 2), 16)));
}
