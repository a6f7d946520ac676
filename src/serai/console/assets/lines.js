// What goes on for long, and how many of it. A browser has six connections to a site over HTTP/1.1, for all its windows
// together: if logs and shells took all of them, no other window would get so much as a page.

const LINES = 4; // connections that go on, of all windows
const UNSEEN = 10000; // milliseconds for which a window that nobody looks at goes on

/** Do work with a line of its own where one is free: it is told whether it has one. */
export async function withLine(work) {
  if (!navigator.locks) return work(true);
  for (let number = 0; number < LINES; number += 1) {
    let taken = false;
    const done = await navigator.locks.request(`serai-line-${number}`, { ifAvailable: true }, (lock) => {
      taken = Boolean(lock);
      return lock && work(true);
    });
    if (taken) return done;
  }
  return work(false);
}

/** Wait until somebody looks at this window. */
export async function seen() {
  while (document.hidden) await new Promise((then) => { document.addEventListener("visibilitychange", then, { once: true }); });
}

/** Call `then` once nobody has looked at this window for a while; return what calls that off. */
export function unseen(then) {
  let timer = 0;
  const look = () => {
    clearTimeout(timer);
    if (document.hidden) timer = setTimeout(then, UNSEEN);
  };
  document.addEventListener("visibilitychange", look);
  look();
  return () => {
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", look);
  };
}
