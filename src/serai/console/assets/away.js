// While the platform's store is away: a notice says how old this page is. Once the store is back the page is got anew, by
// itself where nobody does anything with it.

import { inUse } from "./keep.js";

const OFTEN = 3000; // milliseconds between two looks whether it is back
const FIELD = "serai-as-of"; // a page's or a part's age, where it is not of now
const box = document.getElementById("known");
const sent = box?.dataset.again === ""; // this page is the answer to a form
let shown = box?.textContent.trim(); // as it came
let timer = 0;

function show(text) {
  const { body } = new DOMParser().parseFromString(text, "text/html");
  const said = body.textContent.trim();
  if (said === shown) return; // whoever hears what changes hears it once
  shown = said;
  for (const time of body.querySelectorAll("time")) time.textContent = new Date(time.dateTime).toLocaleString();
  box.replaceChildren(...body.childNodes);
}

function later() {
  clearTimeout(timer);
  timer = setTimeout(look, OFTEN);
}

async function look() {
  later();
  if (document.hidden) return;
  let answer = null;
  try {
    answer = await fetch(box.dataset.again || "/kinds?part=again", { headers: { "HX-Request": "true" } });
  } catch {
    return; // there is no connection
  }
  if (answer.status >= 500) return;
  if (answer.headers.has(FIELD)) show(await answer.text());
  else back();
}

function back() {
  clearTimeout(timer);
  timer = 0;
  if (!sent && !inUse(document.body) && !document.querySelector(".terminal, form[data-sent]")) {
    location.reload();
    return;
  }
  const link = document.createElement("a");
  link.href = location.href;
  link.textContent = "Show this page as it is now";
  const notice = document.createElement("p");
  notice.className = "notice warn";
  notice.append("The platform’s store is back", ...(sent ? [": what you typed can be sent."] : [". ", link, "."]));
  box.replaceChildren(notice);
}

// What is renewed while the page is open may be older than the rest of it, or the first that is new again.
document.addEventListener("htmx:afterRequest", ({ detail }) => {
  if (!detail.successful) return;
  const old = detail.xhr.getResponseHeader(FIELD) !== null;
  if (old && !timer) look();
  else if (!old && timer) back();
});

if (box && (box.querySelector(".notice") || document.querySelector("[data-gap]"))) later();
