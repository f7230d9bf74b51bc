// The panel of classifiers: texts in; labels, calibrated probabilities and highlighted words out.

import { postExplained } from "../api.js";
import { postEach } from "../compare.js";
import { byId, counted, h, latency, percent, probability, reveal, scrolling } from "../element.js";
import { fetchCard, modelsOf, options, resolve } from "../models.js";
import { problemBox } from "../problem.js";
import { showRequest } from "../snippets.js";
import { textsFor } from "./examples.js";
import { highlighted, legend, remark, weightTable } from "./words.js";

export const describe = (model) => model.labels.join(", ");

export const facts = (spec) => [
  ["labels", spec.labels.join(", ")],
  ["window", `${spec.max_tokens} tokens${spec.windows ? "; longer texts are read in several" : ""}`],
];

let running = new AbortController();

export function start() {
  const models = options("classify");
  if (models.length === 0) byId("classify-status").textContent = "No classifier is served.";
  byId("classify-form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (models.length === 0) return;
    run();
    reveal(byId("classify-status"));
  });
  if (models.length === 0) return;
  byId("classify-model").append(...models);
  byId("classify-texts").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) byId("classify-form").requestSubmit();
  });
  byId("classify-model").addEventListener("change", modelChanged);
  for (const id of ["classify-whole", "classify-explain", "classify-compare"]) byId(id).addEventListener("change", run);
  modelChanged();
}

const modelName = () => byId("classify-model").value;

function modelChanged() {
  const examples = textsFor(resolve(modelName()).labels);
  const box = byId("classify-texts");
  const fill = ({ texts }) => {
    byId("classify-whole").checked = false;
    box.value = texts.join("\n");
    run();
  };
  byId("classify-examples").replaceChildren(...examples.map((set) => h("button", { type: "button", class: "chip", onclick: () => fill(set) }, set.name)));
  const isUntouched = box.value === "" || textsFor(allLabels()).some(({ texts }) => texts.join("\n") === box.value);
  if (isUntouched) box.value = examples[0].texts.join("\n");
  run();
  showNote(modelName());
}

const allLabels = () => modelsOf("classify").flatMap(({ labels }) => labels);

async function showNote(name) {
  const fact = (text) => h("span", { class: "fact" }, text);
  let note;
  try {
    const { manifest, metrics } = await fetchCard(name);
    const { positive_label: positive, threshold } = manifest.spec;
    const error = metrics.expected_calibration_error;
    note = [
      manifest.intended_use,
      " ",
      h("a", { href: `#models/${manifest.name}` }, `Card of ${manifest.name}`),
      positive && threshold !== null ? fact(`threshold of ${positive}: ${percent(threshold, 0)}`) : "",
      typeof error === "number" ? fact(`expected calibration error: ${percent(error)}`) : "",
    ];
  } catch (problem) {
    note = [problem.message];
  }
  if (name === modelName()) byId("classify-note").replaceChildren(...note);
}

function readTexts() {
  const text = byId("classify-texts").value;
  return byId("classify-whole").checked ? [text] : text.split("\n").filter((line) => line.trim() !== "");
}

async function run() {
  running.abort();
  running = new AbortController();
  const { signal } = running;
  const inputs = readTexts();
  byId("classify-problem").replaceChildren();
  if (inputs.length === 0) {
    clear("Write or paste a text first.");
    showRequest("classify", "classify", null);
    return;
  }
  const explain = byId("classify-explain").checked;
  const body = { model: modelName(), inputs, ...(explain ? { explain } : {}) };
  showRequest("classify", "classify", body);
  byId("classify-results").setAttribute("aria-busy", "true");
  try {
    const { answer, milliseconds, sent, refusal } = await postExplained("classify", body, signal);
    showRequest("classify", "classify", sent);
    byId("classify-status").textContent = `${counted(inputs.length, "text")} in ${latency(milliseconds)}: ${answer.model}, version ${answer.version}.${refusal ? ` No explanation: ${refusal}.` : ""}`;
    const results = answer.results.map((result, index) => resultItem(inputs[index], index + 1, result));
    byId("classify-results").replaceChildren(sent.explain ? legend() : "", h("ol", { class: "results" }, results));
    await compare(inputs, signal);
  } catch (problem) {
    if (problem.name === "AbortError") return;
    clear("No result.");
    byId("classify-problem").replaceChildren(problemBox(problem));
  } finally {
    if (!signal.aborted) byId("classify-results").removeAttribute("aria-busy");
  }
}

function clear(status) {
  byId("classify-results").removeAttribute("aria-busy");
  byId("classify-status").textContent = status;
  byId("classify-results").replaceChildren();
  byId("classify-comparison").replaceChildren();
}

function resultItem(text, number, { label, score, scores, truncated, warnings = [], explanation = [] }) {
  const bars = Object.entries(scores).map(([name, share]) =>
    h(
      "li",
      { class: name === label ? "bar predicted" : "bar" },
      h("span", { class: "bar-name" }, name),
      h("span", { class: "bar-track", "aria-hidden": "true", "--share": `${100 * share}%` }),
      h("span", { class: "bar-share" }, probability(share)),
    ),
  );
  return h(
    "li",
    { class: "result" },
    h("p", { class: "prediction" }, h("strong", {}, label), h("span", {}, probability(score))),
    h("p", { class: "text", dir: "auto" }, highlighted(text, explanation)),
    remark(explanation) && h("p", { class: "hint" }, remark(explanation)),
    truncated && h("p", { class: "hint" }, "Truncated: the model read the beginning of this text only."),
    ...warnings.map((warning) => h("p", { class: "hint" }, warning)),
    h("ul", { class: "bars", "aria-label": "Probabilities" }, bars),
    explanation.length > 0 && weightTable(`text ${number}`, label, explanation),
  );
}

const sameLabels = (one, other) => [...one.labels].sort().join("\n") === [...other.labels].sort().join("\n");

async function compare(inputs, signal) {
  if (!byId("classify-compare").checked) {
    byId("classify-comparison").replaceChildren();
    return;
  }
  const models = modelsOf("classify").filter((model) => sameLabels(model, resolve(modelName())));
  const outcomes = await postEach(models, "classify", ({ name }) => ({ model: name, inputs }), signal);
  const rows = inputs.map((text, index) =>
    h(
      "tr",
      {},
      h("th", { scope: "row", class: "clipped" }, text),
      outcomes.map(({ answer, problem }) => {
        if (problem) return h("td", {}, "—");
        const { label, score } = answer.results[index];
        return h("td", {}, h("b", {}, label), ` ${probability(score)}`);
      }),
    ),
  );
  const latencies = outcomes.map(({ milliseconds, problem }) => h("td", {}, problem ? problem.message : latency(milliseconds)));
  const heads = outcomes.map(({ model }) => h("th", { scope: "col" }, model.architecture, h("small", {}, model.name)));
  byId("classify-comparison").replaceChildren(
    h("h2", {}, "Architectures compared"),
    h("p", { class: "hint" }, "The same texts, one model after the other, without explanations."),
    scrolling(
      "Architectures compared",
      h("table", { class: "comparison" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "text"), heads)), h("tbody", {}, rows), h("tfoot", {}, h("tr", {}, h("th", { scope: "row" }, "latency"), latencies))),
    ),
  );
}
