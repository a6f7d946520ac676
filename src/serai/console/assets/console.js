// What pages do better with scripts. Each part is for what is on the page; without any of it the page works, too.

import { follow, halt } from "./live.js";

/** Show times in the zone of who reads them. */
function localise(root) {
  for (const time of root.querySelectorAll("time[data-local]")) {
    const date = new Date(time.dateTime);
    if (!Number.isNaN(date.valueOf())) time.textContent = date.toLocaleString();
  }
}

/** Let a dangerous button wait for the name to be repeated; the server looks at it again. */
function guard(root) {
  for (const input of root.querySelectorAll("input[data-repeat]")) {
    const button = input.form.querySelector("button");
    const look = () => { button.disabled = input.value !== input.dataset.repeat; };
    input.addEventListener("input", look);
    look();
  }
}

function copying(root) {
  for (const button of root.querySelectorAll("button[data-copy]")) {
    button.hidden = !navigator.clipboard;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.dataset.copy);
      const label = button.textContent;
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = label; }, 1500);
    });
  }
}

/** One button that marks all boxes of a name in its form, or none where all are. */
function marking(root) {
  for (const button of root.querySelectorAll("button[data-all]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const boxes = [...button.form.querySelectorAll(`input[name="${CSS.escape(button.dataset.all)}"]`)];
      const none = boxes.every((box) => box.checked);
      for (const box of boxes) box.checked = !none;
    });
  }
}

async function plots(root) {
  if (root.querySelector("[data-series]")) (await import("./plot.js")).mount(root);
}

/** Send each form once: a second click on a slow day is no second order. */
function once(root) {
  for (const form of root.querySelectorAll("form[method=post]")) {
    form.addEventListener("submit", (event) => {
      if (form.dataset.sent) event.preventDefault();
      form.dataset.sent = "1";
    });
  }
}

function begin(root) {
  localise(root);
  guard(root);
  copying(root);
  marking(root);
  once(root);
  plots(root);
  follow(root);
}

// The back button shows a page as it was left: its forms may be sent again.
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

// One menu at a time; Escape and a click elsewhere close it.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// A part that can't be renewed stays as it is, and so does all that is typed: the page only says so, once.
function say(...words) {
  document.getElementById("lost")?.remove();
  const notice = document.createElement("p");
  notice.id = "lost";
  notice.className = "notice warn lost";
  notice.setAttribute("role", "alert");
  notice.append(...words);
  document.getElementById("main").append(notice);
}

document.addEventListener("htmx:responseError", (event) => {
  const { status } = event.detail.xhr;
  if (status === 401) {
    halt();
    const link = document.createElement("a");
    link.href = `/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`;
    link.target = "_blank"; // what was typed here stays
    link.textContent = "Sign in again, in another window";
    say("Your session has ended: what you see is not renewed. ", link, ".");
  } else if (status === 404) {
    say("What this page shows is gone by now, or you may not see it any more.");
  } else {
    say("The platform does not answer now: what you see is not renewed.");
  }
});
document.addEventListener("htmx:sendError", () => say("There is no connection: what you see is not renewed."));
document.addEventListener("htmx:afterSwap", () => document.getElementById("lost")?.remove());

document.addEventListener("htmx:load", (event) => {
  if (event.target !== document.body) begin(event.target);
});

/** On a phone the navigation is wider than the window: show where this is. */
function centre() {
  for (const here of document.querySelectorAll(".side [aria-current], .tabs [aria-current]")) {
    const row = here.closest("ul").scrollWidth > here.closest("ul").clientWidth ? here.closest("ul") : here.closest("nav");
    row.scrollLeft = here.offsetLeft - (row.clientWidth - here.offsetWidth) / 2;
  }
}

centre();
begin(document.body);
for (const log of document.querySelectorAll(".log[data-tail]")) log.scrollTop = log.scrollHeight;
document.querySelector("[data-focus]")?.focus();
