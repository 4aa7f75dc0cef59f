/** What is under way: a running clock, how far the service has come, and a way out. */

import { element, fill } from "./element.js";
import { count, roughly } from "./numbers.js";

const TICK_MS = 100;

const STAGES = {
  waiting: "waiting for the device",
  predict: "classifying",
  explain: "making the map",
  receipt: "measuring the map",
  measures: "measuring beside the verdict",
};

/** Shows it in the place of the answer that is waited for. */
export class Progress {
  /** @param {function} oncancel */
  constructor(oncancel) {
    this.clock = element("span", { class: "clock", "aria-hidden": "true" });
    this.account = element("p", { class: "hint" });
    this.bar = element("progress", { "aria-label": "Explanation under way" });
    const cancel = element("button", { type: "button", onclick: oncancel }, "Cancel");
    this.node = element("div", { class: "progress" }, this.clock, this.bar, this.account, cancel);
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !this.node.isConnected) return;
      if (!document.querySelector("dialog[open]")) oncancel(); // else it closes the dialog, and that only
    });
  }

  /** Begin to show one explanation's wait. */
  begin(place) {
    this.end();
    const begin = performance.now();
    fill(this.account, "sending the picture");
    this.bar.removeAttribute("value");
    fill(place, this.node);
    const show = () => fill(this.clock, `${((performance.now() - begin) / 1000).toFixed(1)} s`);
    show();
    this.timer = setInterval(show, TICK_MS);
  }

  /** Show what the service tells of its work. */
  tell({ stage, forwards_done: done, forwards_planned: planned, remaining_ms: remaining }) {
    const passes = `${done.toLocaleString("en")} of ${count(planned, "pass", "passes")}`;
    const toGo = remaining === null ? "" : `, about ${roughly(remaining)} to go`;
    fill(this.account, `${STAGES[stage] ?? stage}: ${passes}${toGo}`);
    if (stage !== "waiting") this.bar.value = done / planned;
  }

  /** Stop the clock. */
  end() {
    clearInterval(this.timer);
    this.node.remove();
  }
}
