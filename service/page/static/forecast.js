// The view of forecasters: a series in; chart, intervals and steps as a table out.

import { postExplained } from "./api.js";
import { legend, remarks, table } from "./caption.js";
import { draw, summary } from "./chart.js";
import { askEach } from "./compare.js";
import { SPACINGS } from "./dates.js";
import { byId, figure, h, latency, reveal, scrolling } from "./element.js";
import { seriesFor } from "./examples.js";
import { card, comparable, meant, options } from "./models.js";
import { seasonalNaive } from "./naive.js";
import { problemBox } from "./problem.js";
import { readSeries } from "./series.js";
import { snippets } from "./snippets.js";

const WAIT_MILLISECONDS = 150; // while a slider moves or a text is typed
const LARGEST_FILE = 5_000_000;
const OF_SERIES = ["values", "start", "freq", "past_covariates", "future_covariates"]; // faults shown beside the series

let running = new AbortController();
let waiting = 0;
let spec = null; // of the model chosen
let shown = null; // the picture drawn last, to be drawn again in other colours
let begun = false;

const name = () => byId("forecast-model").value;

export function begin() {
  if (begun) return;
  begun = true;
  const models = options("forecast");
  byId("forecast-form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (!name()) return; // nothing is served
    run();
    reveal(byId("forecast-status"));
  });
  if (!models.some((group) => group.children.length > 0)) {
    byId("forecast-status").textContent = "No forecaster is served.";
    return;
  }
  byId("forecast-model").append(...models);
  byId("forecast-model").addEventListener("change", choose);
  byId("forecast-text").addEventListener("input", () => {
    forget();
    soon();
  });
  byId("forecast-column").addEventListener("change", run);
  byId("forecast-freq").addEventListener("change", run);
  byId("forecast-start").addEventListener("input", soon);
  byId("forecast-horizon").addEventListener("input", () => {
    sayHorizon();
    soon();
  });
  for (const id of ["forecast-naive", "forecast-explain", "forecast-all", "forecast-compare"]) byId(id).addEventListener("change", run);
  byId("forecast-file").addEventListener("change", (event) => take(event.target.files[0]));
  const drop = byId("forecast-drop");
  for (const kind of ["dragenter", "dragover"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    take(event.dataTransfer.files[0]);
  });
  choose();
}

export function redraw() {
  if (shown) draw(byId("chart"), shown);
}

// What was chosen for another text says nothing of this one.
function forget() {
  byId("forecast-column").replaceChildren();
  byId("forecast-freq").value = "";
  byId("forecast-start").value = "";
}

function soon() {
  clearTimeout(waiting);
  waiting = setTimeout(run, WAIT_MILLISECONDS);
}

async function take(file) {
  if (!file) return;
  forget();
  if (file.size > LARGEST_FILE) {
    refuse(tooLarge(`The file has ${figure(file.size / 1e6)} MB; the page reads up to ${LARGEST_FILE / 1e6} MB. Keep the newest rows of one series.`));
    return;
  }
  byId("forecast-text").value = await file.text();
  run();
}

// Another model: its note, its spacings, its horizon, and an example where nothing is in the box.
async function choose() {
  const asked = name();
  let found;
  try {
    found = await card(asked);
  } catch (problem) {
    refuse(problem);
    return;
  }
  if (asked !== name()) return;
  const { manifest } = found;
  const earlier = spec;
  spec = manifest.spec;
  byId("forecast-note").replaceChildren(manifest.intended_use, " ", h("a", { href: `#models/${manifest.name}` }, `Card of ${manifest.name}`));
  const model = meant(asked);
  const freq = byId("forecast-freq");
  const chosen = freq.value;
  freq.replaceChildren(
    h("option", { value: "" }, model.frequencies.length > 1 ? "as the dates say" : SPACINGS[model.frequencies[0]]),
    ...(model.frequencies.length > 1 ? model.frequencies.map((each) => h("option", { value: each }, SPACINGS[each])) : []),
  );
  if (model.frequencies.includes(chosen) && model.frequencies.length > 1) freq.value = chosen;
  const examples = seriesFor(model, spec.past_covariates.map((covariate) => covariate.name));
  const box = byId("forecast-text");
  const fill = (example) => {
    forget();
    box.value = example.make();
    run();
  };
  byId("forecast-examples").replaceChildren(...examples.map((example) => h("button", { type: "button", class: "chip", onclick: () => fill(example) }, example.name)));
  const slider = byId("forecast-horizon");
  slider.max = 2 * spec.horizon;
  if (!earlier || earlier.horizon !== spec.horizon) slider.value = Math.min(spec.horizon, 24);
  sayHorizon();
  byId("forecast-reach").textContent = `The model looks ${spec.horizon} steps ahead; beyond, it is iterated.`;
  const isExample = seriesFor({ frequencies: Object.keys(SPACINGS) }, ["bus"]).some((example) => example.make() === box.value);
  if ((box.value === "" || isExample) && examples.length > 0) {
    forget();
    box.value = examples[0].make();
  }
  run();
}

const tooLarge = (message) => ({ title: "The file is too large", message, unread: true });

function sayHorizon() {
  const slider = byId("forecast-horizon");
  byId("forecast-steps").textContent = slider.value;
}

function refuse(problem) {
  const ofSeries = problem.unread || problem.places?.some(({ loc }) => OF_SERIES.includes(loc[0]));
  byId("forecast-status").textContent = "No forecast.";
  byId(ofSeries ? "forecast-unread" : "forecast-problem").replaceChildren(problemBox(problem));
  byId("forecast-figure").hidden = true;
  shown = null;
  for (const id of ["forecast-remarks", "forecast-comparison", "forecast-table"]) byId(id).replaceChildren();
}

function read() {
  const covariates = { past: spec.past_covariates.map((one) => one.name), future: spec.future_covariates.map((one) => one.name) };
  const freq = byId("forecast-freq").value || null;
  const chosen = { column: byId("forecast-column").value || null, freq, start: byId("forecast-start").value.trim() || null };
  const text = byId("forecast-text").value;
  // A model of one spacing takes numbers without dates as of that spacing.
  const series = readSeries(text, chosen, covariates);
  if (!series.freq && spec.freq) return readSeries(text, { ...chosen, freq: spec.freq }, covariates);
  return series;
}

function bodyOf(series, model, known, horizon, levels, explain) {
  const past = Object.fromEntries(Object.entries(series.past).filter(([each]) => known.past_covariates.some((one) => one.name === each)));
  const future = Object.fromEntries(
    Object.entries(series.future)
      .filter(([each]) => known.future_covariates.some((one) => one.name === each))
      .map(([each, cells]) => [each, Array.from({ length: series.values.length + horizon }, (_, index) => cells[index] ?? null)]),
  );
  return {
    model,
    values: series.values,
    ...(series.start ? { start: series.start } : {}),
    ...(series.freq ? { freq: series.freq } : {}),
    ...(Object.keys(past).length > 0 ? { past_covariates: past } : {}),
    ...(Object.keys(future).length > 0 ? { future_covariates: future } : {}),
    horizon,
    levels,
    ...(explain ? { explain } : {}),
  };
}

const widest = (levels) => 100 * (levels.at(-1) - levels[0]);

async function run() {
  clearTimeout(waiting);
  if (!spec) return;
  running.abort();
  running = new AbortController();
  const { signal } = running;
  for (const id of ["forecast-problem", "forecast-unread"]) byId(id).replaceChildren();
  let series;
  try {
    series = read();
  } catch (error) {
    byId("forecast-understood").textContent = "";
    showCall(null);
    refuse({ title: "The series can't be read yet", message: error.message, unread: true });
    return;
  }
  understood(series);
  const horizon = Number(byId("forecast-horizon").value);
  const levels = [80, 95].filter((level) => level <= widest(spec.quantile_levels) + 1e-6);
  if (levels.length === 0) levels.push(Math.floor(widest(spec.quantile_levels)));
  const body = bodyOf(series, name(), spec, horizon, levels, byId("forecast-explain").checked);
  showCall(body);
  byId("forecast-figure").setAttribute("aria-busy", "true");
  try {
    const { answer, milliseconds, asked, refusal } = await postExplained("forecast", body, signal);
    showCall(asked);
    const others = await compare(series, answer.model, horizon, levels, signal);
    if (signal.aborted) return;
    byId("forecast-status").textContent = `${horizon === 1 ? "1 step" : `${horizon} steps`} by ${answer.model}, version ${answer.version}, in ${latency(milliseconds)}.${refusal ? ` No shading: ${refusal}.` : ""}`;
    await show(series, answer.forecasts[0], horizon, others, meant(name()).seasons[series.freq]);
  } catch (problem) {
    if (problem.name !== "AbortError") refuse(problem);
  } finally {
    if (!signal.aborted) byId("forecast-figure").removeAttribute("aria-busy");
  }
}

function showCall(body) {
  byId("forecast-snippets").replaceChildren(...(body ? snippets("forecast", body) : []));
  for (const id of ["forecast-call", "forecast-jump"]) byId(id).hidden = !body;
}

function understood(series) {
  byId("forecast-understood").textContent = series.understood;
  byId("forecast-start-field").hidden = series.hasDates;
  const column = byId("forecast-column");
  byId("forecast-column-field").hidden = series.columns.length < 2;
  column.replaceChildren(...series.columns.map((each) => h("option", { value: each, selected: each === series.column }, each)));
}

async function show(series, forecast, horizon, others, season) {
  const { labels, values } = series;
  const short = (stamp) => (stamp.length > 10 ? stamp.slice(0, 16) : stamp);
  const ahead = forecast.timestamps?.map(short) ?? forecast.median.map((_, step) => values.length + 1 + step);
  const dated = forecast.timestamps ? labels : labels.map((_, index) => index + 1);
  const bands = Object.entries(forecast.intervals)
    .map(([level, ends]) => ({ level: Number(level), ...ends }))
    .sort((one, other) => one.level - other.level);
  const naive = season ? seasonalNaive(values, season, horizon) : null;
  const explanation = forecast.explanation ?? [];
  const part = Math.max(4 * horizon, 3 * (season ?? 1), 40);
  const first = byId("forecast-all").checked ? 0 : Math.max(0, values.length - part);
  const drawNaive = byId("forecast-naive").checked ? naive : null;
  shown = { labels: dated, values, ahead, median: forecast.median, bands, naive: drawNaive, others, explanation, first, ownHorizon: spec.horizon };
  byId("forecast-figure").hidden = false;
  byId("chart").setAttribute("aria-label", summary(shown));
  byId("forecast-legend").replaceChildren(...legend(shown));
  byId("forecast-remarks").replaceChildren(...remarks(forecast.warnings, naive, season, explanation, dated, values.length));
  byId("forecast-table").replaceChildren(table(ahead, forecast.median, bands, naive));
  try {
    await draw(byId("chart"), shown);
  } catch (error) {
    byId("forecast-problem").replaceChildren(problemBox(error));
  }
}

async function compare(series, chosen, horizon, levels, signal) {
  const place = byId("forecast-comparison");
  if (!byId("forecast-compare").checked) {
    place.replaceChildren();
    return [];
  }
  const models = comparable(meant(name()), series.freq);
  const specs = Object.fromEntries(await Promise.all(models.map(async (model) => [model.name, (await card(model.name)).manifest.spec])));
  const bodyFor = (model) => bodyOf(series, model.name, specs[model.name], horizon, levels.filter((level) => level <= widest(specs[model.name].quantile_levels) + 1e-6), false);
  const outcomes = await askEach(models, "forecast", bodyFor, signal);
  const rows = outcomes.map(({ model, answer, milliseconds, problem }) => {
    const median = answer?.forecasts[0].median;
    const cells = problem ? [h("td", { colspan: "3" }, problem.message)] : [latency(milliseconds), figure(median[0]), figure(median.at(-1))].map((text) => h("td", {}, text));
    return h("tr", {}, h("th", { scope: "row" }, model.architecture, h("small", {}, model.name)), cells);
  });
  const heads = ["model", "time", "first step", "last step"].map((head) => h("th", { scope: "col" }, head));
  place.replaceChildren(
    h("h2", {}, "Architectures compared"),
    h("p", { class: "hint" }, "The same series to each model, one after the other, without shading; medians, and times as measured in this browser."),
    scrolling("Architectures compared", h("table", { class: "comparison numbers" }, h("thead", {}, h("tr", {}, heads)), h("tbody", {}, rows))),
  );
  return outcomes.filter(({ model, problem }) => !problem && model.name !== chosen).map(({ model, answer }) => ({ name: model.name, values: answer.forecasts[0].median }));
}
