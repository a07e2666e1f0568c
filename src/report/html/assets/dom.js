// Elements from data: text becomes text nodes, never markup.

function byId(id) {
  return document.getElementById(id);
}

// The shell has one empty picture, which knows the name space of all others.
const SVG = byId("svg").namespaceURI;

// element("button", { type: "button", class: "x", "data-key": 3 }, "text", child, [children])
// An attribute that is false, null or undefined is left out.
function element(name, attributes, ...children) {
  return furnish(document.createElement(name), attributes, children);
}

function svg(name, attributes, ...children) {
  return furnish(document.createElementNS(SVG, name), attributes, children);
}

function furnish(made, attributes, children) {
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

// Replaces what is in a container. The focus stays on the control with the same data-key.
function replace(container, ...children) {
  const active = document.activeElement;
  const key = container.contains(active) ? active.getAttribute("data-key") : null;
  container.replaceChildren(...children.flat(Infinity).filter(Boolean));
  if (key !== null) container.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
}

// Fills a select with [value, text] pairs and keeps the choice where it is still there; returns what is chosen.
function choices(select, pairs) {
  const before = select.value;
  const same = select.options.length === pairs.length
    && pairs.every(([value, text], at) => select.options[at].value === String(value) && select.options[at].text === text);
  if (!same) {
    select.replaceChildren(...pairs.map(([value, text]) => element("option", { value }, text)));
    if (pairs.some(([value]) => String(value) === before)) select.value = before;
  }
  return select.value;
}

// A slider speaks while it moves, everything else once it has changed.
function whenChosen(id, act) {
  const control = byId(id);
  control.addEventListener(control.type === "range" ? "input" : "change", act);
}

function show(id, visible) {
  byId(id).hidden = !visible;
}
