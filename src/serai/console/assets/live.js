// Parts of pages that follow what happens: <section data-live="CHANNEL…" data-every="SECONDS" hx-get=…>.
//
// All share one stream of /push. What is said there only tells that something changed: the part itself is got again, as
// whoever looks at it may see it. While there is no stream, parts are got every so often instead. Scripts of a page that
// want the events themselves listen to "serai:said" of the document: its detail is {event, channel, data}.

const QUIET = 400; // milliseconds between two looks at one part, however much happens
const AGAIN = 30000; // milliseconds after which a refused stream is tried again
const MOST = 16; // channels of one stream
const parts = new Set();
let source = null;
let followed = "";
let pushed = false;

const channelsOf = (part) => part.dataset.live.split(" ").filter(Boolean);
const inUse = (part) => part.contains(document.activeElement) && document.activeElement.matches("input, select, textarea");

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

function heard(event) {
  let told = {};
  try {
    told = JSON.parse(event.data) ?? {};
  } catch { /* then it is about all channels */ }
  for (const part of parts) if (!told.channel || channelsOf(part).includes(told.channel)) renew(part);
  document.dispatchEvent(new CustomEvent("serai:said", { detail: { event: event.type, ...told } }));
}

function connect() {
  for (const part of parts) if (!part.isConnected) parts.delete(part);
  const channels = [...new Set([...parts].flatMap(channelsOf))].sort().slice(0, MOST);
  const wanted = channels.map((name) => `channel=${encodeURIComponent(name)}`).join("&");
  if (wanted === followed) return;
  followed = wanted;
  source?.close();
  source = null;
  pushed = false;
  if (!wanted || !window.EventSource) return;
  const stream = new EventSource(`/push?${wanted}`);
  source = stream;
  stream.addEventListener("ready", () => { pushed = true; });
  for (const name of ["change", "task", "line", "reset"]) stream.addEventListener(name, heard);
  stream.onerror = () => {
    pushed = false;
    if (stream.readyState !== EventSource.CLOSED || stream !== source) return; // it comes back by itself
    setTimeout(() => {
      if (stream !== source) return;
      followed = "";
      connect();
    }, AGAIN);
  };
  // Why it ends is a matter of permission: it is not tried again before the page is.
  stream.addEventListener("end", () => {
    pushed = false;
    stream.close();
    source = null;
  });
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
  source?.close();
  source = null;
}

setInterval(() => {
  if (document.hidden) return;
  for (const part of parts) {
    // What is not said on any channel is looked at, too: numbers, and things that other hosts do.
    const every = Number(part.dataset.every || 10) * (pushed && channelsOf(part).length ? 6 : 1);
    if (Date.now() - Number(part.dataset.got) >= 1000 * every) renew(part);
  }
}, 1000);

addEventListener("pagehide", () => source?.close());
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  followed = "";
  connect();
});
