// Wiring: the view that the address names, the theme, and the models that are served.

import { showCard, showList } from "./cards.js";
import { byId } from "./element.js";
import { forget, key, keyForm } from "./key.js";
import { loadModels } from "./models.js";
import { problemBox } from "./problem.js";
import { tasks } from "./tasks.js";

const system = matchMedia("(prefers-color-scheme: dark)");
const root = document.documentElement;
const isDark = () => root.dataset.theme === "dark"; // theme.js has set it

const panels = tasks.filter(({ name }) => byId(`view-${name}`));
const started = new Set();

function themeChanged() {
  byId("theme").setAttribute("aria-pressed", String(isDark()));
  for (const task of started) task.redraw?.();
}

byId("theme").addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  try {
    localStorage.setItem("theme", root.dataset.theme);
  } catch {
    // Storage is blocked: the theme lasts as long as the page.
  }
  themeChanged();
});
system.addEventListener("change", themeChanged);

// A percent sign that starts no escape sequence stands for itself.
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

// #models, #models/<name>, #<task>, and #<task>/<name>, which selects the model. Anything else shows the first task.
function route(event) {
  const [view, name] = location.hash.slice(1).split("/").map(decoded);
  const task = view === "models" ? null : (panels.find((one) => one.name === view) ?? panels[0]);
  const shown = task ? task.name : name ? "card" : "models";
  for (const section of document.querySelectorAll(".view")) section.hidden = section.id !== `view-${shown}`;
  byId("hero").hidden = !task || task !== panels[0];
  for (const link of document.querySelectorAll("nav a")) {
    const current = link.getAttribute("href") === `#${shown === "card" ? "models" : shown}`;
    if (current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (shown === "models") showList();
  if (shown === "card") showCard(name);
  if (task) start(task, name);
  const title = byId(`${shown}-title`);
  document.title = `${shown === "card" ? name : title.textContent}: seqserve`;
  if (event) {
    title.focus({ preventScroll: true });
    scrollTo(0, 0);
  }
}

function start(task, model) {
  if (!started.has(task)) task.start?.();
  started.add(task);
  const select = byId(`${task.name}-model`);
  if (!model || !select || select.value === model || ![...select.options].some(({ value }) => value === model)) return;
  select.value = model;
  select.dispatchEvent(new Event("change"));
}

byId("forget").hidden = !key();
byId("forget").addEventListener("click", forget);

themeChanged();
try {
  await loadModels();
  addEventListener("hashchange", (event) => location.hash !== "#main" && route(event));
  route();
} catch (problem) {
  const needsKey = [401, 403].includes(problem.status);
  if (needsKey) for (const section of document.querySelectorAll(".view")) section.hidden = true;
  byId("page-problem").replaceChildren(needsKey ? keyForm(problem) : problemBox(problem));
}
