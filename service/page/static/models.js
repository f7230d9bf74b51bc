// What is served: the list, each model's card, and which models can be compared. Nothing here knows a model by name.

import { get } from "./api.js";
import { h } from "./element.js";

let listed = { models: [], aliases: {}, refused: [] };
const cards = new Map();

export async function loadModels() {
  listed = await get("models");
}

export const everything = () => listed;

export const modelsOf = (task) => listed.models.filter((model) => model.task === task);

export function card(name) {
  if (!cards.has(name)) {
    const found = get(`models/${encodeURIComponent(name)}`);
    found.catch(() => cards.delete(name));
    cards.set(name, found);
  }
  return cards.get(name);
}

// The model that a name or alias means.
export function meant(name) {
  const target = listed.aliases[name]?.name ?? name;
  return listed.models.find((model) => model.name === target);
}

const family = ({ name, architecture }) => (name.endsWith(`-${architecture}`) ? name.slice(0, -architecture.length - 1) : name);

// The other models that do the same: of the same family, or with the same labels, or, alone of its family, every
// forecaster of the same spacing.
export function comparable(model, freq) {
  const sameTask = modelsOf(model.task);
  const labels = (one) => [...one.labels].sort().join("\n");
  if (model.task === "classify") return sameTask.filter((one) => labels(one) === labels(model));
  const relatives = sameTask.filter((one) => family(one) === family(model));
  return relatives.length > 1 || !freq ? relatives : sameTask.filter((one) => one.frequencies.includes(freq));
}

// Options of a choice of models: short names first, with what they mean; the model of the most spacings before others.
export function options(task) {
  const models = modelsOf(task);
  const aliases = Object.entries(listed.aliases).filter(([, target]) => models.some(({ name }) => name === target.name) && target.version !== null);
  const breadth = ([, target]) => meant(target.name).frequencies.length;
  aliases.sort((one, other) => breadth(other) - breadth(one));
  return [
    aliases.length > 0 && h("optgroup", { label: "Short names" }, aliases.map(([alias, target]) => h("option", { value: alias }, `${alias} (${target.name})`))),
    h("optgroup", { label: "Every model" }, models.map(({ name }) => h("option", { value: name }, name))),
  ].filter(Boolean);
}
