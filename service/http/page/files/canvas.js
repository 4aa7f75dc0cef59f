/** The picture and its map on a canvas. */

import { frameOf } from "./frame.js";
import { paint } from "./heat.js";

/** Share of the picture's own colour that is taken out under a map, so as not to be read as heat. */
const DESATURATION = 0.7;

/**
 * Draw the part of a picture that the model saw, and the map over it.
 *
 * @param {HTMLCanvasElement} canvas Its size is set.
 * @param {CanvasImageSource & {width: number, height: number}} ground The picture, perhaps reduced.
 * @param {Object} extent The answer's `picture`.
 * @param {Object} heat The map, sampled at the drawing's pixels, and its scale.
 * @param {{show: "overlay"|"map"|"picture"}} style What to show, and how paint() is to do it.
 */
export function drawSeen(canvas, ground, extent, heat, style) {
  const frame = frameOf(extent);
  canvas.width = frame.columns;
  canvas.height = frame.rows;
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(ground, ...onGround(ground, extent, frame), 0, 0, frame.columns, frame.rows);
  if (style.show === "picture") return;
  if (style.show === "overlay") desaturate(context);
  const layer = new OffscreenCanvas(frame.columns, frame.rows);
  layer.getContext("2d").putImageData(paint(heat, { ...style, alone: style.show === "map" }), 0, 0);
  context.drawImage(layer, 0, 0);
}

/** Outline what the model saw on the whole picture. */
export function outlineSeen(canvas, ground, extent) {
  canvas.width = ground.width;
  canvas.height = ground.height;
  const context = canvas.getContext("2d");
  context.drawImage(ground, 0, 0);
  if (!extent) return;
  const box = onGround(ground, extent, frameOf(extent));
  const veil = new Path2D();
  veil.rect(0, 0, canvas.width, canvas.height);
  veil.rect(...box);
  context.fillStyle = "rgb(255 255 255 / 55%)";
  context.fill(veil, "evenodd");
  context.lineWidth = Math.max(2, ground.width / 200);
  context.strokeStyle = "#ffffff";
  context.strokeRect(...box);
}

/** A rectangle of the picture in pixels of what is kept of it. */
function onGround(ground, extent, { left, top, width, height }) {
  const across = ground.width / extent.width;
  const down = ground.height / extent.height;
  return [left * across, top * down, width * across, height * down];
}

function desaturate(context) {
  context.globalCompositeOperation = "saturation";
  context.fillStyle = `hsl(0 0% 50% / ${DESATURATION})`;
  context.fillRect(0, 0, context.canvas.width, context.canvas.height);
  context.globalCompositeOperation = "source-over";
}
