/** Which class is explained, and which one it is held against. */

import { element, fill } from "./element.js";
import { percent } from "./numbers.js";

const OTHER = "other";

/** Two lists of classes, the target's and the contrast's, filled from the last answer's top classes. */
export class Classes {
  /** @param {HTMLElement} root Holds `#target`, `#contrast`, a field for any other class of each, a datalist. */
  constructor(root) {
    this.target = new ClassField(root, "target", "the predicted class");
    this.contrast = new ClassField(root, "contrast", "anything else");
    this.labels = root.querySelector("#labels");
  }

  /** Any class of a model may be asked for; what a former model knew is forgotten. */
  follow(model) {
    this.model = model;
    fill(
      this.labels,
      model.classes.map((label) => element("option", { value: label })),
    );
    this.offer([]);
  }

  /** Offer the top classes of an answer. */
  offer(topK) {
    this.target.offer(topK);
    this.contrast.offer(topK);
  }

  /** Ask for a class by its index. */
  choose(index) {
    this.target.select.value = index;
    this.target.reveal();
  }

  /** The options `target` and `contrast`, where they are set. */
  read() {
    const chosen = { target: this.target.read(this.model), contrast: this.contrast.read(this.model) };
    return Object.fromEntries(Object.entries(chosen).filter(([, value]) => value !== null));
  }
}

class ClassField {
  constructor(root, name, nobody) {
    this.select = root.querySelector(`#${name}`);
    this.other = root.querySelector(`#${name}-other`);
    this.nobody = nobody;
    this.select.addEventListener("change", () => {
      this.reveal();
      if (!this.other.hidden) this.other.focus();
    });
  }

  offer(topK) {
    const before = this.select.value;
    const ranked = topK.map(({ index, label, probability }) =>
      element("option", { value: index }, `${label}, ${percent(probability)}`),
    );
    const rest = element("option", { value: OTHER }, "another class …");
    fill(this.select, element("option", { value: "" }, this.nobody), ranked, rest);
    const isThere = [...this.select.options].some(({ value }) => value === before);
    this.select.value = isThere ? before : "";
    this.reveal();
  }

  reveal() {
    this.other.hidden = this.select.value !== OTHER;
  }

  /** An index, or as it was typed what the API may know or refuse; null for nothing. */
  read(model) {
    if (this.select.value !== OTHER) return this.select.value === "" ? null : Number(this.select.value);
    const typed = this.other.value.trim();
    const index = model.classes.indexOf(typed);
    if (index >= 0 && index === model.classes.lastIndexOf(typed)) return index;
    if (/^\d+$/.test(typed)) return Number(typed);
    return typed === "" ? null : typed;
  }
}
