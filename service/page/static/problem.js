// An error response as a box: its title, its detail, and the first of its errors with their field paths.

import { h } from "./element.js";

const MAX_SHOWN = 5;

export function problemBox({ title = "Something went wrong", message, errors = [] }) {
  const shown = errors.slice(0, MAX_SHOWN).map(({ loc, msg }) => h("li", {}, loc.length ? h("code", {}, loc.join(" › ")) : "", ` ${msg}`));
  if (errors.length > MAX_SHOWN) shown.push(h("li", {}, `and ${errors.length - MAX_SHOWN} more`));
  const heading = h("strong", {}, title);
  // The errors come first: they say more than the title.
  const parts = shown.length > 0 ? [h("ul", {}, shown), h("p", {}, heading, ` ${message}`)] : [heading, h("p", {}, message)];
  return h("div", { class: "problem", role: "alert" }, parts);
}
