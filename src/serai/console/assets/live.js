// Parts of pages that follow what happens: <section data-live="CHANNEL…" data-every="SECONDS" hx-get=…>.
//
// All share one stream of /push. What is said there only tells that something changed: the part itself is got again, as
// whoever looks at it may see it. While there is no stream, parts are got every so often instead. Scripts of a page that
// want the events themselves listen to "serai:said" of the document: its detail is {event, channel, data}.

import "./away.js";
import { inUse, keep, restore } from "./keep.js";
import { Stream } from "./stream.js";

const QUIET = 400; // milliseconds between two looks at one part, however much happens
const FIRST = 1000; // milliseconds after which a new page looks whether something happened while it came
const MOST = 16; // channels of one stream
const parts = new Set();

const channelsOf = (part) => part.dataset.live.split(" ").filter(Boolean);

function renew(part) {
  if (!part.isConnected) {
    parts.delete(part);
    return;
  }
  const wait = QUIET - (Date.now() - Number(part.dataset.got));
  if (wait > 0 || inUse(part)) {
    later(part, Math.max(wait, QUIET));
    return;
  }
  part.dataset.got = Date.now();
  window.htmx?.trigger(part, "serai:changed");
}

function later(part, wait) {
  if (part.dataset.waits) return;
  part.dataset.waits = "1";
  setTimeout(() => {
    delete part.dataset.waits;
    renew(part);
  }, wait);
}

const stream = new Stream((event, { channel, data }) => {
  if (event === "ready" || event === "error") {
    // What happened between the making of this page and the beginning of its stream is told by nobody.
    if (data.fresh) for (const part of parts) if (channelsOf(part).length) later(part, FIRST);
    return;
  }
  for (const part of parts) if (!channel || channelsOf(part).includes(channel)) renew(part);
  document.dispatchEvent(new CustomEvent("serai:said", { detail: { event, channel, data } }));
});

function connect() {
  for (const part of parts) if (!part.isConnected) parts.delete(part);
  stream.follow([...new Set([...parts].flatMap(channelsOf))].sort().slice(0, MOST));
}

export function follow(root) {
  const found = [...root.querySelectorAll("[data-live]")];
  if (root.matches?.("[data-live]")) found.push(root);
  for (const part of found) {
    part.dataset.got = Date.now();
    parts.add(part);
  }
  if (found.length) connect();
}

/** Renew nothing any more: nobody is signed in. */
export function halt() {
  parts.clear();
  stream.follow([]);
}

setInterval(() => {
  if (document.hidden) return;
  for (const part of parts) {
    // What is not said on any channel is looked at, too: numbers, and things that other hosts do.
    const every = Number(part.dataset.every || 10) * (stream.open && channelsOf(part).length ? 6 : 1);
    if (Date.now() - Number(part.dataset.got) >= 1000 * every) renew(part);
  }
}, 1000);

document.addEventListener("htmx:beforeSwap", ({ detail }) => keep(detail.target));
document.addEventListener("htmx:load", ({ target }) => { if (target !== document.body) restore(target); });
addEventListener("pagehide", () => stream.leave());
addEventListener("pageshow", (event) => { if (event.persisted) stream.begin(); });
