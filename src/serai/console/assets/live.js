// Parts of pages that follow what happens: <section data-live="CHANNEL…" data-every="SECONDS" hx-get=…>.
//
// All share one connection to /push. What is said there only tells that something changed: the part itself is got
// again, as whoever looks at it may see it. While there is no push, parts are got every so often instead.

const QUIET = 400;  // milliseconds between two looks at one part, however much happens
const parts = new Set();
let source = null;
let followed = "";
let pushed = false;

const channelsOf = (part) => part.dataset.live.split(" ").filter(Boolean);

function renew(part) {
  if (!part.isConnected) return parts.delete(part);
  if (part.contains(document.activeElement) && document.activeElement.matches("input, select, textarea")) return later(part);
  const wait = QUIET - (Date.now() - (Number(part.dataset.got) || 0));
  if (wait > 0) return later(part, wait);
  part.dataset.got = Date.now();
  window.htmx.trigger(part, "serai:changed");
}

function later(part, wait = QUIET) {
  if (part.dataset.waits) return;
  part.dataset.waits = "1";
  setTimeout(() => { delete part.dataset.waits; renew(part); }, wait);
}

function heard(event) {
  let channel = "";
  try { channel = JSON.parse(event.data).channel || ""; } catch { /* then it is for all */ }
  for (const part of parts) if (!channel || channelsOf(part).includes(channel)) renew(part);
}

function connect() {
  for (const part of parts) if (!part.isConnected) parts.delete(part);
  const channels = [...new Set([...parts].flatMap(channelsOf))].sort();
  const wanted = channels.map((name) => `channel=${encodeURIComponent(name)}`).join("&");
  if (wanted === followed) return;
  followed = wanted;
  source?.close();
  source = null;
  pushed = false;
  if (!wanted || !window.EventSource) return;
  source = new EventSource(`/push?${wanted}`);
  source.onopen = () => { pushed = true; };
  source.onerror = () => { pushed = false; };
  source.onmessage = heard;
  for (const name of ["change", "event", "task", "reset"]) source.addEventListener(name, heard);
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

setInterval(() => {
  if (pushed || document.hidden) return;
  for (const part of parts) {
    if (Date.now() - Number(part.dataset.got) >= 1000 * Number(part.dataset.every || 10)) renew(part);
  }
}, 1000);

addEventListener("pagehide", () => source?.close());
addEventListener("pageshow", (event) => { if (event.persisted) { followed = ""; connect(); } });
