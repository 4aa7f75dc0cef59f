/** One explanation in the form. */

import { element, fill } from "./element.js";
import { count, words } from "./numbers.js";
import { parameterFields } from "./parameters.js";

let made = 0;

/** A method with its options, under a model. */
export class View {
  constructor(views, model) {
    this.id = `view-${++made}`;
    this.views = views;
    this.legend = element("legend");
    this.modelSelect = element("select", { id: `${this.id}-model`, onchange: () => this.#changeModel() });
    this.methodSelect = element("select", { id: `${this.id}-method`, onchange: () => this.#changeMethod() });
    this.modelField = field("Model", this.modelSelect);
    this.summary = element("p", { class: "hint" });
    this.options = element("details", { class: "options" });
    this.removal = element(
      "button",
      { type: "button", class: "quiet", onclick: () => views.remove(this) },
      "Remove",
    );
    const method = field("Method", this.methodSelect);
    this.node = element(
      "fieldset",
      {},
      this.legend,
      this.modelField,
      method,
      this.summary,
      this.options,
      this.removal,
    );
    this.model = model;
  }

  get model() {
    return this._model;
  }

  set model(model) {
    const method = this._model ? this.method.name : "";
    this._model = model;
    const options = model.method_details.map(({ name, available }) =>
      element("option", { value: name, disabled: !available }, words(name)),
    );
    fill(this.methodSelect, options);
    this.choose(model.methods.includes(method) ? method : model.methods[0]);
  }

  get method() {
    return this.model.method_details.find(({ name }) => name === this.methodSelect.value);
  }

  choose(method) {
    this.methodSelect.value = method;
    this.#changeMethod();
  }

  read() {
    return {
      letter: this.letter,
      model: this.model,
      method: this.method,
      parameters: this.parameters.read(),
    };
  }

  focus() {
    this.methodSelect.focus();
  }

  arrange(index, total) {
    this.letter = "ABCD"[index];
    fill(this.legend, total > 1 ? `Explanation ${this.letter}` : "The explanation");
    this.removal.hidden = total === 1;
    this.removal.setAttribute("aria-label", `Remove explanation ${this.letter}`);
    const offered =
      index === 0 ? this.views.models : this.views.kin(this.views.views[0]?.model ?? this.model);
    this.offered = offered;
    this.modelField.hidden = offered.length === 1;
    fill(
      this.modelSelect,
      offered.map((model, place) => element("option", { value: place }, modelName(model))),
    );
    this.modelSelect.value = offered.indexOf(this.model);
  }

  #changeModel() {
    this.model = this.offered[Number(this.modelSelect.value)];
    this.views.follow(this);
  }

  #changeMethod() {
    const { summary, forwards, parameters } = this.method;
    const limit = forwards > 1 ? "up to " : "";
    fill(
      this.summary,
      summary,
      forwards === null ? null : ` Takes ${limit}${count(forwards, "pass", "passes")}.`,
    );
    this.parameters = parameterFields(parameters, this.id);
    fill(this.options, element("summary", {}, "Parameters"), this.parameters.fields);
    this.options.hidden = this.parameters.fields.length === 0;
  }
}

/** A model as people name it. */
export function modelName({ name, version }) {
  return `${name} v${version}`;
}

function field(text, control) {
  return element("div", { class: "field" }, element("label", { for: control.id }, text), control);
}
