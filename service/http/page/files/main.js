/** Ties the parts of the page together: a picture and a question go to the API, its answers to the stage. */

import { Problem, explain, listModels, listSamples, useKey } from "./api.js";
import { Classes } from "./classes.js";
import { fill } from "./element.js";
import { Intake } from "./intake.js";
import { words } from "./numbers.js";
import { problemText } from "./problem.js";
import { Progress } from "./progress.js";
import { Stage } from "./stage.js";
import { Views } from "./views.js";

const UNAUTHORIZED = 401;

const find = (id) => document.getElementById(id);
const bench = find("bench");
const classes = new Classes(bench);
const stage = new Stage(find("answer"), { onask: ask, announce });
const progress = new Progress(() => run?.abort());
const intake = new Intake(bench, { onpicture: begin, onrefuse: refuse, onfail: complain });

let views;
let run = null;

bench.addEventListener("submit", (event) => {
  event.preventDefault();
  begin();
});
find("authorize").addEventListener("click", authorize);
find("key").addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault(); // the form would ask with the former key
  authorize();
});
start();

function authorize() {
  useKey(find("key").value);
  start();
}

/** Learn what is served. */
async function start() {
  try {
    const models = await listModels();
    const buttons = { add: find("add"), twin: find("twin") };
    views = new Views(find("views"), buttons, models, (model) => classes.follow(model));
    classes.follow(views.model);
    intake.offer(await listSamples(), find("samples"));
    find("keyring").hidden = true;
    fill(find("problem"));
    find("explain").disabled = false;
    if (intake.picture) begin(intake.picture);
  } catch (problem) {
    complain(problem);
  }
}

/** Explain what is in the form. A new picture begins with the class that is predicted for it. */
function begin(picture) {
  if (!views) return;
  if (picture) classes.offer([]);
  if (!intake.picture) return refuse("Choose a picture first.");
  if (Math.abs(seed()) > Number.MAX_SAFE_INTEGER) return complain(inexact(find("seed").value));
  run?.abort();
  run = new AbortController();
  explainAll(views.read(), intake.picture, run.signal);
}

/** Explain another class of the same picture. */
function ask(index) {
  classes.choose(index);
  begin();
}

/** One after the other, so that each has the device and its deadline to itself. */
async function explainAll(wanted, picture, signal) {
  fill(find("problem"));
  const panels = stage.set(wanted, picture);
  const common = options(picture);
  revealAnswer();
  try {
    for (const [index, panel] of panels.entries()) {
      const place = panels.length > 1 ? `${index + 1} of ${panels.length}` : "";
      const reply = await explainOne(panel, picture, common, place, signal);
      // All explanations answer one question, also where twins predict different classes.
      if (reply) common.target ??= reply.answer.explanation.target.index;
    }
    if (!signal.aborted) progress.end();
  } catch (error) {
    if (error.name !== "AbortError") throw error;
    if (run.signal !== signal) return; // another run has begun
    progress.end();
    stage.giveUp();
    // Whoever pressed Cancel by the keyboard would have to begin at the top: the button is gone.
    if (document.activeElement === document.body) find("explain").focus({ preventScroll: true });
    announce("Cancelled.");
  }
}

/** Returns the answer; a problem is shown and gives undefined. */
async function explainOne(panel, picture, common, place, signal) {
  const { view } = panel;
  progress.begin(panel.body);
  announce(`Explaining with ${words(view.method.name)}${place && `, ${place}`}.`);
  const asked = { model: view.model.name, version: view.model.version, method: view.method.name, ...common };
  if (Object.keys(view.parameters).length > 0) asked.parameters = view.parameters;
  try {
    const tell = (account) => progress.tell(account);
    const reply = { ...(await explain(picture.blob, asked, signal, tell)), options: asked };
    stage.show(panel, reply);
    welcome(reply.answer);
    return reply;
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    stage.fail(panel, problem);
    announce(`${problem.title}. ${problem.detail}`);
    complainOfKey(problem);
    return undefined;
  }
}

/** What an answer changes outside the stage. */
function welcome(answer) {
  const [best] = answer.prediction.top_k;
  const verdict = answer.receipt ? ` Verdict: ${answer.receipt.verdict}.` : "";
  announce(`${best.label}, ${words(answer.explanation.method)}.${verdict}`);
  intake.outline(answer.picture);
  if (answer.model.name === views.model.name) classes.offer(answer.prediction.top_k);
}

/** The options that all explanations share. */
function options(picture) {
  const limit = find("limit").valueAsNumber;
  return {
    ...classes.read(),
    receipt: bench.querySelector("input[name=receipt]:checked").value,
    ...measures(),
    seed: seed(),
    encoding: "npy",
    ...(Number.isNaN(limit) ? {} : { deadline_ms: 1000 * limit }),
    ...(picture.ground ? {} : { overlay: true }),
  };
}

function seed() {
  return find("seed").value === "" ? 0 : Number(find("seed").value);
}

/** The API knows larger seeds; a number of JavaScript's would be another one, and so would be the map. */
function inexact(text) {
  const most = Number.MAX_SAFE_INTEGER.toLocaleString("en");
  const detail = `The seed ${text} is too large for a browser, which counts to ${most}. Take a smaller one here, or send this one with curl or the Python client.`;
  return new Problem({ title: "Seed too large", detail });
}

/** What else to measure; without a receipt there is nothing to measure it beside. */
function measures() {
  if (bench.querySelector("input[name=receipt]:checked").value === "none") return {};
  const chosen = [...bench.querySelectorAll("input[name=measures]:checked")].map(({ value }) => value);
  return chosen.length > 0 ? { measures: chosen } : {};
}

function complain(problem) {
  if (!(problem instanceof Problem)) throw problem;
  fill(find("problem"), problemText(problem));
  complainOfKey(problem);
}

function complainOfKey({ status }) {
  if (status === UNAUTHORIZED) find("keyring").hidden = false;
}

function refuse(text) {
  complain(new Problem({ title: "No picture", detail: text }));
}

/** Tell screen readers. */
function announce(text) {
  fill(find("status"), text);
}

/** The answer may lie below the form, or have been scrolled out of sight. */
function revealAnswer() {
  const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const answer = find("answer");
  const { top } = answer.getBoundingClientRect();
  if (top < 0 || top > innerHeight / 2) answer.scrollIntoView({ behavior: isStill ? "auto" : "smooth" });
}
