/** A method's own options, drawn from the JSON Schema that the API gives of them. */

import { element } from "./element.js";
import { words } from "./numbers.js";

/**
 * Make fields for the options of a method.
 *
 * @param {Object} schema Of an object, as pydantic writes it.
 * @param {string} prefix Makes ids unique on the page.
 * @returns {{fields: HTMLElement[], read: function(): Object}} `read` gives what differs from the defaults.
 */
export function parameterFields(schema, prefix) {
  const entries = Object.entries(schema.properties ?? {});
  const made = entries.map(([name, property]) => field(name, property, `${prefix}-${name}`));
  const read = () =>
    Object.fromEntries(
      made
        .filter(({ value, fallback }) => !equal(value(), fallback))
        .map(({ name, value }) => [name, value()]),
    );
  return { fields: made.map(({ node }) => node), read };
}

function field(name, property, id) {
  const { control, value } = controlFor(property, id);
  const label = element("label", { for: id }, words(name));
  const hint = element("small", { id: `${id}-hint` }, property.description ?? "");
  control.setAttribute("aria-describedby", hint.id);
  return {
    name,
    value,
    fallback: property.default,
    node: element("div", { class: "field" }, label, control, hint),
  };
}

function controlFor(property, id) {
  if (property.enum) return choice(property, id);
  if (property.type === "boolean") return tick(property, id);
  if (property.type === "integer" || property.type === "number") return number(property, id);
  return json(property, id);
}

function choice(property, id) {
  const options = property.enum.map((value) =>
    element("option", { value, selected: value === property.default }, words(String(value))),
  );
  const control = element("select", { id }, options);
  return { control, value: () => property.enum[control.selectedIndex] };
}

function tick(property, id) {
  const control = element("input", { id, type: "checkbox", checked: property.default });
  return { control, value: () => control.checked };
}

/** What is out of range is the API's to refuse, in its own words. */
function number(property, id) {
  const control = element("input", {
    id,
    type: "number",
    step: property.type === "integer" ? 1 : "any",
    min: property.minimum,
    max: property.maximum,
    value: property.default,
  });
  return { control, value: () => (control.value === "" ? property.default : control.valueAsNumber) };
}

/** Whatever else a schema may hold is typed as JSON; what is no JSON is sent as text. */
function json(property, id) {
  const control = element("input", { id, type: "text", value: JSON.stringify(property.default ?? null) });
  const value = () => {
    try {
      return JSON.parse(control.value);
    } catch {
      return control.value;
    }
  };
  return { control, value };
}

function equal(first, second) {
  return JSON.stringify(first) === JSON.stringify(second);
}
