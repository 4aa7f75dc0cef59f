/** Several maps of one picture: do the removal operators agree on which is the more faithful? */

import { element } from "./element.js";
import { words } from "./numbers.js";
import { table } from "./table.js";

/** Below this Kendall's W no map is named the best; saliserve-client has the same rule. */
const LEAST_AGREEMENT = 0.6;

/** A section on the panels that have receipts of one model; null where there is nothing to rank. */
export function rankingSection(panels) {
  const answered = panels.filter(({ reply }) => reply?.answer.receipt);
  const models = new Set(answered.map(({ reply }) => reply.answer.model.sha256));
  if (answered.length < 2 || models.size > 1) return null;
  const found = ranking(answered.map(({ reply }) => reply.answer.receipt));
  if (!found) return section(element("p", { class: "hint" }, TOO_FEW));
  const heads = ["map", "mean place", ...found.operators.map(words)];
  const rows = answered.map(({ view }, place) => [
    `${view.letter} ${words(view.method.name)}`,
    found.meanRanks[place].toFixed(1),
    ...found.ranks.map((row) => String(row[place])),
  ]);
  return section(table(told(found), heads, rows));
}

const TOO_FEW =
  "Fewer than two removal operators judged all of these maps, so they cannot be ranked; a full receipt has five.";

function section(...content) {
  return element("section", { class: "wide ranking" }, element("h3", {}, "Ranking"), ...content);
}

/**
 * Rank maps under the operators that counted for all of them.
 *
 * @param {Array<Object>} receipts
 * @returns {?{operators: string[], ranks: number[][], meanRanks: number[], agreement: ?number}} Null where fewer than
 *     two operators are shared, or the protocols differ.
 */
export function ranking(receipts) {
  const versions = new Set(receipts.map(({ protocol }) => `${protocol.name} ${protocol.version}`));
  const scores = receipts.map(({ operators }) =>
    Object.fromEntries(operators.filter(({ counted }) => counted).map(({ name, srg }) => [name, srg])),
  );
  const operators = Object.keys(scores[0]).filter((name) => scores.every((one) => name in one));
  if (versions.size > 1 || operators.length < 2) return null;
  const ranks = operators.map((name) => places(scores.map((one) => -one[name])));
  const meanRanks = scores.map((_, place) => sum(ranks.map((row) => row[place])) / ranks.length);
  return { operators, ranks, meanRanks, agreement: kendallsW(ranks) };
}

/** How far rankings agree, ties accounted for: 1 wholly, 0 not at all; null if all of them are nothing but ties. */
export function kendallsW(ranks) {
  const judges = ranks.length;
  const items = ranks[0].length;
  const mean = (judges * (items + 1)) / 2;
  const squares = sum(ranks[0].map((_, place) => (sum(ranks.map((row) => row[place])) - mean) ** 2));
  const ties = sum(ranks.map(tied));
  const most = judges ** 2 * (items ** 3 - items) - judges * ties;
  return most > 0 ? (12 * squares) / most : null;
}

function tied(row) {
  return sum(
    [...new Set(row)].map((rank) => {
      const count = row.filter((other) => other === rank).length;
      return count ** 3 - count;
    }),
  );
}

/** The place of every value, the smallest first; equal ones share the mean of theirs. */
function places(values) {
  return values.map((value) => {
    const before = values.filter((other) => other < value).length;
    return before + (values.filter((other) => other === value).length + 1) / 2;
  });
}

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}

function told({ agreement, operators }) {
  const measured = agreement === null ? "all maps score alike" : `Kendall's W ${agreement.toFixed(2)}`;
  return agreement !== null && agreement >= LEAST_AGREEMENT
    ? `By SRG, 1 is the best. ${operators.length} removal operators agree on the order: ${measured}.`
    : `By SRG, 1 is the best. The ranking is not robust, and names no best map: ${measured}.`;
}
