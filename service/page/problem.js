// A refusal shown in words, at the place concerned.

import { h } from "./element.js";

const MAX_SHOWN = 5;

export function problemBox(problem) {
  const places = problem.places ?? [];
  const shown = places.slice(0, MAX_SHOWN).map(({ loc, msg }) => h("li", {}, loc.length ? h("code", {}, loc.join(" › ")) : "", ` ${msg}`));
  if (places.length > MAX_SHOWN) shown.push(h("li", {}, `and ${places.length - MAX_SHOWN} more`));
  return h("div", { class: "problem", role: "alert" }, h("strong", {}, problem.title ?? "Something went wrong"), h("p", {}, problem.message), shown.length > 0 && h("ul", {}, shown));
}
