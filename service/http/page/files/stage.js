/** The answers side by side, and everything about the one that is chosen. */

import { element, fill } from "./element.js";
import { predictionSection } from "./prediction.js";
import { certificateSection, costSection, explanationSection } from "./provenance.js";
import { rankingSection } from "./ranking.js";
import { receiptSections, verdictSection } from "./receipt.js";
import { Panel } from "./panel.js";
import { Style } from "./style.js";
import { takeawaySection } from "./takeaway.js";

/** Where answers are shown. */
export class Stage {
  /**
   * @param {HTMLElement} root
   * @param {{onask: function(number), announce: function(string)}} listener
   */
  constructor(root, listener) {
    Object.assign(this, { root, listener, panels: [], chosen: null });
    this.figures = root.querySelector("#figures");
    this.summary = root.querySelector("#summary");
    this.detail = root.querySelector("#detail");
    this.ranking = root.querySelector("#ranking");
    this.question = root.querySelector("#question");
    this.style = new Style(root.querySelector("#style"), () => this.#draw());
  }

  /** Clear the stage for new explanations of a picture; returns a panel for each. */
  set(views, picture) {
    const context = { isOneOfSeveral: views.length > 1, onselect: (panel) => this.#choose(panel) };
    this.panels = views.map((view) => new Panel(view, picture, context));
    this.chosen = null;
    fill(
      this.figures,
      this.panels.map((panel) => panel.node),
    );
    this.root.dataset.count = views.length;
    this.root.dataset.models = new Set(views.map((view) => view.model)).size;
    fill(this.summary);
    fill(this.detail);
    fill(this.ranking);
    fill(this.question, "What is it, and why?");
    document.body.classList.add("answered");
    return this.panels;
  }

  /** Show an answer in its panel; the first one that comes is chosen. */
  show(panel, reply) {
    panel.show(reply, this.style.read());
    this.style.fit(this.panels);
    if (!this.chosen) {
      panel.choice.checked = true;
      this.#choose(panel);
    }
    fill(this.ranking, rankingSection(this.panels));
  }

  /** Show a problem in its panel. */
  fail(panel, problem) {
    panel.fail(problem);
    if (this.panels.length === 1) fill(this.question, problem.title);
  }

  /** Take panels away that never got an answer. */
  giveUp() {
    for (const panel of this.panels) if (!panel.reply && !panel.problem) panel.node.remove();
    if (this.panels.every((panel) => !panel.reply && !panel.problem))
      document.body.classList.remove("answered");
  }

  #choose(panel) {
    if (!panel.reply) return;
    this.chosen = panel;
    const { answer } = panel.reply;
    fill(this.question, question(answer.explanation));
    fill(
      this.summary,
      verdictSection(answer),
      predictionSection(answer, this.listener.onask),
      warnings(answer),
    );
    fill(
      this.detail,
      receiptSections(answer, panel.view.model),
      explanationSection(answer),
      certificateSection(answer),
      costSection(answer),
      takeawaySection(panel, this.listener.announce),
    );
  }

  #draw() {
    const style = this.style.read();
    for (const panel of this.panels) panel.draw(style);
  }
}

function question({ target, contrast }) {
  const why = ["Why ", element("em", {}, target.label)];
  return contrast ? [...why, " rather than ", element("em", {}, contrast.label), "?"] : [...why, "?"];
}

function warnings({ warnings: texts }) {
  if (texts.length === 0) return null;
  return element(
    "ul",
    { class: "warnings", "aria-label": "Warnings" },
    texts.map((text) => element("li", {}, text)),
  );
}
