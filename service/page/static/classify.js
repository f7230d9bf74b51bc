// The view of classifiers: texts in; labels, calibrated bars and coloured words out.

import { postExplained } from "./api.js";
import { askEach } from "./compare.js";
import { byId, h, latency, percent, probability, reveal, scrolling } from "./element.js";
import { textsFor } from "./examples.js";
import { card, comparable, meant, options } from "./models.js";
import { problemBox } from "./problem.js";
import { snippets } from "./snippets.js";
import { colouredWords, key, remark, weightTable } from "./words.js";

let running = new AbortController();

export function begin() {
  const models = options("classify");
  byId("label-form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (!name()) return; // nothing is served
    run();
    reveal(byId("label-status"));
  });
  if (!models.some((group) => group.children.length > 0)) {
    byId("label-status").textContent = "No classifier is served.";
    return;
  }
  byId("label-model").append(...models);
  byId("label-texts").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) byId("label-form").requestSubmit();
  });
  byId("label-model").addEventListener("change", choose);
  for (const id of ["label-whole", "label-explain", "label-compare"]) byId(id).addEventListener("change", run);
  choose();
}

const name = () => byId("label-model").value;

// Another model: its note, examples that suit it, and the answer to what is in the box.
async function choose() {
  const examples = textsFor(meant(name()).labels);
  const box = byId("label-texts");
  const fill = ({ texts }) => {
    byId("label-whole").checked = false;
    box.value = texts.join("\n");
    run();
  };
  byId("label-examples").replaceChildren(...examples.map((set) => h("button", { type: "button", class: "chip", onclick: () => fill(set) }, set.name)));
  const untouched = textsFor(allLabels()).some(({ texts }) => texts.join("\n") === box.value);
  if (box.value === "" || untouched) box.value = examples[0].texts.join("\n");
  run();
  await note();
}

const allLabels = () => [...byId("label-model").options].flatMap((option) => meant(option.value).labels);

async function note() {
  const asked = name();
  try {
    const { manifest, metrics } = await card(asked);
    if (asked !== name()) return;
    const { positive_label: positive, threshold } = manifest.spec;
    const error = metrics.expected_calibration_error;
    byId("label-note").replaceChildren(
      manifest.intended_use,
      " ",
      h("a", { href: `#models/${manifest.name}` }, `Card of ${manifest.name}`),
      positive && threshold !== null ? h("span", { class: "fact" }, `Says ${positive} from ${percent(threshold)} on.`) : "",
      typeof error === "number" ? h("span", { class: "fact" }, `Calibrated: on held-out texts the probabilities were ${percent(error)} off on average.`) : "",
    );
  } catch (problem) {
    byId("label-note").replaceChildren(problem.message);
  }
}

function texts() {
  const typed = byId("label-texts").value;
  return byId("label-whole").checked ? [typed] : typed.split("\n").filter((line) => line.trim() !== "");
}

async function run() {
  running.abort();
  running = new AbortController();
  const { signal } = running;
  const status = byId("label-status");
  const inputs = texts();
  byId("label-problem").replaceChildren();
  if (inputs.length === 0) {
    status.textContent = "Write or paste a text first.";
    byId("label-results").replaceChildren();
    byId("label-comparison").replaceChildren();
    showCall(null);
    return;
  }
  const explain = byId("label-explain").checked;
  const body = { model: name(), inputs, ...(explain ? { explain } : {}) };
  showCall(body);
  byId("label-results").setAttribute("aria-busy", "true");
  try {
    const { answer, milliseconds, asked, refusal } = await postExplained("classify", body, signal);
    showCall(asked);
    status.textContent = `${inputs.length === 1 ? "1 text" : `${inputs.length} texts`} labelled by ${answer.model}, version ${answer.version}, in ${latency(milliseconds)}${asked.explain ? ", weights included" : ""}.${refusal ? ` No weights: ${refusal}.` : ""}`;
    byId("label-results").replaceChildren(asked.explain ? key() : "", h("ol", { class: "results" }, answer.results.map((result, index) => resultItem(inputs[index], index + 1, result))));
    await compare(inputs, signal);
  } catch (problem) {
    if (problem.name === "AbortError") return;
    status.textContent = "No labels.";
    byId("label-results").replaceChildren();
    byId("label-comparison").replaceChildren();
    byId("label-problem").replaceChildren(problemBox(problem));
  } finally {
    if (!signal.aborted) byId("label-results").removeAttribute("aria-busy");
  }
}

function showCall(body) {
  byId("label-snippets").replaceChildren(...(body ? snippets("classify", body) : []));
  for (const id of ["label-call", "label-jump"]) byId(id).hidden = !body;
}

function resultItem(text, number, { label, score, scores, truncated, explanation = [] }) {
  const bars = Object.entries(scores).map(([each, share]) =>
    h(
      "li",
      { class: each === label ? "bar chosen" : "bar" },
      h("span", { class: "bar-name" }, each),
      h("span", { class: "bar-track", "aria-hidden": "true", "--share": `${100 * share}%` }),
      h("span", { class: "bar-share" }, probability(share)),
    ),
  );
  return h(
    "li",
    { class: "result" },
    h("p", { class: "verdict" }, h("strong", {}, label), h("span", {}, probability(score))),
    h("p", { class: "text", dir: "auto" }, colouredWords(text, explanation)),
    remark(explanation) && h("p", { class: "hint" }, remark(explanation)),
    truncated && h("p", { class: "hint" }, "Only the beginning of this text was read."),
    h("ul", { class: "bars", "aria-label": "Probabilities" }, bars),
    explanation.length > 0 && weightTable(`text ${number}`, label, explanation),
  );
}

async function compare(inputs, signal) {
  const place = byId("label-comparison");
  if (!byId("label-compare").checked) {
    place.replaceChildren();
    return;
  }
  const models = comparable(meant(name()));
  const outcomes = await askEach(models, "classify", (model) => ({ model: model.name, inputs }), signal);
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
  const times = outcomes.map(({ milliseconds, problem }) => h("td", {}, problem ? problem.message : latency(milliseconds)));
  const heads = outcomes.map(({ model }) => h("th", { scope: "col" }, model.architecture, h("small", {}, model.name)));
  place.replaceChildren(
    h("h2", {}, "Architectures compared"),
    h("p", { class: "hint" }, "The same texts to each model, one after the other, without weights; times as measured in this browser."),
    scrolling(
      "Architectures compared",
      h("table", { class: "comparison" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "text"), heads)), h("tbody", {}, rows), h("tfoot", {}, h("tr", {}, h("th", { scope: "row" }, "time"), times))),
    ),
  );
}
