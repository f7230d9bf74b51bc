// The panel of forecasters: a series in; a chart with intervals and the steps as a table out.

import { postExplained } from "../api.js";
import { postEach } from "../compare.js";
import { byId, counted, figure, h, latency, reveal, scrolling } from "../element.js";
import { fetchCard, modelsOf, options, resolve } from "../models.js";
import { problemBox } from "../problem.js";
import { showRequest } from "../snippets.js";
import { legend, remarks, table } from "./caption.js";
import { draw, summary } from "./chart.js";
import { FREQUENCIES } from "./dates.js";
import { seriesFor } from "./examples.js";
import { seasonalNaive } from "./naive.js";
import { readSeries } from "./series.js";

const DEBOUNCE_MILLISECONDS = 150;
const MAX_FILE_BYTES = 5_000_000;
const MAX_LEVEL_ERROR = 1e-6; // of a difference of quantile levels, in percent
const SERIES_FIELDS = ["values", "start", "freq", "past_covariates", "future_covariates"]; // their errors are shown beside the series

let running = new AbortController();
let timer = 0;
let spec = null; // of the selected model
let drawn = null; // the chart's data

const modelName = () => byId("forecast-model").value;

export const describe = ({ frequencies }) => (frequencies.length > 1 ? "any frequency" : FREQUENCIES[frequencies[0]]);

export const facts = ({ freq, context_length: contextLength, horizon, past_covariates: past, future_covariates: future }) => [
  ["frequency", freq ? FREQUENCIES[freq] : "any"],
  ["context length", counted(contextLength, "value")],
  ["horizon", counted(horizon, "step")],
  ["covariates", [...past, ...future].map(({ name }) => name).join(", ") || "none"],
];

export function start() {
  const models = options("forecast", (one, other) => other.frequencies.length - one.frequencies.length);
  if (models.length === 0) byId("forecast-status").textContent = "No forecaster is served.";
  byId("forecast-form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (models.length === 0) return;
    run();
    reveal(byId("forecast-status"));
  });
  if (models.length === 0) return;
  byId("forecast-model").append(...models);
  byId("forecast-model").addEventListener("change", modelChanged);
  byId("forecast-text").addEventListener("input", () => {
    resetChoices();
    runSoon();
  });
  byId("forecast-start").addEventListener("input", runSoon);
  byId("forecast-horizon").addEventListener("input", () => {
    showHorizon();
    runSoon();
  });
  for (const id of ["column", "freq", "naive", "explain", "all", "compare"]) byId(`forecast-${id}`).addEventListener("change", run);
  byId("forecast-file").addEventListener("change", (event) => readFile(event.target.files[0]));
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
    readFile(event.dataTransfer.files[0]);
  });
  modelChanged();
}

export function redraw() {
  if (drawn) draw(byId("forecast-chart"), drawn);
}

// What was chosen for one text doesn't hold for the next.
function resetChoices() {
  byId("forecast-column").replaceChildren();
  byId("forecast-freq").value = "";
  byId("forecast-start").value = "";
}

const setBusy = () => byId("forecast-figure").setAttribute("aria-busy", "true");
const setIdle = () => byId("forecast-figure").removeAttribute("aria-busy");

function runSoon() {
  setBusy();
  clearTimeout(timer);
  timer = setTimeout(run, DEBOUNCE_MILLISECONDS);
}

async function readFile(file) {
  if (!file) return;
  resetChoices();
  if (file.size > MAX_FILE_BYTES) {
    const message = `The file has ${figure(file.size / 1e6)} MB; the page reads up to ${MAX_FILE_BYTES / 1e6} MB. Keep the newest rows of one series.`;
    showProblem({ title: "The file is too large", message }, "forecast-series-problem");
    return;
  }
  byId("forecast-text").value = await file.text();
  run();
}

async function modelChanged() {
  setBusy();
  const name = modelName();
  let card;
  try {
    card = await fetchCard(name);
  } catch (problem) {
    showProblem(problem);
    return;
  }
  if (name !== modelName()) return;
  const { manifest } = card;
  const earlier = spec;
  spec = manifest.spec;
  byId("forecast-note").replaceChildren(manifest.intended_use, " ", h("a", { href: `#models/${manifest.name}` }, `Card of ${manifest.name}`));
  const { frequencies } = resolve(name);
  const freq = byId("forecast-freq");
  const chosen = freq.value;
  const isAny = frequencies.length > 1;
  const choices = isAny ? frequencies.map((each) => h("option", { value: each }, FREQUENCIES[each])) : [];
  freq.replaceChildren(h("option", { value: "" }, isAny ? "from the dates" : FREQUENCIES[frequencies[0]]), ...choices);
  if (isAny && frequencies.includes(chosen)) freq.value = chosen;
  const slider = byId("forecast-horizon");
  slider.max = 2 * spec.horizon;
  if (earlier?.horizon !== spec.horizon) slider.value = Math.min(spec.horizon, 24);
  showHorizon();
  byId("forecast-reach").textContent = `The model’s own horizon is ${counted(spec.horizon, "step")}. Beyond it, the forecast is recursive.`;
  showExamples(seriesFor(frequencies, spec.past_covariates.map((covariate) => covariate.name)));
  run();
}

function showExamples(examples) {
  const box = byId("forecast-text");
  const fill = (example) => {
    resetChoices();
    box.value = example.make();
  };
  const chip = (example) => h("button", { type: "button", class: "chip", onclick: () => [fill(example), run()] }, example.name);
  byId("forecast-examples").replaceChildren(...examples.map(chip));
  const isUntouched = box.value === "" || seriesFor(Object.keys(FREQUENCIES), ["bus"]).some((example) => example.make() === box.value);
  if (isUntouched && examples.length > 0) fill(examples[0]);
}

function showHorizon() {
  byId("forecast-steps").textContent = byId("forecast-horizon").value;
}

function showProblem(problem, id = "forecast-problem") {
  setIdle();
  byId("forecast-status").textContent = "No result.";
  byId(id).replaceChildren(problemBox(problem));
  byId("forecast-figure").hidden = true;
  drawn = null;
  for (const cleared of ["remarks", "comparison", "table"]) byId(`forecast-${cleared}`).replaceChildren();
}

function read() {
  const covariates = { past: spec.past_covariates.map((one) => one.name), future: spec.future_covariates.map((one) => one.name) };
  const freq = byId("forecast-freq").value || null;
  const chosen = { column: byId("forecast-column").value || null, freq, start: byId("forecast-start").value.trim() || null };
  const text = byId("forecast-text").value;
  const series = readSeries(text, chosen, covariates);
  // Numbers without dates are taken to have the model's frequency.
  if (!series.freq && spec.freq) return readSeries(text, { ...chosen, freq: spec.freq }, covariates);
  return series;
}

// The request for a model, with the covariates that its spec names.
function requestOf(series, model, { past_covariates: past, future_covariates: future, quantile_levels: quantiles }, horizon, explain) {
  const length = series.values.length + horizon;
  const pick = (columns, wanted, cells) => Object.fromEntries(wanted.filter(({ name }) => name in columns).map(({ name }) => [name, cells(columns[name])]));
  const pastColumns = pick(series.past, past, (column) => column);
  const futureColumns = pick(series.future, future, (column) => Array.from({ length }, (_, index) => column[index] ?? null));
  const widest = 100 * (quantiles.at(-1) - quantiles[0]);
  const levels = [80, 95].filter((level) => level <= widest + MAX_LEVEL_ERROR);
  return {
    model,
    values: series.values,
    ...(series.start ? { start: series.start } : {}),
    ...(series.freq ? { freq: series.freq } : {}),
    ...(Object.keys(pastColumns).length > 0 ? { past_covariates: pastColumns } : {}),
    ...(Object.keys(futureColumns).length > 0 ? { future_covariates: futureColumns } : {}),
    horizon,
    levels: levels.length > 0 ? levels : [Math.floor(widest)],
    ...(explain ? { explain } : {}),
  };
}

async function run() {
  clearTimeout(timer);
  if (!spec) return;
  running.abort();
  running = new AbortController();
  const { signal } = running;
  for (const id of ["forecast-problem", "forecast-series-problem"]) byId(id).replaceChildren();
  let series;
  try {
    series = read();
  } catch (error) {
    byId("forecast-parsed").textContent = "";
    showRequest("forecast", "forecast", null);
    showProblem({ title: "The series can't be read yet", message: error.message }, "forecast-series-problem");
    return;
  }
  showParsed(series);
  const horizon = Number(byId("forecast-horizon").value);
  const body = requestOf(series, modelName(), spec, horizon, byId("forecast-explain").checked);
  showRequest("forecast", "forecast", body);
  setBusy();
  try {
    const { answer, milliseconds, sent, refusal } = await postExplained("forecast", body, signal);
    showRequest("forecast", "forecast", sent);
    const others = await compare(series, answer.model, horizon, signal);
    if (signal.aborted) return;
    byId("forecast-status").textContent = `${counted(horizon, "step")} in ${latency(milliseconds)}: ${answer.model}, version ${answer.version}.${refusal ? ` No explanation: ${refusal}.` : ""}`;
    await showForecast(series, answer.forecasts[0], horizon, others, resolve(modelName()).seasons[series.freq]);
  } catch (problem) {
    if (problem.name === "AbortError") return;
    const isOfSeries = problem.errors?.some(({ loc }) => SERIES_FIELDS.includes(loc[0]));
    showProblem(problem, isOfSeries ? "forecast-series-problem" : "forecast-problem");
  } finally {
    if (!signal.aborted) setIdle();
  }
}

function showParsed(series) {
  byId("forecast-parsed").textContent = series.parsed;
  byId("forecast-start-field").hidden = series.hasDates;
  byId("forecast-column-field").hidden = series.columns.length < 2;
  byId("forecast-column").replaceChildren(...series.columns.map((each) => h("option", { value: each, selected: each === series.column }, each)));
}

async function showForecast(series, forecast, horizon, others, season) {
  const { values } = series;
  const { median, timestamps, explanation = [] } = forecast;
  const toMinutes = (timestamp) => timestamp.slice(0, 16);
  const ahead = timestamps?.map(toMinutes) ?? median.map((_, step) => values.length + 1 + step);
  const labels = timestamps ? series.labels : values.map((_, index) => index + 1);
  const bands = Object.entries(forecast.intervals)
    .map(([level, bounds]) => ({ level: Number(level), ...bounds }))
    .sort((one, other) => one.level - other.level);
  const naive = season ? seasonalNaive(values, season, horizon) : null;
  const numShown = Math.max(4 * horizon, 3 * (season ?? 1), 40);
  const first = byId("forecast-all").checked ? 0 : Math.max(0, values.length - numShown);
  const drawNaive = byId("forecast-naive").checked ? naive : null;
  drawn = { labels, values, ahead, median, bands, naive: drawNaive, others, explanation, first, ownHorizon: spec.horizon };
  byId("forecast-figure").hidden = false;
  byId("forecast-chart").setAttribute("aria-label", summary(drawn));
  byId("forecast-legend").replaceChildren(...legend(drawn));
  byId("forecast-remarks").replaceChildren(...remarks(forecast.warnings, naive, season, explanation, labels, values.length));
  byId("forecast-table").replaceChildren(table(ahead, median, bands, naive));
  try {
    await draw(byId("forecast-chart"), drawn);
  } catch (error) {
    byId("forecast-problem").replaceChildren(problemBox(error));
  }
}

const family = ({ name, architecture }) => (name.endsWith(`-${architecture}`) ? name.slice(0, -architecture.length - 1) : name);

// Models of the same family; without any other, all models of the frequency.
function comparable(model, freq) {
  const models = modelsOf("forecast");
  const relatives = models.filter((one) => family(one) === family(model));
  return relatives.length > 1 || !freq ? relatives : models.filter((one) => one.frequencies.includes(freq));
}

// Fills the table of the comparison; returns the medians of the other models.
async function compare(series, selected, horizon, signal) {
  if (!byId("forecast-compare").checked) {
    byId("forecast-comparison").replaceChildren();
    return [];
  }
  const models = comparable(resolve(modelName()), series.freq);
  const cards = await Promise.all(models.map(({ name }) => fetchCard(name)));
  const specs = new Map(cards.map(({ name, manifest }) => [name, manifest.spec]));
  const outcomes = await postEach(models, "forecast", ({ name }) => requestOf(series, name, specs.get(name), horizon, false), signal);
  const rows = outcomes.map(({ model, answer, milliseconds, problem }) => {
    const median = answer?.forecasts[0].median;
    const cells = problem ? [h("td", { colspan: "3" }, problem.message)] : [latency(milliseconds), figure(median[0]), figure(median.at(-1))].map((text) => h("td", {}, text));
    return h("tr", {}, h("th", { scope: "row" }, model.architecture, h("small", {}, model.name)), cells);
  });
  const heads = ["model", "latency", "first step", "last step"].map((head) => h("th", { scope: "col" }, head));
  byId("forecast-comparison").replaceChildren(
    h("h2", {}, "Architectures compared"),
    h("p", { class: "hint" }, "The same series, one model after the other, without explanations. The steps are medians."),
    scrolling("Architectures compared", h("table", { class: "comparison numbers" }, h("thead", {}, h("tr", {}, heads)), h("tbody", {}, rows))),
  );
  return outcomes.filter(({ model, problem }) => !problem && model.name !== selected).map(({ model, answer }) => ({ name: model.name, values: answer.forecasts[0].median }));
}
