/** The numbers behind the curves, operator by operator. */

import { percent, signed, words } from "./numbers.js";
import { table } from "./table.js";

/** How the map fared. */
export function scoreTable(operators) {
  const heads = ["removed by", "AUC, most relevant first", "AUC, least relevant first", "SRG", "z"];
  const rows = operators.map(({ name, auc_morf: morf, auc_lerf: lerf, srg, z_score: z }) => [
    words(name),
    morf.toFixed(3),
    lerf.toFixed(3),
    signed(srg, 3),
    z === null ? "–" : signed(z, 1),
  ]);
  const caption =
    "SRG is the second area minus the first: 0 is chance. z counts it, in log-odds, in deviations of random orders of the same picture.";
  return table(caption, heads, rows);
}

/** What the model sees in a picture that is nothing but replacement. */
export function auditTable(operators, model) {
  const heads = ["emptied by", "looks like", "probability", "entropy", "neutral"];
  const rows = operators.map(({ name, baseline }) => [
    words(name),
    model.classes[baseline.predicted_class],
    percent(baseline.largest_probability),
    percent(baseline.entropy_share),
    baseline.neutral ? "yes" : "no",
  ]);
  return table(
    "Emptied by a neutral operator, a picture looks like nothing: no class stands out, its entropy is high.",
    heads,
    rows,
  );
}
