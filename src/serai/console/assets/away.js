// While the platform's store is away: a notice says how old this page is. Once the store is back the page is got anew, by
// itself where nobody does anything with it.

import { inUse } from "./keep.js";

const OFTEN = 3000; // milliseconds between two looks whether it is back
const FIELD = "serai-as-of"; // seconds since the epoch
const box = document.getElementById("known");
const notice = box?.querySelector(".notice");
let timer = 0;

/** Say how old what is shown is. */
function tell(seconds) {
  const date = new Date(1000 * seconds);
  const time = notice.querySelector("time");
  if (time && time.dateTime !== date.toISOString()) {
    time.dateTime = date.toISOString();
    time.textContent = date.toLocaleString();
  }
  notice.hidden = false;
  later();
}

function later() {
  clearTimeout(timer);
  timer = setTimeout(look, OFTEN);
}

async function look() {
  if (document.hidden) {
    later();
    return;
  }
  let answer = null;
  try {
    answer = await fetch(box.dataset.again, { headers: { "HX-Request": "true" } });
  } catch { /* there is no connection */ }
  if (!answer || answer.status >= 500 || answer.headers.has(FIELD)) later();
  else back();
}

function back() {
  clearTimeout(timer);
  timer = 0;
  const busy = inUse(document.body) || document.querySelector(".terminal, form[data-sent]");
  if (box.dataset.got === "GET" && !busy) {
    location.reload();
    return;
  }
  const link = document.createElement("a");
  link.href = location.href;
  link.textContent = "Show this page as it is now";
  if (box.dataset.got === "GET") notice.replaceChildren("The platform’s store is back. ", link, ".");
  else notice.replaceChildren("The platform’s store is back: what you typed can be sent.");
  notice.hidden = false;
}

// What is renewed while the page is open may be older than the rest of it, or the first that is new again.
document.addEventListener("htmx:afterRequest", ({ detail }) => {
  if (!detail.successful) return;
  const asOf = detail.xhr.getResponseHeader(FIELD);
  if (asOf) tell(Number(asOf));
  else if (timer) back();
});

if (box && (!notice.hidden || document.querySelector("[data-gap]"))) later();
