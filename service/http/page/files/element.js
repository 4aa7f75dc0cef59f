/** Elements made by hand: text is always text, so nothing that the API says can become markup. */

/**
 * Make an HTML element.
 *
 * @param {string} name Of the element.
 * @param {Object} attributes A function is an event listener (`onclick`); false and null leave one out.
 * @param {...(Node|string|number|null|Array)} children In order; null and false are left out.
 */
export function element(name, attributes = {}, ...children) {
  return furnish(document.createElement(name), attributes, children);
}

/** Make an SVG element, as {@link element} does. */
export function svg(name, attributes = {}, ...children) {
  return furnish(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

/** Put *children* in the place of what a node holds. */
export function fill(node, ...children) {
  node.replaceChildren(...present(children));
  return node;
}

function furnish(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...present(children));
  return node;
}

function present(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}
