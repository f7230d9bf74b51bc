// Wiring: which view the address names, the theme, and the models that are served.

import { showCard, showList } from "./cards.js";
import * as classify from "./classify.js";
import { byId } from "./element.js";
import * as forecast from "./forecast.js";
import { forget, key, keyForm } from "./key.js";
import { loadModels } from "./models.js";
import { problemBox } from "./problem.js";

const system = matchMedia("(prefers-color-scheme: dark)");
const root = document.documentElement;
const isDark = () => root.dataset.theme === "dark"; // theme.js has set it

function sayTheme() {
  byId("theme").setAttribute("aria-pressed", String(isDark()));
  forecast.redraw();
}

byId("theme").addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  try {
    localStorage.setItem("theme", root.dataset.theme);
  } catch {
    // A browser that keeps nothing: the theme lasts as long as the page.
  }
  sayTheme();
});
system.addEventListener("change", sayTheme);

// A percent sign that begins no letter stands for itself.
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

// #label, #forecast, #models, #models/<name>; #label/<name> and #forecast/<name> choose the model.
function route(event) {
  const [view, name] = location.hash.slice(1).split("/").map(decoded);
  const shown = view === "models" ? (name ? "card" : "models") : view === "forecast" ? "forecast" : "label";
  for (const section of document.querySelectorAll(".view")) section.hidden = section.id !== `view-${shown}`;
  for (const link of document.querySelectorAll("nav a")) {
    const current = link.getAttribute("href") === `#${shown === "card" ? "models" : shown}`;
    if (current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (shown === "models") showList();
  if (shown === "card") showCard(name);
  if (shown === "forecast") forecast.begin();
  if (name && (shown === "label" || shown === "forecast")) choose(byId(`${shown}-model`), name);
  const title = byId(`${shown}-title`);
  document.title = `${{ label: "Label texts", card: name }[shown] ?? title.textContent}: seqserve`;
  if (event && location.hash !== "#main") {
    title.focus({ preventScroll: true });
    scrollTo(0, 0);
  }
}

// A button, not a link: the address names the view.
for (const view of ["label", "forecast"]) {
  byId(`${view}-jump`).addEventListener("click", () => {
    const title = byId(`${view}-call-title`);
    title.scrollIntoView();
    title.focus({ preventScroll: true });
  });
}

function choose(select, name) {
  if (select.value === name || ![...select.options].some((option) => option.value === name)) return;
  select.value = name;
  select.dispatchEvent(new Event("change"));
}

byId("forget").hidden = !key();
byId("forget").addEventListener("click", forget);

sayTheme();
try {
  await loadModels();
  classify.begin();
  addEventListener("hashchange", (event) => location.hash !== "#main" && route(event));
  route();
} catch (problem) {
  const askedForKey = [401, 403].includes(problem.status);
  for (const section of document.querySelectorAll(".view")) section.hidden ||= askedForKey;
  byId("page-problem").replaceChildren(askedForKey ? keyForm(problem) : problemBox(problem));
}
