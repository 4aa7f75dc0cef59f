/** The receipt: the verdict and why, the curves, the scores, and what the removal operators themselves do. */

import { axisTop, curveFigure, curveKey } from "./curves.js";
import { element } from "./element.js";
import { facts } from "./facts.js";
import { measuresSection } from "./measures.js";
import { auditTable, scoreTable } from "./scores.js";
import { verdictMark } from "./verdict.js";

/** The verdict and why. */
export function verdictSection({ receipt }) {
  if (!receipt) {
    const text = "No receipt was asked for: nothing is known of how faithful this map is.";
    return element("section", {}, element("h3", {}, "Verdict"), element("p", { class: "hint" }, text));
  }
  const mark = verdictMark(receipt.verdict);
  mark.classList.add("large");
  const warnings = receipt.warnings.map((text) => element("li", {}, text));
  return element(
    "section",
    {},
    element("h3", {}, "Verdict"),
    mark,
    element("p", {}, receipt.reason),
    warnings.length > 0 && element("ul", { class: "warnings" }, warnings),
  );
}

/**
 * Draw the measurements behind an answer's verdict.
 *
 * @param {Object} answer
 * @param {Object} model From `GET /v1/models`: names the classes that emptied pictures look like.
 */
export function receiptSections({ receipt, explanation }, model) {
  if (!receipt) return [];
  const { operators } = receipt;
  const overall = element(
    "section",
    { class: "half" },
    element("h3", {}, "Over all operators"),
    facts(Object.entries(receipt.summary)),
    details("Controls: maps that know nothing of the model", receipt.controls),
    details("Concentration of the map, no measure of faithfulness", receipt.sparseness ?? {}),
    details("Protocol", receipt.protocol),
  );
  const beside = measuresSection(receipt.measures);
  if (operators.length === 0) return [overall, beside];
  const top = axisTop(operators);
  return [
    element(
      "section",
      { class: "wide" },
      element("h3", {}, "Receipt"),
      element(
        "p",
        {},
        `What becomes of the probability of ${explanation.target.label} while cells of the picture are removed:`,
      ),
      curveKey(),
      element(
        "div",
        { class: "curves" },
        operators.map((operator) => curveFigure(operator, top)),
      ),
      scoreTable(operators),
    ),
    element("section", { class: "half" }, element("h3", {}, "Baseline audit"), auditTable(operators, model)),
    overall,
    beside,
  ];
}

function details(title, value) {
  if (Object.keys(value).length === 0) return null;
  return element(
    "details",
    { class: "options" },
    element("summary", {}, title),
    facts(Object.entries(value)),
  );
}
