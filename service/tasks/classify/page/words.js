// An occlusion explanation: the words of a text highlighted by weight, and the weights as a table.

import { h, scrolling } from "../element.js";

const PALE = 0.05; // smaller weights stay pale even where they are the largest of their text
const NEGLIGIBLE = 0.01;
const signed = (weight) => (weight < 0 ? "−" : "+") + Math.abs(weight).toFixed(3);
const effect = (weight) => (weight < 0 ? "lowers" : "raises");

// Offsets count Unicode code points; JavaScript strings count UTF-16 units, of which an emoji has two.
export function highlighted(text, explanation) {
  const points = Array.from(text);
  const largest = Math.max(PALE, ...explanation.map(({ weight }) => Math.abs(weight)));
  const parts = [];
  let reached = 0;
  for (const { start, end, weight } of [...explanation].sort((one, other) => one.start - other.start)) {
    if (start < reached) continue;
    parts.push(points.slice(reached, start).join(""));
    const strength = `${Math.round((100 * Math.abs(weight)) / largest)}%`;
    parts.push(h("mark", { class: effect(weight), title: signed(weight), "--strength": strength }, points.slice(start, end).join("")));
    reached = end;
  }
  parts.push(points.slice(reached).join(""));
  return parts;
}

export function remark(explanation) {
  if (explanation.length === 0 || explanation.some(({ weight }) => Math.abs(weight) >= NEGLIGIBLE)) return null;
  return `No single word matters: hiding any one changes the score by less than ${NEGLIGIBLE}.`;
}

export function legend() {
  const sample = (weight) => h("mark", { class: effect(weight), "--strength": "80%" }, `${effect(weight)} the score`);
  return h("p", { class: "hint word-legend" }, sample(1), " ", sample(-1), " a stronger colour is a larger weight");
}

// `text` names the text in the table's accessible name.
export function weightTable(text, label, explanation) {
  const heaviest = [...explanation].sort((one, other) => Math.abs(other.weight) - Math.abs(one.weight));
  const rows = heaviest.map(({ text: word, weight }) => h("tr", {}, h("th", { scope: "row" }, word), h("td", {}, signed(weight)), h("td", {}, `${effect(weight)} it`)));
  return h(
    "details",
    {},
    h("summary", {}, "Word weights"),
    h("p", { class: "hint" }, `How much the score of “${label}” drops when the word is hidden.`),
    scrolling(`Word weights of ${text}`, h("table", {}, h("thead", {}, h("tr", {}, ["word", "weight", "score"].map((head) => h("th", { scope: "col" }, head)))), h("tbody", {}, rows))),
  );
}
