// A refusal shown in words, at the place concerned.

import { h } from "./element.js";

const MAX_SHOWN = 5;

export function problemBox(problem) {
  const places = problem.places ?? [];
  const shown = places.slice(0, MAX_SHOWN).map(({ loc, msg }) => h("li", {}, loc.length ? h("code", {}, loc.join(" › ")) : "", ` ${msg}`));
  if (places.length > MAX_SHOWN) shown.push(h("li", {}, `and ${places.length - MAX_SHOWN} more`));
  const title = h("strong", {}, problem.title ?? "Something went wrong");
  // What is wrong where says more than that something is.
  const parts = shown.length > 0 ? [h("ul", {}, shown), h("p", {}, title, ` ${problem.message}`)] : [title, h("p", {}, problem.message)];
  return h("div", { class: "problem", role: "alert" }, parts);
}
