// Requests to the service's own routes, with the latency of each response.

import { headers as keyHeaders } from "./key.js";

// An error response of the service.
export class Problem extends Error {
  constructor(title, detail, errors = [], status = null) {
    super(detail);
    this.title = title;
    this.status = status;
    this.errors = errors;
  }
}

async function request(path, options) {
  const start = performance.now();
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
  return { answer, milliseconds: performance.now() - start };
}

export const get = async (path) => (await request(path)).answer;

export function post(path, body, signal) {
  const headers = { "Content-Type": "application/json" };
  return request(path, { method: "POST", headers, body: JSON.stringify(body), signal });
}

// Like `post`; a request too large for `explain` is sent again without it. `sent` is the body that was answered, and
// `refusal` says why nothing is explained.
export async function postExplained(path, body, signal) {
  try {
    return { ...(await post(path, body, signal)), sent: body };
  } catch (problem) {
    const { errors = [] } = problem;
    if (errors.length === 0 || errors.some(({ loc }) => loc[0] !== "explain")) throw problem;
    const { explain, ...plain } = body;
    return { ...(await post(path, plain, signal)), sent: plain, refusal: errors[0].msg };
  }
}

// A file, for elements and tabs that can't send a key themselves.
export async function fetchFile(path) {
  const response = await fetch(path, { headers: keyHeaders() });
  if (!response.ok) throw new Problem("No file", "The service can't send this file now.", [], response.status);
  return response.blob();
}

// The absolute URL of a route; the page may be served under a prefix.
export const absoluteURL = (path) => new URL(path, document.baseURI).href;
