/** One explanation as a figure: the picture with its map, the verdict, and what it took. */

import { drawSeen } from "./canvas.js";
import { element, fill } from "./element.js";
import { frameOf, sample } from "./frame.js";
import { isSigned, ramp, strongest } from "./heat.js";
import { readMap } from "./npy.js";
import { count, duration, percent, signed, significant, words } from "./numbers.js";
import { problemText } from "./problem.js";
import { verdictMark } from "./verdict.js";
import { modelName } from "./view.js";

const LEGEND_STEPS = 64;

/** A figure that waits, and then shows an answer or a problem. */
export class Panel {
  /**
   * @param {Object} view What was asked for.
   * @param {Object} picture From the intake.
   * @param {{isOneOfSeveral: boolean, onselect: function(Panel)}} context
   */
  constructor(view, picture, { isOneOfSeveral, onselect }) {
    Object.assign(this, { view, picture });
    this.body = element("div", { class: "plate" }, element("p", { class: "waiting" }, "waiting"));
    this.notes = element("div", { class: "notes" });
    this.choice = element("input", { type: "radio", name: "shown", onchange: () => onselect(this) });
    const title = [element("b", {}, words(view.method.name)), element("span", {}, modelName(view.model))];
    const caption = isOneOfSeveral
      ? element(
          "label",
          { class: "choice" },
          this.choice,
          element("b", {}, view.letter),
          element("span", {}, title),
        )
      : title;
    this.node = element(
      "figure",
      { class: "panel" },
      element("figcaption", {}, caption),
      this.body,
      this.notes,
    );
  }

  /** Show an answer. */
  show(reply, style) {
    this.reply = reply;
    const { explanation } = reply.answer;
    this.map = readMap(explanation.map);
    this.heat = sample(this.map, reply.answer.picture.seen, frameOf(reply.answer.picture));
    this.heat.scale = strongest(this.map.values);
    this.isSigned = isSigned(this.map.values);
    this.readout = element("output", { class: "readout", "aria-hidden": "true" });
    this.legend = element("canvas", { class: "ramp", width: LEGEND_STEPS, height: 1, "aria-hidden": "true" });
    this.canvas = this.picture.ground ? this.#canvas() : null;
    fill(this.body, this.canvas ?? painted(explanation, this.#description()));
    fill(
      this.notes,
      this.canvas && this.#scale(),
      this.#verdict(),
      element("p", { class: "hint" }, this.#cost()),
    );
    this.draw(style);
  }

  /** Show why there is no answer. */
  fail(problem) {
    this.problem = problem;
    fill(this.body, element("p", { class: "waiting" }, "no map"));
    fill(this.notes, problemText(problem));
  }

  /** Draw again, in another style. */
  draw(style) {
    if (!this.canvas) return;
    drawSeen(this.canvas, this.picture.ground, this.reply.answer.picture, this.heat, style);
    const pixels = new Uint8ClampedArray(4 * LEGEND_STEPS).fill(255);
    ramp(this.isSigned, { ...style, alone: true }, LEGEND_STEPS).forEach((colour, step) =>
      pixels.set(colour, 4 * step),
    );
    this.legend.getContext("2d").putImageData(new ImageData(pixels, LEGEND_STEPS, 1), 0, 0);
  }

  #canvas() {
    return element("canvas", {
      role: "img",
      "aria-label": this.#description(),
      onpointermove: (event) => this.#read(event),
      onpointerleave: () => fill(this.readout),
    });
  }

  #description() {
    const { explanation, receipt } = this.reply.answer;
    const verdict = receipt ? ` Verdict: ${receipt.verdict}.` : "";
    return `Map of ${words(explanation.method)} for ${explanation.target.label}, over the picture.${verdict}`;
  }

  #scale() {
    const greatest = this.heat.scale;
    const least = this.isSigned ? -greatest : 0;
    return element(
      "div",
      { class: "scale" },
      this.legend,
      element("span", {}, significant(least), this.isSigned && " against"),
      this.readout,
      element("span", {}, significant(greatest), this.isSigned && " for"),
    );
  }

  #verdict() {
    const { receipt, prediction } = this.reply.answer;
    const [best] = prediction.top_k;
    const says = element(
      "p",
      { class: "says" },
      best.label,
      " ",
      element("span", {}, percent(best.probability)),
    );
    return receipt ? [says, verdictMark(receipt.verdict), scores(receipt.summary)] : says;
  }

  #cost() {
    const { explanation, timings_ms: spent } = this.reply.answer;
    const total = Object.values(spent).reduce((sum, milliseconds) => sum + milliseconds, 0);
    const cut = explanation.converged ? "" : ", not converged";
    return `${count(explanation.forwards, "pass", "passes")}, ${duration(total)}${cut}`;
  }

  /** Tell the value under the pointer. */
  #read(event) {
    const { seen, width, height } = this.reply.answer.picture;
    const left = Math.max(0, seen.left);
    const top = Math.max(0, seen.top);
    const right = Math.min(width, seen.left + seen.width);
    const bottom = Math.min(height, seen.top + seen.height);
    const x = left + (event.offsetX / this.canvas.clientWidth) * (right - left);
    const y = top + (event.offsetY / this.canvas.clientHeight) * (bottom - top);
    const column = Math.floor(((x - seen.left) / seen.width) * this.map.columns);
    const row = Math.floor(((y - seen.top) / seen.height) * this.map.rows);
    const value = this.map.values[row * this.map.columns + column];
    fill(this.readout, value === undefined ? null : `${significant(value)} at ${row}, ${column}`);
  }
}

/** Relative to chance and to what is at stake, so that they compare between models too. */
function scores({ z_score: z, gain }) {
  if (z === undefined) return null;
  return element("p", { class: "hint" }, `z ${signed(z, 1)}, gain ${percent(gain)}`);
}

/** Where this browser cannot show the picture, the API's own overlay. */
function painted({ overlay, overlay_encoding: encoding }, description) {
  return element("img", { src: `data:image/${encoding};base64,${overlay}`, alt: description });
}
