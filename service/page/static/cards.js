// The list of models, and the card of one model.

import { fetchFile } from "./api.js";
import { byId, figure, h, scrolling } from "./element.js";
import { key } from "./key.js";
import { fetchCard, modelList, modelsOf } from "./models.js";
import { problemBox } from "./problem.js";
import { tasks } from "./tasks.js";

const words = (identifier) => identifier.replaceAll("_", " ");
const withoutScheme = (url) => url.replace(/^[a-z]+:\/\//i, ""); // shown, not a link: the page leads to no other host

const badges = (aliases) => aliases.map((alias) => h("span", { class: "badge" }, alias));

// Fetches the card of every model, for its intended use.
export function showList() {
  const { refused } = modelList();
  const sections = tasks.flatMap((task) => {
    const tiles = modelsOf(task.name).map((model) => tile(task, model));
    return tiles.length > 0 ? [h("h2", {}, task.title), h("ul", { class: "tiles" }, tiles)] : [];
  });
  if (refused.length > 0) {
    sections.push(
      h("h2", {}, "Rejected versions"),
      h("p", { class: "hint" }, "Versions in the store that failed their self-test. They are not served."),
      h("ul", {}, refused.map(({ name, version, reason }) => h("li", {}, h("b", {}, `${name}, version ${version}: `), reason))),
    );
  }
  byId("models-list").replaceChildren(...sections);
}

function tile(task, model) {
  const use = h("p", {}, "…");
  fetchCard(model.name).then(
    ({ manifest }) => (use.textContent = manifest.intended_use),
    (problem) => (use.textContent = problem.message),
  );
  return h(
    "li",
    { class: "tile" },
    h("h3", {}, h("a", { href: `#models/${model.name}` }, model.name), badges(model.aliases)),
    use,
    h("p", { class: "hint" }, [model.architecture, `version ${model.version}`, task.describe?.(model)].filter(Boolean).join(" · ")),
  );
}

export async function showCard(name) {
  byId("card-title").textContent = name;
  byId("card").replaceChildren();
  try {
    const card = await fetchCard(name);
    byId("card-title").replaceChildren(card.name, ...badges(card.aliases));
    byId("card").replaceChildren(...body(card));
  } catch (problem) {
    byId("card").replaceChildren(problemBox(problem));
  }
}

function body({ name, version, manifest, metrics, baselines, report, files }) {
  const task = tasks.find((one) => one.name === manifest.spec.task);
  const plots = files.filter((file) => file.endsWith(".svg"));
  const documents = files.filter((file) => /\.(md|json)$/.test(file));
  return [
    h("p", { class: "lead" }, manifest.intended_use),
    byId(`view-${task.name}`) && h("p", {}, h("a", { class: "primary", href: `#${task.name}/${name}` }, "Try it")),
    part("Limits", h("p", {}, manifest.limits)),
    part("Held-out metrics", report.evaluated_on && h("p", { class: "hint" }, `Measured on: ${report.evaluated_on}.`), metricsTable(metrics, baselines)),
    part("Training data", manifest.data.length > 0 ? h("ul", { class: "sources" }, manifest.data.map(source)) : h("p", {}, "The manifest names no data.")),
    plots.length > 0 && part("Plots", h("div", { class: "plots" }, plots.map((file) => plot(name, file)))),
    part("Facts", facts(manifest, version, task)),
    documents.length > 0 && h("p", {}, "Full report: ", documents.map((file) => [link(file), " "])),
  ].filter(Boolean);
}

const part = (title, ...content) => h("section", { class: "part" }, h("h2", {}, title), ...content);

function metricsTable(metrics, baselines) {
  const columns = Object.entries({ model: metrics, ...baselines });
  const isShown = (value) => ["number", "string"].includes(typeof value);
  const names = [...new Set(columns.flatMap(([, values]) => Object.keys(values)))].filter((name) => columns.some(([, values]) => isShown(values[name])));
  if (names.length === 0) return h("p", {}, "The manifest holds no metrics.");
  const heads = columns.map(([column]) => h("th", { scope: "col" }, words(column)));
  const cell = ([column, values], name) => h("td", { class: column === "model" ? "own" : null }, isShown(values[name]) ? figure(values[name]) : "");
  const rows = names.map((name) => h("tr", {}, h("th", { scope: "row" }, words(name)), columns.map((column) => cell(column, name))));
  return scrolling("Held-out metrics", h("table", { class: "numbers" }, h("thead", {}, h("tr", {}, h("td", {}), heads)), h("tbody", {}, rows)));
}

function source({ name, origin, licence, citation, rows }) {
  const counts = Object.entries(rows).map(([split, count]) => `${figure(count)} ${words(split)}`);
  return h("li", {}, h("b", {}, name), h("span", {}, [counts.join(", "), licence].filter(Boolean).join(" · ")), h("span", { class: "hint" }, `${citation}. ${withoutScheme(origin)}`));
}

function plot(name, file) {
  const title = words(file.split("/").at(-1).replace(/\.svg$/, ""));
  const image = h("img", { src: key() ? null : relative(file), alt: `Plot of ${name}: ${title}`, loading: "lazy" });
  if (key()) fetchFile(relative(file)).then((content) => showImage(content, image));
  return h("figure", {}, image, h("figcaption", {}, title));
}

const relative = (file) => file.replace(/^\//, ""); // the page may be served under a prefix

// As a data URL: the policy refuses blob URLs.
function showImage(content, image) {
  const reader = new FileReader();
  reader.addEventListener("load", () => (image.src = reader.result));
  reader.readAsDataURL(content);
}

function link(file) {
  const open = async (event) => {
    event.preventDefault();
    window.open(URL.createObjectURL(await fetchFile(relative(file))));
  };
  return h("a", { href: relative(file), onclick: key() ? open : null }, file.split("/").at(-1));
}

function facts({ spec, architecture, parameters, created, seed, calibration }, version, task) {
  const rows = [
    ["architecture", `${architecture}, ${figure(parameters)} parameters`],
    ["version", `${version}, created ${created.slice(0, 10)}, seed ${seed}`],
    ...(task.facts?.(spec) ?? []),
    ...Object.entries(calibration)
      .filter(([, value]) => typeof value !== "object")
      .map(([name, value]) => [words(name), figure(value)]),
  ];
  return h("dl", { class: "facts" }, rows.map(([term, value]) => [h("dt", {}, term), h("dd", {}, value)]));
}
