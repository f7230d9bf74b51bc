// The key, where the service asks for one: kept for as long as the tab is open, and sent to this host alone.

import { h } from "./element.js";
import { problemBox } from "./problem.js";

const NAME = "seqserve-key";

export function key() {
  try {
    return sessionStorage.getItem(NAME);
  } catch {
    return null; // a browser that keeps nothing
  }
}

export function headers() {
  const own = key();
  return own ? { Authorization: `Bearer ${own}` } : {};
}

export function forget() {
  sessionStorage.removeItem(NAME);
  location.reload();
}

// Asks for a key, saying what was wrong with the one that was sent; the page begins anew with the next.
export function keyForm(problem) {
  const box = h("input", { id: "key", type: "password", autocomplete: "off", spellcheck: "false", required: true });
  const form = h(
    "form",
    { class: "panel asking" },
    h("h1", {}, "This service asks for a key"),
    key() && problemBox(problem),
    h("div", { class: "field" }, h("label", { for: "key" }, "Key"), box, h("p", { class: "hint" }, "It is kept until this tab is closed, and sent to this host and no other.")),
    h("button", { type: "submit", class: "primary" }, "Use this key"),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    sessionStorage.setItem(NAME, box.value.trim());
    location.reload();
  });
  return form;
}
