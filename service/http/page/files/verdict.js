/** A receipt's verdict: told by words and by shape, never by colour alone. */

import { element, svg } from "./element.js";

const SHAPES = {
  faithful: { kind: "good", shape: () => svg("circle", { cx: 8, cy: 8, r: 6.5 }) },
  mixed: { kind: "partial", shape: () => half() },
  "indistinguishable from random": { kind: "bad", shape: () => ring() },
  "cannot be scored": { kind: "none", shape: () => svg("path", { d: "M2 8h12", class: "line" }) },
};

/** The verdict as one line. */
export function verdictMark(verdict) {
  const { kind, shape } = SHAPES[verdict] ?? SHAPES["cannot be scored"];
  const mark = svg("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, shape());
  return element("p", { class: `verdict ${kind}` }, mark, element("span", {}, verdict));
}

function ring() {
  return svg("circle", { cx: 8, cy: 8, r: 5.5, class: "line" });
}

function half() {
  return svg("g", {}, ring(), svg("path", { d: "M8 2.5a5.5 5.5 0 0 0 0 11z" }));
}
