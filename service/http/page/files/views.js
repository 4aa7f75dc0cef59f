/** Which explanations are asked for: up to four, each a method with its options, under a model. */

import { fill } from "./element.js";
import { View } from "./view.js";

const MOST = 4;

/** The list of explanations in the form. The first one's model decides which classes there are. */
export class Views {
  /**
   * @param {HTMLElement} list
   * @param {{add: HTMLButtonElement, twin: HTMLButtonElement}} buttons
   * @param {Object[]} models As the API lists them.
   * @param {function} onmodel Told when the first one's model changes.
   */
  constructor(list, buttons, models, onmodel) {
    Object.assign(this, { list, buttons, models, onmodel, views: [] });
    // Not added to those of a former list: another is made whenever a key is accepted.
    buttons.add.onclick = () => this.#add();
    buttons.twin.onclick = () => this.#showTwin();
    this.views = [new View(this, models.find((model) => model.default) ?? models[0])];
    this.#arrange();
  }

  /** The model of the first explanation. */
  get model() {
    return this.views[0].model;
  }

  /** What is asked for: `{letter, model, method, parameters}` each. */
  read() {
    return this.views.map((view) => view.read());
  }

  /** Models that tell the same classes apart as *model*, itself included. */
  kin(model) {
    const classes = JSON.stringify(model.classes);
    return this.models.filter((other) => JSON.stringify(other.classes) === classes);
  }

  remove(view) {
    this.views = this.views.filter((other) => other !== view);
    this.#arrange();
    this.buttons.add.focus();
  }

  /** Another first model may know other classes; the others follow it then. */
  follow(view) {
    if (view !== this.views[0]) return;
    const kin = this.kin(view.model);
    for (const other of this.views.slice(1)) if (!kin.includes(other.model)) other.model = view.model;
    this.#arrange();
    this.onmodel(view.model);
  }

  #add() {
    const used = this.views.map((view) => view.method.name);
    const view = new View(this, this.model);
    view.choose(this.model.methods.find((name) => !used.includes(name)) ?? this.model.methods[0]);
    this.views.push(view);
    this.#arrange();
    view.focus();
  }

  /** The same method under the next model of the same classes. */
  #showTwin() {
    const [first] = this.views;
    const kin = this.kin(first.model);
    const twin = new View(this, kin[(kin.indexOf(first.model) + 1) % kin.length]);
    twin.choose(first.method.name);
    this.views = [first, twin];
    this.#arrange();
    twin.focus();
  }

  #arrange() {
    this.views.forEach((view, index) => view.arrange(index, this.views.length));
    fill(
      this.list,
      this.views.map((view) => view.node),
    );
    this.buttons.add.hidden = this.views.length === MOST;
    this.buttons.twin.hidden = this.kin(this.model).length < 2;
  }
}
