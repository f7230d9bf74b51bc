// Elements in one line: h("p", {class: "note"}, "text", h("b", {}, "more")).

export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name.startsWith("--")) element.style.setProperty(name, value); // the policy refuses style attributes
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(2).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const byId = (id) => document.getElementById(id);

// A table inside a region that scrolls sideways by itself, so that the page never does.
export function scrolling(name, table) {
  return h("div", { class: "scrolling", role: "region", "aria-label": name, tabindex: "0" }, table);
}

// Where answers stand below the form, on a narrow screen, asking leads to them.
export function reveal(element) {
  if (matchMedia("(max-width: 56rem)").matches) element.scrollIntoView();
}

// Short and exact enough to read: 0.9433, 1,234.5, 736,301, 1.000e+30.
export function figure(value) {
  if (value === null || value === undefined) return "";
  if (typeof value !== "number") return String(value);
  const size = Math.abs(value);
  if (size >= 1e15 || (size > 0 && size < 1e-9)) return value.toExponential(3);
  const whole = size >= 1000;
  const digits = whole ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 4 };
  return value.toLocaleString("en", digits);
}

export const counted = (count, thing) => `${count.toLocaleString("en")} ${thing}${count === 1 ? "" : "s"}`;

export const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)} %`;

// A probability: never 100.0 nor 0.0, which no model can know.
export function probability(share) {
  if (share >= 0.9995) return "> 99.9 %";
  return share < 0.0005 ? "< 0.1 %" : percent(share);
}

export const latency = (milliseconds) => `${milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds)} ms`;
