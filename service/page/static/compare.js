// The same request to several models, one after the other so that none waits for another.

import { post } from "./api.js";

export async function askEach(models, path, bodyFor, signal) {
  const outcomes = [];
  for (const model of models) {
    try {
      outcomes.push({ model, ...(await post(path, bodyFor(model), signal)) });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      outcomes.push({ model, problem: error });
    }
  }
  return outcomes;
}
