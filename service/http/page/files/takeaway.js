/** What can be carried away: the overlay, the map, the answer, and the request as code. */

import { hasKey } from "./api.js";
import { element } from "./element.js";
import { curl, python } from "./snippets.js";

/**
 * Draw the section.
 *
 * @param {Panel} panel With an answer.
 * @param {function(string)} announce Tells screen readers.
 */
export function takeawaySection(panel, announce) {
  const { reply, view, picture } = panel;
  const stem = `${picture.name.replace(/\.\w+$/, "")}-${view.method.name}`;
  const origin = location.href.replace(/[?#].*$/, "").replace(/\/$/, "");
  return element(
    "section",
    { class: "takeaway wide" },
    element("h3", {}, "Take away"),
    element(
      "div",
      { class: "buttons" },
      button("Overlay, .png", async () => save(await overlay(panel), `${stem}.png`)),
      button("Map, .npy", () => save(new Blob([panel.map.bytes]), `${stem}.npy`)),
      button("Answer, .json", () =>
        save(new Blob([reply.text], { type: "application/json" }), `${stem}.json`),
      ),
    ),
    code("curl", curl(origin, picture.name, reply.options, hasKey()), announce),
    code("Python", python(origin, picture.name, reply.options, hasKey()), announce),
  );
}

function button(text, onclick) {
  return element("button", { type: "button", onclick }, text);
}

/** As it is drawn; the API's own where this browser cannot draw the picture. */
async function overlay({ canvas, reply }) {
  if (canvas) return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  const bytes = Uint8Array.from(atob(reply.answer.explanation.overlay), (character) =>
    character.charCodeAt(0),
  );
  return new Blob([bytes], { type: "image/png" });
}

function save(blob, name) {
  const url = URL.createObjectURL(blob);
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // the browser may be asking where to put it
}

function code(language, text, announce) {
  const block = element(
    "pre",
    { tabindex: 0, "aria-label": `The request as ${language}` },
    element("code", {}, text),
  );
  const copy = button("Copy", async () => {
    announce(
      (await copied(text, block)) ? `The ${language} code is copied.` : "Select the code and copy it.",
    );
  });
  copy.setAttribute("aria-label", `Copy the ${language} code`);
  return element("div", { class: "snippet" }, element("h4", {}, language), copy, block);
}

/** The clipboard is there on this machine and over TLS only; elsewhere the code is selected. */
async function copied(text, block) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    getSelection().selectAllChildren(block);
    return false;
  }
}
