// The same request to several models, one after the other, so that they don't compete for the CPU.

import { post } from "./api.js";

export async function postEach(models, path, bodyFor, signal) {
  const outcomes = [];
  for (const model of models) {
    try {
      outcomes.push({ model, ...(await post(path, bodyFor(model), signal)) });
    } catch (problem) {
      if (problem.name === "AbortError") throw problem;
      outcomes.push({ model, problem });
    }
  }
  return outcomes;
}
