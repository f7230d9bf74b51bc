// The service's own routes, asked from the browser, with the time each answer took.

import { headers as keyHeaders } from "./key.js";

// A refusal in the service's words.
export class Problem extends Error {
  constructor(title, detail, places = [], status = null) {
    super(detail);
    this.title = title;
    this.status = status;
    this.places = places;
  }
}

async function ask(path, options) {
  const begun = performance.now();
  let response;
  let answer;
  try {
    response = await fetch(path, { ...options, headers: { ...keyHeaders(), ...options?.headers } });
    answer = await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("No answer", "The service could not be reached. Is it still running?");
  }
  if (!response.ok) throw new Problem(answer.title, answer.detail, answer.errors ?? [], response.status);
  return { answer, milliseconds: performance.now() - begun };
}

export const get = async (path) => (await ask(path)).answer;

export function post(path, body, signal) {
  const headers = { "Content-Type": "application/json" };
  return ask(path, { method: "POST", headers, body: JSON.stringify(body), signal });
}

// The same where `explain` is asked for and the request may be too large for it: then without, and `refusal` says why.
export async function postExplained(path, body, signal) {
  try {
    return { ...(await post(path, body, signal)), asked: body };
  } catch (problem) {
    const { places = [] } = problem;
    if (places.length === 0 || places.some(({ loc }) => loc[0] !== "explain")) throw problem;
    const { explain, ...plain } = body;
    return { ...(await post(path, plain, signal)), asked: plain, refusal: places[0].msg };
  }
}

// A file, for elements and tabs that can't send a key themselves.
export async function file(path) {
  const response = await fetch(path, { headers: keyHeaders() });
  if (!response.ok) throw new Problem("No file", "The service doesn't give this file now.", [], response.status);
  return response.blob();
}

// Where a route lies for somebody outside this page; the page may be served under a prefix.
export const address = (path) => new URL(path, document.baseURI).href;
