/** How all maps are drawn: over the picture or alone, how strongly, in which colours. */

import { DIVERGING, SEQUENTIAL } from "./colours.js";
import { element, fill } from "./element.js";

/** The drawing controls above the figures. */
export class Style {
  /** @param {HTMLElement} root Holds radios `show`, the range `#cover`, and two lists of colours. */
  constructor(root, onchange) {
    this.root = root;
    this.cover = root.querySelector("#cover");
    this.sequential = root.querySelector("#sequential");
    this.diverging = root.querySelector("#diverging");
    offer(this.sequential, Object.keys(SEQUENTIAL));
    offer(this.diverging, Object.keys(DIVERGING));
    root.addEventListener("input", () => {
      this.cover.disabled = this.read().show !== "overlay";
      onchange();
    });
  }

  /** Offer only the colours that some map uses. */
  fit(panels) {
    const maps = panels.filter((panel) => panel.map);
    this.sequential.parentElement.hidden = !maps.some((panel) => !panel.isSigned);
    this.diverging.parentElement.hidden = !maps.some((panel) => panel.isSigned);
  }

  /** The style as it is set. */
  read() {
    return {
      show: this.root.querySelector("input[name=show]:checked").value,
      cover: this.cover.valueAsNumber / 100,
      sequential: this.sequential.value,
      diverging: this.diverging.value,
    };
  }
}

function offer(select, names) {
  fill(
    select,
    names.map((name) => element("option", {}, name)),
  );
}
