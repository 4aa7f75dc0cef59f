/** Where the map comes from, what vouches for its method, and what everything cost. */

import { describeModel } from "./api.js";
import { element, fill } from "./element.js";
import { facts } from "./facts.js";
import { count, duration, significant, words } from "./numbers.js";
import { modelName } from "./view.js";

/** How the map was made. */
export function explanationSection({ explanation, model }) {
  const { target, contrast, completeness_gap: gap, map } = explanation;
  return element(
    "section",
    { class: "third" },
    element("h3", {}, "Map"),
    facts([
      [
        "explains",
        contrast ? `logit of ${target.label} minus logit of ${contrast.label}` : `logit of ${target.label}`,
      ],
      ["method", words(explanation.method)],
      ["parameters", Object.keys(explanation.parameters).length ? explanation.parameters : "none"],
      ["map", `${map.shape.join(" × ")}, ${significant(map.minimum)} to ${significant(map.maximum)}`],
      ["seed", explanation.seed],
      ["converged", explanation.converged],
      ["completeness gap", gap === null ? undefined : `${significant(gap)} logits`],
      [
        "standard error",
        explanation.standard_error ? `up to ${significant(explanation.standard_error.maximum)}` : undefined,
      ],
      ["model", modelName(model)],
      ["model digest", element("code", { title: model.sha256 }, model.sha256.slice(0, 12))],
    ]),
  );
}

const CHECKS = ["mprt", "efficient_mprt", "random_logit", "planted_evidence"];

/**
 * What was checked of this method on this model before it was served.
 */
export function certificateSection({ explanation, model }) {
  const { certificate, method } = explanation;
  const done = CHECKS.filter((name) => certificate[name]);
  const checks = element("ul", { class: "checks" });
  const tell = (known) =>
    fill(
      checks,
      done.map((name) => check(name, certificate[name], known[name])),
    );
  tell({});
  // What was measured is told by the model; should it not answer, the outcomes stand without.
  if (done.length > 0)
    describeModel(model).then(
      ({ certificates }) => tell(certificates[method]?.checks ?? {}),
      () => {},
    );
  return element(
    "section",
    { class: "third" },
    element("h3", {}, "Certificate"),
    element("p", { class: certificate.verdict === "fail" ? "bad" : undefined }, element("b", {}, certificate.verdict)),
    element("p", { class: "hint" }, certificate.reason),
    done.length > 0 && checks,
    certificate.same_parameters === false &&
      element("p", { class: "hint" }, "This map was made with other options than were certified."),
  );
}

function check(name, outcome, details) {
  const sign = outcome === "pass" ? "✓" : outcome === "fail" ? "✕" : "–";
  const measured =
    details && typeof details.value === "number"
      ? ` Measured ${significant(details.value)}, threshold ${significant(details.threshold)}.`
      : "";
  return element(
    "li",
    { class: outcome === "fail" ? "bad" : outcome === "pass" ? "good" : undefined },
    element("span", { "aria-hidden": "true" }, sign, " "),
    element("b", {}, words(name)),
    `: ${outcome}`,
    details && element("small", {}, `${details.definition}${measured}`),
  );
}

/** Milliseconds by stage, and forward passes. */
export function costSection({ explanation, receipt, timings_ms: spent, model, request_id: id }) {
  const longest = Math.max(...Object.values(spent), 1e-9);
  const rows = Object.entries(spent).map(([stage, milliseconds]) => {
    const bar = element("span", { class: "bar" });
    bar.style.width = `${(100 * milliseconds) / longest}%`;
    const track = element("span", { class: "track", "aria-hidden": "true" }, bar);
    return element(
      "li",
      {},
      element("span", {}, words(stage)),
      element("span", { class: "number" }, duration(milliseconds)),
      track,
    );
  });
  const measured = receipt ? `, ${receipt.forwards.toLocaleString("en")} for the receipt` : "";
  const passes = `${count(explanation.forwards, "forward pass", "forward passes")} for the map${measured}`;
  return element(
    "section",
    { class: "cost third" },
    element("h3", {}, "Cost"),
    element("ul", {}, rows),
    element("p", { class: "hint" }, `${passes}, on ${model.provider}. Request ${id}.`),
  );
}
