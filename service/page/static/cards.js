// The view of models: a list of what is served, and each model's card.

import { file as fileOf } from "./api.js";
import { byId, figure, h, scrolling } from "./element.js";
import { SPACINGS } from "./dates.js";
import { key } from "./key.js";
import { card, everything } from "./models.js";
import { problemBox } from "./problem.js";

const TASKS = { classify: "Label texts", forecast: "Continue series" };
const spoken = (key) => key.replaceAll("_", " ");
const plainAddress = (origin) => origin.replace(/^[a-z]+:\/\//i, ""); // shown, never a link: the page leads to no other host

// Each model's card is fetched for its tile: done when the list is looked at, not when the page opens.
export function showList() {
  const { models, refused } = everything();
  const sections = Object.entries(TASKS).map(([task, title]) => {
    const tiles = models.filter((model) => model.task === task).map(tile);
    return tiles.length > 0 && [h("h2", {}, title), h("ul", { class: "tiles" }, tiles)];
  });
  const broken = refused.length > 0 && [
    h("h2", {}, "Refused"),
    h("p", { class: "hint" }, "Versions in the store that could not prove themselves and never answer."),
    h("ul", {}, refused.map(({ name, version, reason }) => h("li", {}, h("b", {}, `${name}, version ${version}: `), reason))),
  ];
  byId("models-list").replaceChildren(...[...sections, broken].flat().filter(Boolean));
}

function tile(model) {
  const use = h("p", {}, "…");
  card(model.name).then(
    ({ manifest }) => (use.textContent = manifest.intended_use),
    (problem) => (use.textContent = problem.message),
  );
  const what = model.task === "classify" ? model.labels.join(", ") : model.frequencies.length > 1 ? "any spacing" : SPACINGS[model.frequencies[0]];
  return h(
    "li",
    { class: "tile" },
    h("h3", {}, h("a", { href: `#models/${model.name}` }, model.name), model.aliases.map((alias) => h("span", { class: "badge" }, alias))),
    use,
    h("p", { class: "hint" }, `${model.architecture} · version ${model.version} · ${what}`),
  );
}

export async function showCard(name) {
  const place = byId("card");
  byId("card-title").textContent = name;
  place.replaceChildren();
  try {
    const found = await card(name);
    byId("card-title").replaceChildren(found.name, ...found.aliases.map((alias) => h("span", { class: "badge" }, alias)));
    place.replaceChildren(...body(found));
  } catch (problem) {
    place.replaceChildren(problemBox(problem));
  }
}

function body({ name, version, manifest, metrics, baselines, report, files }) {
  const { spec } = manifest;
  const plots = files.filter((file) => file.endsWith(".svg"));
  const documents = files.filter((file) => /\.(md|json)$/.test(file));
  const view = spec.task === "classify" ? "label" : "forecast";
  return [
    h("p", { class: "lead" }, manifest.intended_use),
    h("p", {}, h("a", { class: "primary", href: `#${view}/${name}` }, "Try it")),
    part("Limits", h("p", {}, manifest.limits)),
    part("Held-out figures, beside baselines", report.evaluated_on && h("p", { class: "hint" }, `Measured on: ${report.evaluated_on}.`), figures(metrics, baselines)),
    part("Trained on", manifest.data.length > 0 ? h("ul", { class: "sources" }, manifest.data.map(source)) : h("p", {}, "The manifest names no data.")),
    plots.length > 0 && part("Plots", h("div", { class: "plots" }, plots.map((file) => plot(name, file)))),
    part("Facts", facts(manifest, version)),
    documents.length > 0 && h("p", {}, "Whole report: ", documents.map((file) => [link(file), " "])),
  ].filter(Boolean);
}

const part = (title, ...content) => h("section", { class: "part" }, h("h2", {}, title), ...content);

function figures(metrics, baselines) {
  const columns = { model: metrics, ...baselines };
  const keys = [...new Set(Object.values(columns).flatMap(Object.keys))].filter((key) => Object.values(columns).some((column) => ["number", "string"].includes(typeof column[key])));
  if (keys.length === 0) return h("p", {}, "The manifest holds no figures.");
  const heads = Object.keys(columns).map((column) => h("th", { scope: "col" }, spoken(column)));
  const cell = (value) => (typeof value === "object" ? "" : figure(value));
  const rows = keys.map((key) => h("tr", {}, h("th", { scope: "row" }, spoken(key)), Object.entries(columns).map(([column, own]) => h("td", { class: column === "model" ? "own" : null }, cell(own[key])))));
  return scrolling("Held-out figures", h("table", { class: "numbers" }, h("thead", {}, h("tr", {}, h("td", {}), heads)), h("tbody", {}, rows)));
}

function source({ name, origin, licence, citation, rows }) {
  const counts = Object.entries(rows).map(([each, count]) => `${figure(count)} ${spoken(each)}`);
  return h("li", {}, h("b", {}, name), h("span", {}, [counts.join(", "), licence].filter(Boolean).join(" · ")), h("span", { class: "hint" }, `${citation}. ${plainAddress(origin)}`));
}

function plot(name, file) {
  const title = spoken(file.split("/").at(-1).replace(/\.svg$/, ""));
  const image = h("img", { src: key() ? null : relative(file), alt: `Plot of ${name}: ${title}`, loading: "lazy" });
  if (key()) fileOf(relative(file)).then((content) => show(content, image));
  return h("figure", {}, image, h("figcaption", {}, title));
}

const relative = (file) => file.replace(/^\//, ""); // the page may be served under a prefix

// As data in the address, which the policy allows; not as a blob, which it doesn't.
function show(content, image) {
  const reader = new FileReader();
  reader.addEventListener("load", () => (image.src = reader.result));
  reader.readAsDataURL(content);
}

function link(file) {
  const open = async (event) => {
    event.preventDefault();
    window.open(URL.createObjectURL(await fileOf(relative(file))));
  };
  return h("a", { href: relative(file), onclick: key() ? open : null }, file.split("/").at(-1));
}

function facts({ spec, architecture, parameters, created, seed, calibration }, version) {
  const rows = [
    ["architecture", `${architecture}, ${figure(parameters)} weights`],
    ["version", `${version}, made ${created.slice(0, 10)}, seed ${seed}`],
    ...(spec.task === "classify"
      ? [
          ["labels", spec.labels.join(", ")],
          ["reads", `the first ${spec.max_tokens} tokens of a text`],
        ]
      : [
          ["spacing", spec.freq ? SPACINGS[spec.freq] : "any"],
          ["reads", `the newest ${spec.context_length} values`],
          ["looks ahead", `${spec.horizon} steps`],
          ["also reads", [...spec.past_covariates, ...spec.future_covariates].map((one) => one.name).join(", ") || "nothing else"],
        ]),
    ...Object.entries(calibration)
      .filter(([, value]) => typeof value !== "object")
      .map(([key, value]) => [spoken(key), figure(value)]),
  ];
  return h("dl", { class: "facts" }, rows.map(([term, value]) => [h("dt", {}, term), h("dd", {}, value)]));
}
