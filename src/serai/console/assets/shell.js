// A terminal on a page: <div data-shell="URL of the app's shells" data-instance="…">. The field takes the keys, the screen
// shows what comes; F6 leaves it. What the page says without scripts is hidden.

import { Drawing } from "./draw.js";
import { pasted, sent } from "./keys.js";
import { Screen } from "./screen.js";
import { Shell } from "./wire.js";

const SAID_EVERY = 1000; // milliseconds between two things that are read out
const SAID = 600; // characters of one
const SETTLED = 150; // milliseconds after which a new size is told
const HOW = {
  exited: "It ended", signal: "It was killed", stopped: "Its instance has ended", ended: "It was ended", lost: "It is gone",
  idle: "Nothing was said for so long that it was ended", detached: "It was ended, since nobody read it",
  expired: "It was open for as long as it may be",
};

const root = document.querySelector("[data-shell]");
const [place, field, state, spoken] = ["screen", "field", "state", "said"].map((name) => root.querySelector(`.${name}`));
const [begin, end] = ["begin", "end"].map((name) => root.querySelector(`button.${name}`));
let shell = null;
let screen = null;
let drawing = null;
let decoder = null;
let said = "";

function say(text, tone = "") {
  state.textContent = text;
  state.dataset.tone = tone;
}

function type(text) {
  if (!shell || shell.ended) return;
  place.scrollTop = place.scrollHeight;
  shell.type(text);
}

function heard(octets) {
  const text = decoder.decode(octets, { stream: true });
  screen.write(text);
  drawing.soon();
  if (!screen.other) said = (said + text.replace(/\x1b(?:\[[^@-~]*.|\][^\x07]*\x07|.)|[\x00-\x09\x0b-\x1f]/g, "")).slice(-SAID);
}

function over({ code, reason }) {
  const how = HOW[reason] ?? reason;
  say(code === null ? `${how}.` : code < 0 ? `${how}, by signal ${-code}.` : `${how}, with status ${code}.`, code === 0 ? "" : "warn");
  root.classList.remove("open");
  end.hidden = true;
  begin.hidden = false;
  begin.textContent = "Open another one";
  if (document.activeElement === field) begin.focus();
}

function fit() {
  const room = drawing.room();
  if (room.rows === screen.rows && room.columns === screen.columns) return;
  screen.resize(room.rows, room.columns);
  drawing.soon();
  shell.resize(room);
}

async function open() {
  begin.hidden = true;
  root.classList.add("open");
  place.replaceChildren();
  decoder = new TextDecoder();
  shell = new Shell(root.dataset.shell, {
    heard, over, waits: (lost) => say(lost ? "The connection is lost: trying again." : "Open. F6 leaves it.", lost ? "warn" : ""),
  });
  screen = new Screen(24, 80, (text) => shell.type(text));
  drawing = new Drawing(screen, place);
  const room = drawing.room();
  screen.resize(room.rows, room.columns);
  say("Opening…");
  try {
    const instance = await shell.open({ instance: root.querySelector("[name=instance]")?.value ?? "", terminal: room });
    field.setAttribute("aria-label", `Terminal in ${instance}; F6 leaves it`);
    end.hidden = false;
    drawing.now();
    field.focus();
  } catch (error) {
    over({ code: null, reason: error.message.replace(/\.$/, "") });
  }
}

field.addEventListener("keydown", (event) => {
  if (event.key === "F6") {
    end.focus();
    event.preventDefault();
    return;
  }
  const marked = String(getSelection());
  if (event.ctrlKey && event.key === "c" && marked) {
    navigator.clipboard?.writeText(marked);
    getSelection().removeAllRanges();
    event.preventDefault();
    return;
  }
  if (event.ctrlKey && event.key === "v") return; // the field's own paste
  const text = sent(event, screen.modes);
  if (text === null) return;
  event.preventDefault();
  type(text);
});
field.addEventListener("input", (event) => {
  if (event.isComposing) return;
  type(field.value.replace(/\n/g, "\r"));
  field.value = "";
});
field.addEventListener("compositionend", () => {
  type(field.value);
  field.value = "";
});
field.addEventListener("paste", (event) => {
  event.preventDefault();
  type(pasted(event.clipboardData.getData("text"), screen.modes));
});
place.addEventListener("mouseup", () => { if (!String(getSelection()) && shell && !shell.ended) field.focus(); });
for (const button of root.querySelectorAll("[data-key]")) {
  const { key } = button.dataset;
  button.addEventListener("click", () => {
    type(sent({ key, ctrlKey: key.length === 1, shiftKey: false, altKey: false, getModifierState: () => false }, screen.modes));
    field.focus();
  });
}
begin.addEventListener("click", open);
end.addEventListener("click", () => shell.stop());

let settles = 0;
new ResizeObserver(() => {
  clearTimeout(settles);
  settles = setTimeout(() => { if (shell && !shell.ended) fit(); }, SETTLED);
}).observe(place);
setInterval(() => {
  if (said) spoken.textContent = said;
  said = "";
}, SAID_EVERY);
addEventListener("beforeunload", (event) => { if (shell && !shell.ended && shell.typed) event.preventDefault(); });
addEventListener("pagehide", () => shell?.stop());

if (root.hasAttribute("data-now")) open();
