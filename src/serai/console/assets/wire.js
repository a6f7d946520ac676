// A shell of the API's: its output as it comes, what is typed in order, over plain requests (see docs/shell.md).

import { withLine } from "./lines.js";

const MOST = 64 << 10; // octets of input in one request
const AGAIN = 700; // milliseconds until a request that got nowhere is made again
const PATIENCE = 60000; // milliseconds of these in a row
const GLANCE = 300; // milliseconds without a word after which a shell without a line of its own lets go of what it reads

const pause = (milliseconds) => new Promise((done) => { setTimeout(done, milliseconds); });

async function told(answer) {
  if (answer.ok) return answer.status === 204 ? null : answer.json();
  const problem = await answer.json().catch(() => ({}));
  throw Object.assign(new Error(problem.detail ?? "The platform does not answer."), { status: answer.status, problem });
}

async function post(url, body) {
  const headers = { "content-type": "application/json" };
  return told(await fetch(url, { method: "POST", headers, body: JSON.stringify(body) }));
}

const mayPass = (error) => error.status === undefined || error.status >= 500 || error.status === 429;

export class Shell {
  /** `heard` gets octets, `waits` whether the connection is lost, `over` {code, reason} once, at the end. */
  constructor(url, { heard, waits, over }) {
    Object.assign(this, { url, heard, waits, over, at: 0, typed: 0, queue: new Uint8Array(), busy: false, ended: false });
  }

  async open(what) {
    const { id, instance } = await post(this.url, what);
    this.one = `${this.url}/${encodeURIComponent(id)}`;
    this.follow().catch((error) => this.end({ code: null, reason: error.message }));
    return instance;
  }

  async follow() {
    let lost = 0;
    while (!this.ended) {
      const begun = this.at;
      try {
        await withLine((own) => this.listen(own));
        if (this.ended) return;
        lost = 0;
        if (this.at === begun) await pause(AGAIN / 2);
      } catch (error) {
        if (this.ended) return;
        if (error.problem?.fields?.first !== undefined) this.at = error.problem.fields.first;
        else if (error.status === 404) return this.end({ code: null, reason: "lost" });
        else if (!mayPass(error) || lost > PATIENCE) throw error;
        this.waits(true);
        lost += AGAIN;
        await pause(AGAIN);
      }
    }
  }

  /** Read what comes, until it ends; without a line of its own only what there is. */
  async listen(own) {
    const control = new AbortController();
    let timer = 0;
    const glance = () => {
      clearTimeout(timer);
      if (!own) timer = setTimeout(() => control.abort(), GLANCE);
    };
    try {
      const answer = await fetch(`${this.one}/output?from=${this.at}`, { signal: control.signal });
      if (!answer.ok) await told(answer);
      this.waits(false);
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
        const lines = (rest + piece.value).split("\n");
        rest = lines.pop();
        for (const line of lines) if (line) this.take(JSON.parse(line));
        glance();
      }
    } catch (error) {
      if (!control.signal.aborted) throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  take({ at, output, error, exit }) {
    if (exit) this.end(exit);
    const text = output ?? error;
    if (text === undefined) return;
    const octets = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
    const fresh = octets.subarray(Math.max(0, this.at - at));
    this.at = at + octets.length;
    if (fresh.length) this.heard(fresh);
  }

  type(text) {
    const more = new TextEncoder().encode(text);
    const both = new Uint8Array(this.queue.length + more.length);
    both.set(this.queue);
    both.set(more, this.queue.length);
    this.queue = both;
    this.send();
  }

  /** Send what was typed, one request at a time: what is typed meanwhile goes with the next one. */
  async send() {
    if (this.busy || !this.one) return;
    this.busy = true;
    let lost = 0;
    while (this.queue.length && !this.ended) {
      const data = this.queue.subarray(0, MOST);
      try {
        const { next } = await told(await fetch(`${this.one}/input?at=${this.typed}`, { method: "POST", body: data }));
        this.queue = this.queue.subarray(Math.max(0, next - this.typed));
        this.typed = next;
        lost = 0;
      } catch (error) {
        if (error.problem?.fields?.taken !== undefined) this.typed = error.problem.fields.taken;
        else if (!mayPass(error) || lost > PATIENCE) break;
        lost += AGAIN;
        await pause(AGAIN);
      }
    }
    this.busy = false;
  }

  resize(size) {
    if (this.one && !this.ended) post(`${this.one}/size`, size).catch(() => {}); // the next change says it again
  }

  end(how) {
    if (this.ended) return;
    this.ended = true;
    this.over(how);
  }

  /** End it from here; also while the page goes. */
  stop() {
    if (this.one && !this.ended) fetch(this.one, { method: "DELETE", keepalive: true }).catch(() => {});
  }
}
