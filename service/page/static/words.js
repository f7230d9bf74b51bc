// A text with its words coloured by weight, and the weights as a table: colour is never the only carrier.

import { h, scrolling } from "./element.js";

const FAINT = 0.05; // weights below this stay pale even where they are the largest of their text
const NOTHING = 0.01;
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

// Where the text as a whole decides, no word has a colour to speak of.
export function remark(explanation) {
  if (explanation.length === 0 || explanation.some(({ weight }) => Math.abs(weight) >= NOTHING)) return null;
  return `No single word decides: hiding any one of them changes the score by less than ${NOTHING}.`;
}

// What the colours mean, shown once above the answers.
export function key() {
  const sample = (kind, text) => h("mark", { class: kind, "--strength": "80%" }, text);
  return h("p", { class: "hint word-key" }, sample("for", "speaks for the label"), " ", sample("against", "speaks against it"), " the stronger, the more");
}

// `text` says which of the texts it is of.
export function weightTable(text, label, explanation) {
  const heaviest = [...explanation].sort((one, other) => Math.abs(other.weight) - Math.abs(one.weight));
  const rows = heaviest.map(({ text: word, weight }) => h("tr", {}, h("th", { scope: "row" }, word), h("td", {}, signed(weight)), h("td", {}, weight < 0 ? "against" : "for")));
  return h(
    "details",
    {},
    h("summary", {}, "Words and weights"),
    h("p", { class: "hint" }, `How far the score of “${label}” falls when the word is hidden; below zero it speaks against.`),
    scrolling(`Words and weights of ${text}`, h("table", {}, h("thead", {}, h("tr", {}, ["word", "weight", "speaks"].map((head) => h("th", { scope: "col" }, head)))), h("tbody", {}, rows))),
  );
}
