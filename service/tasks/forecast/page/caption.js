// Beside the chart of a forecast: the legend, remarks, and the steps as a table.

import { figure, h, percent, scrolling } from "../element.js";

const MIN_WEIGHT = 0.005; // less rounds to 0 %

export function legend({ values, bands, naive, others, explanation, ahead, ownHorizon }) {
  const entry = (kind, text) => h("li", { class: `key ${kind}` }, text);
  return [
    entry("key-history", "history"),
    values.includes(null) && entry("key-missing", "missing"),
    entry("key-median", "median"),
    ...bands.map(({ level }, index) => entry(`key-band-${Math.min(bands.length - 1 - index, 1)}`, `${level} % interval`)),
    naive && entry("key-naive", "seasonal naive"),
    ...others.map(({ name: each }, index) => entry(`key-other-${index % 3}`, each)),
    explanation.length > 0 && entry("key-explained", "weight in the explanation"),
    ownHorizon < ahead.length && entry("key-recursive", "recursive from here on"),
  ].filter(Boolean);
}

export function remarks(warnings, naive, season, explanation, labels, count) {
  const notes = warnings.map((warning) => h("li", {}, warning));
  if (!naive) notes.push(h("li", {}, "no seasonal-naive forecast: the frequency is unknown"));
  else if (naive.every((value) => value === null)) notes.push(h("li", {}, "no seasonal-naive forecast: no earlier season is known"));
  const heaviest = explanation.filter(({ weight }) => weight >= MIN_WEIGHT).sort((one, other) => other.weight - one.weight).slice(0, 3);
  if (heaviest.length > 0) {
    const spans = heaviest.map(({ start, end, weight }) => h("span", { class: "nowrap" }, `${labels[start]} to ${labels[Math.min(end, count) - 1]} (${percent(weight, 0)})`));
    notes.push(h("li", {}, "largest weights: ", spans.flatMap((span, index) => (index > 0 ? [", ", span] : [span]))));
  }
  if (naive && season) notes.push(h("li", {}, season === 1 ? "seasonal naive repeats the last value" : `seasonal naive repeats the value ${season} steps before`));
  return [h("ul", { class: "remarks" }, notes)];
}

export function table(ahead, median, bands, naive) {
  const heads = ["step", "median", ...bands.flatMap(({ level }) => [`${level} % from`, `${level} % to`]), ...(naive ? ["seasonal naive"] : [])];
  const rows = ahead.map((label, step) =>
    h("tr", {}, h("th", { scope: "row" }, label), [median[step], ...bands.flatMap(({ lower, upper }) => [lower[step], upper[step]]), ...(naive ? [naive[step]] : [])].map((value) => h("td", {}, figure(value)))),
  );
  return h(
    "details",
    {},
    h("summary", {}, "The forecast as a table"),
    scrolling("The forecast as a table", h("table", { class: "numbers" }, h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col" }, head)))), h("tbody", {}, rows))),
  );
}
