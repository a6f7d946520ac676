// Lines of logs in the colours that programs give them, as console/ink.py does it for the lines that a page comes with.

import { dip, PLAIN } from "./pen.js";

const CONTROL = /\x1b\[([0-?]{0,64})[ -/]*([@-~])|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\|$)|\x1b[ -/]*[0-~]|[\x00-\x08\x0a-\x1f\x7f-\x9f]/g;

/** Return [classes, text] of each piece of a line that looks the same throughout. */
export function runs(text) {
  const line = text.replace(/\r+$/, "").split("\r").pop();
  const pen = { ...PLAIN };
  const found = [];
  let name = "";
  let run = "";
  let at = 0;
  for (const match of line.matchAll(CONTROL)) {
    run += line.slice(at, match.index);
    at = match.index + match[0].length;
    if (match[2] !== "m") continue;
    dip(pen, match[1].replaceAll(":", ";").split(";").map((part) => (/^\d+$/.test(part) ? Number(part) : 0)));
    // Grounds are left out: lines keep that of the page, on which all can be read.
    const looks = ["dim", "italic"].filter((look) => pen[look]);
    const now = [...looks, ...(pen.bold ? ["strong"] : []), ...(pen.under ? ["under"] : []), ...(pen.fg < 0 ? [] : [`f${pen.fg}`])].join(" ");
    if (now !== name && run) {
      found.push([name, run]);
      run = "";
    }
    name = now;
  }
  if (run + line.slice(at)) found.push([name, run + line.slice(at)]);
  return found;
}

/** Return what to append to an element for a line. */
export const inked = (text) => runs(text).map(([name, run]) => {
  if (!name) return run;
  return Object.assign(document.createElement("span"), { className: name, textContent: run });
});
