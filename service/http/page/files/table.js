/** A table that scrolls by itself. */

import { element } from "./element.js";

let made = 0;

/** A table that scrolls by itself where it is wider than the page, under a text that does not. */
export function table(caption, heads, rows) {
  const id = `table-${++made}`;
  const head = element(
    "tr",
    {},
    heads.map((text) => element("th", { scope: "col" }, text)),
  );
  const body = rows.map(([first, ...rest]) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, first),
      rest.map((text) => element("td", {}, text)),
    ),
  );
  const grid = element(
    "table",
    { "aria-labelledby": id },
    element("thead", {}, head),
    element("tbody", {}, body),
  );
  const scroll = element(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-labelledby": id },
    grid,
  );
  return [element("p", { class: "hint", id }, caption), scroll];
}
