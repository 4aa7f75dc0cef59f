/** What was measured beside the verdict, and is no part of it. */

import { element } from "./element.js";
import { facts } from "./facts.js";
import { percent, signed, words } from "./numbers.js";
import { table } from "./table.js";

/** A section with what was asked for; null if nothing was. */
export function measuresSection(measures = {}) {
  const parts = [
    measures.luck && part("Luck", LUCK, measures.luck),
    measures.magnitude && magnitudes(measures.magnitude),
    measures.pixels && pixels(measures.pixels),
    measures.stability && part("Stability", STABILITY, measures.stability),
    measures.repeatability && part("Repeatability", REPEATABILITY, measures.repeatability),
    measures.localisation && part("Localisation", LOCALISATION, measures.localisation),
  ].filter(Boolean);
  if (parts.length === 0) return null;
  return element("section", { class: "wide measures" }, element("h3", {}, "Beside the verdict"), parts);
}

const LUCK =
  "The map against random maps that are as smooth: p is how often one of those would do at least as well by luck.";
const STABILITY = "How much the map changes when the picture hardly does; 0 is perfectly stable.";
const REPEATABILITY =
  "The same method once more, with another seed and another baseline: 1 is the same ranking of the pixels, 0 none.";
const LOCALISATION =
  "Whether the map points where the object is said to be. A faithful map need not: chance is what any map gets.";

function part(title, hint, values) {
  return [
    element("h4", {}, title),
    element("p", { class: "hint" }, hint),
    facts(Object.entries(values).filter(([name]) => name !== "forwards")),
  ];
}

function magnitudes({ operators }) {
  const heads = ["removed by", "SaCo", "mu-fidelity", "normalised infidelity"];
  const rows = operators.map((one) => [
    words(one.operator),
    number(one.saco),
    number(one.mu_fidelity),
    one.normalised_infidelity === null ? "–" : percent(one.normalised_infidelity),
  ]);
  const caption =
    "Whether the map's magnitudes are right, and not only their order: SaCo and mu-fidelity are 1 if perfect and 0 by " +
    "chance; infidelity is what the map leaves unexplained.";
  return [element("h4", {}, "Magnitudes"), table(caption, heads, rows)];
}

function pixels({ operators }) {
  const heads = ["removed by", "AUC, most relevant first", "AUC, least relevant first", "random", "SRG"];
  const rows = operators.map((one) => [
    words(one.operator),
    one.auc_morf.toFixed(3),
    one.auc_lerf.toFixed(3),
    one.auc_random.toFixed(3),
    signed(one.srg, 3),
  ]);
  return [
    element("h4", {}, "Pixel by pixel"),
    table("The curves' areas with every pixel a cell of its own. No verdict is drawn from them.", heads, rows),
  ];
}

function number(value) {
  return value === null ? "–" : signed(value, 2);
}
