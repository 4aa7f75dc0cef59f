/** The most probable classes, each with a way to ask why. */

import { element } from "./element.js";
import { percent, significant } from "./numbers.js";

/**
 * Draw the classes of an answer.
 *
 * @param {Object} answer
 * @param {function(number)} onask Told of the class that somebody wants explained.
 */
export function predictionSection({ prediction, explanation }, onask) {
  const rows = prediction.top_k.map((ranked) => row(ranked, explanation, onask));
  return element("section", { class: "prediction" }, element("h3", {}, "Classes"), element("ol", {}, rows));
}

function row({ index, label, probability, logit }, explanation, onask) {
  const bar = element("span", { class: "bar" });
  bar.style.width = `${100 * probability}%`;
  const isTarget = index === explanation.target.index;
  const action = isTarget
    ? element("span", { class: "hint" }, "explained")
    : element("button", { type: "button", class: "quiet", onclick: () => onask(index) }, "Why?");
  if (!isTarget) action.setAttribute("aria-label", `Why ${label}?`);
  const name = element(
    "span",
    { class: "label", title: `class ${index}, logit ${significant(logit, 4)}` },
    label,
  );
  const share = element("span", { class: "number" }, percent(probability));
  return element(
    "li",
    {},
    name,
    share,
    action,
    element("span", { class: "track", "aria-hidden": "true" }, bar),
  );
}
