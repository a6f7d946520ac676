// A log that goes on: <div class="log" data-follow="URL"> is filled anew from a stream of JSON lines, {instance, text},
// which begins with the newest lines that the page shows already, and goes on with those to come.

import { inked } from "./ink.js";
import { seen, unseen, withLine } from "./lines.js";

const MOST = 3000; // lines that stay on the page
const AGAIN = 2000; // milliseconds until a stream that broke is asked for anew
const PAUSED = "Paused: what comes is kept.";

function lineOf({ instance, text }, named) {
  const line = document.createElement("div");
  line.className = "line";
  const found = /^(\S+) (stdout|stderr) [FP] (.*)$/s.exec(text);
  if (found) {
    const time = document.createElement("time");
    time.className = "muted";
    time.dateTime = found[1];
    time.textContent = found[1].slice(11, 19);
    line.append(time, " ");
    if (found[2] === "stderr") line.classList.add("err");
  }
  if (named) {
    const who = document.createElement("span");
    who.className = "who";
    who.textContent = instance;
    line.append(who, " ");
  }
  line.append(...inked(found ? found[3] : text));
  return line;
}

/** The day that lines were written on, where it is another one than that of the line before. */
function dayOf(line, before) {
  const day = line.querySelector("time")?.dateTime.slice(0, 10) ?? before;
  if (day === before) return [];
  return [Object.assign(document.createElement("div"), { className: "line day", textContent: day })];
}

async function* told(url, signal) {
  const answer = await fetch(url, { headers: { accept: "application/jsonl" }, signal });
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({}));
    throw Object.assign(new Error(problem.detail || `It can't be read (${answer.status}).`), { refused: answer.status < 500 });
  }
  yield []; // it has begun
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    yield lines.filter((line) => line.trim()).map((line) => JSON.parse(line));
  }
}

function follow(log) {
  const named = "names" in log.dataset;
  const pause = document.querySelector("[data-pause]");
  const state = document.querySelector("[data-state]");
  const newest = new Map(); // by instance, the time of its last line
  let held = null; // what came while it was paused
  let stopped = false;
  let how = "";
  const say = (text) => { if (state && state.textContent !== text) state.textContent = text; };

  const add = (lines) => {
    const down = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    let day = [...log.querySelectorAll(".day")].at(-1)?.textContent ?? "";
    for (const line of lines.map((one) => lineOf(one, named))) {
      log.append(...dayOf(line, day), line);
      day = line.querySelector("time")?.dateTime.slice(0, 10) ?? day;
    }
    while (log.childElementCount > MOST) log.firstElementChild.remove();
    if (down) log.scrollTop = log.scrollHeight;
  };
  const note = ({ instance, text }) => newest.set(instance, text.slice(0, text.indexOf(" ")));
  const isNew = ({ instance, text }) => text.slice(0, text.indexOf(" ")) > (newest.get(instance) ?? "");

  // What a stream begins with may be here; the very first takes the place of what the page came with.
  let first = true;
  const take = async (stream, known) => {
    for await (const lines of stream) {
      say(held ? PAUSED : how);
      if (!lines.length) continue;
      if (first) log.replaceChildren();
      const news = [...lines.slice(0, known).filter(isNew), ...lines.slice(known)];
      known = Math.max(0, known - lines.length);
      first = false;
      news.forEach(note);
      if (held) held.push(...news);
      else add(news);
      if (held?.length > MOST) held.splice(0, held.length - MOST);
    }
  };
  // Whoever has no line of their own looks now and then, and does not wait for what is to come.
  const look = async (own, signal) => {
    const url = new URL(log.dataset.follow, location);
    if (!own) url.searchParams.delete("follow");
    how = own ? "Following." : "Looking every few seconds: several other windows follow something.";
    await take(told(url, signal), first ? 0 : Number(url.searchParams.get("lines")));
  };

  const go = async () => {
    while (!stopped && log.isConnected) {
      await seen();
      const control = new AbortController();
      const leave = () => control.abort();
      const watched = unseen(leave);
      addEventListener("pagehide", leave, { once: true });
      try {
        await withLine((own) => look(own, control.signal));
      } catch (error) {
        if (!control.signal.aborted) {
          say(error.message);
          stopped = Boolean(error.refused);
        }
      }
      watched();
      removeEventListener("pagehide", leave);
      await new Promise((resolve) => { setTimeout(resolve, AGAIN); });
    }
  };

  if (pause) {
    pause.hidden = false;
    pause.addEventListener("click", () => {
      const rest = held;
      held = held ? null : [];
      if (rest) add(rest);
      pause.setAttribute("aria-pressed", String(Boolean(held)));
      say(held ? PAUSED : how);
    });
  }
  go();
}

for (const log of document.querySelectorAll(".log[data-tail]")) log.scrollTop = log.scrollHeight;
for (const log of document.querySelectorAll(".log[data-follow]")) follow(log);
