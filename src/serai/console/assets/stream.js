// A stream of /push that lasts as long as its page: it goes on where it was when it broke, and begins anew where it can't.
//
// By WebSocket, since a browser has but six connections to a site over HTTP/1.1 for all its windows together, and does
// not count WebSockets among them: with server-sent events a seventh window would stay blank. A window that nobody looks
// at lets go of its stream, and hears what it missed once somebody does.

const FIRST = 1000; // milliseconds until a stream that broke is tried again, doubled each time that it breaks
const LONGEST = 30000;
const UNSEEN = 10000; // milliseconds for which a window that nobody looks at goes on

export class Stream {
  /** `heard` gets (event, {channel, data}); of "ready", data.fresh says that nothing is known of what came before. */
  constructor(heard) {
    Object.assign(this, { heard, wanted: "", last: "", socket: null, open: false, over: false, failures: 0, timer: 0, retry: 0 });
    document.addEventListener("visibilitychange", () => {
      clearTimeout(this.timer);
      if (!document.hidden) this.begin();
      else this.timer = setTimeout(() => this.leave(), UNSEEN);
    });
  }

  /** Follow these channels and no others; none ends it. */
  follow(channels) {
    const wanted = channels.map((name) => `channel=${encodeURIComponent(name)}`).join("&");
    if (wanted === this.wanted) return;
    this.leave();
    Object.assign(this, { wanted, last: "", over: false, failures: 0 });
    this.begin();
  }

  begin() {
    clearTimeout(this.timer);
    if (!this.wanted || this.socket || this.over || document.hidden) return;
    const after = this.last;
    const socket = new WebSocket(`wss://${location.host}/push?${this.wanted}${after && `&after=${after}`}`);
    this.socket = socket;
    this.retry = 0;
    socket.onmessage = ({ data }) => { if (socket === this.socket) this.take(JSON.parse(data), !after); };
    socket.onclose = () => { if (socket === this.socket) this.lost(); };
  }

  take({ id, event, channel, data }, fresh) {
    if (id) this.last = id;
    if (event === "ready") Object.assign(this, { open: true, failures: 0 });
    if (event === "end") {
      // Why it ends is a matter of permission, or of time: the page is got anew all the same, and learns which.
      this.over = data.code === "denied";
      this.retry = data.retry ?? 0;
      return;
    }
    this.heard(event, { channel: channel ?? data?.channel, data: event === "ready" ? { ...data, fresh } : data });
  }

  lost() {
    Object.assign(this, { socket: null, open: false });
    const wait = this.retry || Math.min(LONGEST, FIRST * 2 ** this.failures) * (0.5 + Math.random());
    this.failures += 1;
    this.timer = setTimeout(() => this.begin(), wait);
  }

  /** Let go of it; `begin` goes on where it was. */
  leave() {
    clearTimeout(this.timer);
    const { socket } = this;
    Object.assign(this, { socket: null, open: false });
    // One that is closed while it opens is a fault to browsers' consoles.
    if (socket?.readyState === WebSocket.CONNECTING) socket.onopen = () => socket.close();
    else socket?.close();
  }
}
