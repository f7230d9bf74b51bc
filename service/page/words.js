// A text with its words coloured by weight, and the weights as a table: colour is never the only carrier.

import { h, scrolling } from "./element.js";

const FAINT = 0.1; // weights below this stay pale even where they are the largest of their text
export const signed = (weight) => (weight < 0 ? "−" : "+") + Math.abs(weight).toFixed(3);

// Offsets count Unicode code points, JavaScript's strings count UTF-16 units: an emoji is one and two.
export function colouredWords(text, explanation) {
  const points = Array.from(text);
  const largest = Math.max(FAINT, ...explanation.map(({ weight }) => Math.abs(weight)));
  const parts = [];
  let reached = 0;
  for (const { start, end, weight } of [...explanation].sort((one, other) => one.start - other.start)) {
    if (start < reached) continue;
    parts.push(points.slice(reached, start).join(""));
    const kind = weight < 0 ? "against" : "for";
    const strength = `${Math.round((100 * Math.abs(weight)) / largest)}%`;
    parts.push(h("mark", { class: kind, title: signed(weight), "--strength": strength }, points.slice(start, end).join("")));
    reached = end;
  }
  parts.push(points.slice(reached).join(""));
  return parts;
}

export function weightTable(label, explanation) {
  const heaviest = [...explanation].sort((one, other) => Math.abs(other.weight) - Math.abs(one.weight));
  const rows = heaviest.map(({ text, weight }) => h("tr", {}, h("th", { scope: "row" }, text), h("td", {}, signed(weight)), h("td", {}, weight < 0 ? "against" : "for")));
  return h(
    "details",
    {},
    h("summary", {}, "Words and weights"),
    h("p", { class: "hint" }, `How far the score of “${label}” falls when the word is hidden; below zero it speaks against.`),
    scrolling("Words and weights", h("table", {}, h("thead", {}, h("tr", {}, ["word", "weight", "speaks"].map((head) => h("th", { scope: "col" }, head)))), h("tbody", {}, rows))),
  );
}
