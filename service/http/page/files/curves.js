/** One removal operator's curves: the target's probability while the picture is taken apart. */

import { element, svg } from "./element.js";
import { words } from "./numbers.js";

const WIDTH = 260;
const HEIGHT = 150;
const LEFT = 26;
const BOTTOM = 20;
const TOP = 6;

/**
 * Draw the curves.
 *
 * @param {Object} operator Of a receipt.
 * @param {number} top Upper end of the probability axis, shared by all operators.
 */
export function curveFigure(operator, top) {
  const x = (share) => LEFT + share * (WIDTH - LEFT - 4);
  const y = (probability) => TOP + (1 - probability / top) * (HEIGHT - TOP - BOTTOM);
  const points = (curve) => curve.map((value, step) => `${x(operator.removed_fraction[step])} ${y(value)}`);
  const { lower, upper } = band(operator);
  const drawing = svg(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": description(operator) },
    axes(x, y, top),
    svg("path", { class: "random", d: `M${[...points(upper), ...points(lower).reverse()].join("L")}Z` }),
    svg("path", { class: "chance", d: `M${points(operator.random).join("L")}` }),
    svg("path", { class: "lerf", d: `M${points(operator.lerf).join("L")}` }),
    svg("path", { class: "morf", d: `M${points(operator.morf).join("L")}` }),
  );
  const aside = operator.counted ? null : element("span", {}, " does not count");
  return element(
    "figure",
    {},
    element("figcaption", {}, element("b", {}, words(operator.name)), aside),
    drawing,
  );
}

/** What the lines mean. */
export function curveKey() {
  const line = (name) =>
    svg("svg", { viewBox: "0 0 28 12", "aria-hidden": "true" }, svg("path", { class: name, d: "M0 6h28" }));
  const chance = [
    svg("rect", { class: "random", width: 28, height: 12 }),
    svg("path", { class: "chance", d: "M0 6h28" }),
  ];
  const area = svg("svg", { viewBox: "0 0 28 12", "aria-hidden": "true" }, chance);
  return element(
    "p",
    { class: "key" },
    element("span", {}, line("morf"), "most relevant first"),
    element("span", {}, line("lerf"), "least relevant first"),
    element("span", {}, area, "random orders, mean ± 2 standard errors"),
  );
}

/** A round number just above the highest probability of all operators. */
export function axisTop(operators) {
  const highest = Math.max(...operators.flatMap(({ morf, lerf, random }) => [...morf, ...lerf, ...random]));
  return [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1].find((top) => highest <= top) ?? 1;
}

/** What chance gives, to two standard errors of its mean. */
function band({ random, random_standard_error: error }) {
  const moved = (sign) =>
    random.map((value, step) => Math.min(Math.max(value + sign * 2 * error[step], 0), 1));
  return { lower: moved(-1), upper: moved(1) };
}

function axes(x, y, top) {
  const floor = y(0);
  const label = (text, attributes) => svg("text", attributes, text);
  return [
    svg("path", { class: "grid", d: [top / 2, top].map((value) => `M${x(0)} ${y(value)}H${x(1)}`).join("") }),
    svg("path", { class: "axis", d: `M${x(0)} ${TOP}V${floor}H${x(1)}` }),
    [0, top / 2, top].map((value) =>
      label(String(value), { x: LEFT - 4, y: y(value) + 3, "text-anchor": "end" }),
    ),
    [0, 0.5, 1].map((share) =>
      label(`${100 * share} %`, {
        x: x(share),
        y: HEIGHT - 6,
        "text-anchor": share === 0 ? "start" : share === 1 ? "end" : "middle",
      }),
    ),
  ];
}

function description({ name, morf, lerf, random }) {
  const middle = Math.floor(morf.length / 2);
  const value = (curve, step) => curve[step].toFixed(2);
  return (
    `${words(name)}: from ${value(morf, 0)} on the whole picture, half removed leaves ${value(morf, middle)} ` +
    `most relevant first, ${value(lerf, middle)} least relevant first and ${value(random, middle)} at random; ` +
    `${value(morf, morf.length - 1)} with all removed.`
  );
}
