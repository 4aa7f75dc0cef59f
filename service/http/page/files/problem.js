/** A failure, in the API's own words. */

import { element } from "./element.js";

/** Show a problem: what it is, what it says, and by which name the service's log knows it. */
export function problemText({ title, detail, where, code, requestId, retryAfter }) {
  const origin = [where && `in ${where}`, code, requestId && `request ${requestId}`]
    .filter(Boolean)
    .join(" · ");
  return element(
    "div",
    { class: "problem" },
    element("strong", {}, title),
    element("p", {}, detail),
    retryAfter && element("p", {}, `Try again in ${retryAfter} s.`),
    origin && element("small", {}, origin),
  );
}
