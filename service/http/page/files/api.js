/** The service's public routes; the page knows nothing but what they say. */

import { eventsOf } from "./events.js";

/** A failure in the API's own words (RFC 9457). */
export class Problem extends Error {
  constructor({ title, detail, code = "", where = "", request_id = "", status = 0 }, retryAfter = null) {
    super(detail);
    Object.assign(this, { title, detail, code, where, requestId: request_id, status, retryAfter });
  }
}

let key = "";

/** Send *secret* with every request from now on; it is kept in memory only. */
export function useKey(secret) {
  key = secret;
}

/** Whether a key goes with every request. */
export function hasKey() {
  return key !== "";
}

/** What is served. */
export async function listModels() {
  const response = await ask("v1/models?manifest=false");
  return (await response.json()).models;
}

const described = new Map();

/**
 * What is known of a model, certificates and all; asked for once.
 *
 * @param {{name: string, version: string, sha256: string}} model
 */
export function describeModel({ name, version, sha256 }) {
  if (!described.has(sha256)) {
    const path = `v1/models/${encodeURIComponent(name)}?version=${encodeURIComponent(version)}`;
    described.set(
      sha256,
      ask(path)
        .then((response) => response.json())
        .catch((problem) => {
          described.delete(sha256); // the next answer asks again
          throw problem;
        }),
    );
  }
  return described.get(sha256);
}

/** The bundled pictures; none if there are none. */
export async function listSamples() {
  const response = await ask("samples");
  return (await response.json()).samples;
}

/** One of them, by its address. */
export async function fetchSample(url) {
  const response = await ask(url);
  try {
    return await response.blob();
  } catch {
    throw unreachable();
  }
}

/**
 * Explain a picture.
 *
 * @param {Blob} picture The file as it is.
 * @param {Object} options Of `POST /v1/explain`.
 * @param {AbortSignal} signal Gives the request up, and the work with it.
 * @param {function(Object)} onprogress Told how far the service has come.
 * @returns {Promise<{answer: Object, text: string}>} The answer, and the bytes of it as text.
 */
export async function explain(picture, options, signal, onprogress) {
  const form = new FormData();
  form.append("image", picture, "image");
  form.append("options", JSON.stringify(options));
  const headers = { Accept: "text/event-stream" };
  const response = await ask("v1/explain", { method: "POST", body: form, headers, signal });
  const events = eventsOf(response.body);
  let last = null;
  try {
    for (let event = await nextOf(events); event; event = await nextOf(events)) {
      const told = JSON.parse(event.data);
      if (event.name === "progress") onprogress(told);
      else last = { ...event, told };
    }
  } finally {
    events.return();
  }
  if (last?.name === "result") return { answer: last.told, text: last.data };
  throw last ? new Problem(last.told, last.told.retry_after_s ?? null) : unreachable();
}

/** The next event, or nothing at the end. */
async function nextOf(events) {
  try {
    return (await events.next()).value;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw unreachable();
  }
}

/** Fetch; every failure is a {@link Problem}, but a request given up stays an AbortError. */
async function ask(path, { headers = {}, ...rest } = {}) {
  const authorization = key ? { Authorization: `Bearer ${key}` } : {};
  let response;
  try {
    response = await fetch(path, { ...rest, headers: { ...headers, ...authorization } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw unreachable();
  }
  if (!response.ok) throw await problemOf(response);
  return response;
}

function unreachable() {
  return new Problem({ title: "No answer", detail: "The service cannot be reached. Is it still running?" });
}

async function problemOf(response) {
  const retryAfter = response.headers.get("Retry-After");
  const isProblem = (response.headers.get("Content-Type") ?? "").startsWith("application/problem+json");
  if (isProblem) return new Problem(await response.json(), retryAfter);
  const detail = `The service answered with status ${response.status}.`;
  return new Problem({ title: "Failed", detail, status: response.status }, retryAfter);
}
