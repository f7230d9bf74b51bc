// The served models: the list, each model's card, and the options of a model select.

import { get } from "./api.js";
import { h } from "./element.js";

let list = { models: [], aliases: {}, refused: [] };
const cards = new Map();

export async function loadModels() {
  list = await get("models");
}

export const modelList = () => list;

export const modelsOf = (task) => list.models.filter((model) => model.task === task);

export function fetchCard(name) {
  if (!cards.has(name)) {
    const card = get(`models/${encodeURIComponent(name)}`);
    card.catch(() => cards.delete(name));
    cards.set(name, card);
  }
  return cards.get(name);
}

// The model that a name or alias resolves to.
export function resolve(name) {
  const target = list.aliases[name]?.name ?? name;
  return list.models.find((model) => model.name === target);
}

// Options of a model select: aliases first, with their targets. `compare` orders the models that the aliases resolve to.
export function options(task, compare = () => 0) {
  const models = modelsOf(task);
  const aliases = Object.entries(list.aliases).filter(([, { name, version }]) => models.some((model) => model.name === name) && version !== null);
  aliases.sort(([, one], [, other]) => compare(resolve(one.name), resolve(other.name)));
  return [
    aliases.length > 0 && h("optgroup", { label: "Aliases" }, aliases.map(([alias, { name }]) => h("option", { value: alias }, `${alias} (${name})`))),
    models.length > 0 && h("optgroup", { label: "All models" }, models.map(({ name }) => h("option", { value: name }, name))),
  ].filter(Boolean);
}
