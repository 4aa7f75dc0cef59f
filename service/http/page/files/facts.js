/** Names and values, as a list; nested ones as nested lists. */

import { element } from "./element.js";
import { significant, words } from "./numbers.js";

/**
 * Make a definition list.
 *
 * @param {Array<[string, *]>} entries A value may be a node, text, a number, or any JSON.
 */
export function facts(entries) {
  const rows = entries
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) =>
      element("div", {}, element("dt", {}, words(name)), element("dd", {}, shown(value))),
    );
  return element("dl", { class: "facts" }, rows);
}

/** Any value for reading. */
export function shown(value) {
  if (value instanceof Node) return value;
  if (value === null) return "none";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : significant(value, 4);
  if (Array.isArray(value)) return value.length === 0 ? "none" : value.map(shown).flatMap(withComma);
  if (typeof value === "object") return facts(Object.entries(value));
  return String(value);
}

function withComma(item, index) {
  return index === 0 ? [item] : [", ", item];
}
