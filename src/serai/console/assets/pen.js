// What a terminal writes with: colours and weights, as sequences of ECMA-48 (SGR) set them.

export const PLAIN = { fg: -1, bg: -1, bold: false, dim: false, italic: false, under: false, inverse: false };

/** Return which of the sixteen colours is next to one of millions. */
function near(red, green, blue) {
  const most = Math.max(red, green, blue);
  const least = Math.min(red, green, blue);
  if (most - least < 40) return most < 64 ? 0 : most < 144 ? 8 : most < 208 ? 7 : 15;
  const bit = (value) => Number(value > (most + least) / 2);
  return bit(red) + 2 * bit(green) + 4 * bit(blue) + (most > 200 ? 8 : 0);
}

function indexed(number) {
  if (number < 16) return number;
  if (number > 231) return near(...Array(3).fill(8 + 10 * (number - 232)));
  const level = (step) => (step ? 55 + 40 * step : 0);
  const cube = number - 16;
  return near(level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6));
}

/** Change a pen as a sequence says; return its look, as names of classes. */
export function dip(pen, given) {
  for (let at = 0; at < given.length; at += 1) {
    const code = given[at];
    if (code === 0) Object.assign(pen, PLAIN);
    else if (code === 1) pen.bold = true;
    else if (code === 2) pen.dim = true;
    else if (code === 3) pen.italic = true;
    else if (code === 4) pen.under = true;
    else if (code === 7) pen.inverse = true;
    else if (code === 22) Object.assign(pen, { bold: false, dim: false });
    else if (code === 23) pen.italic = false;
    else if (code === 24) pen.under = false;
    else if (code === 27) pen.inverse = false;
    else if (code === 39) pen.fg = -1;
    else if (code === 49) pen.bg = -1;
    else if (code === 38 || code === 48) {
      const name = code === 38 ? "fg" : "bg";
      if (given[at + 1] === 5) pen[name] = indexed((given[at + 2] ?? 0) & 255);
      else if (given[at + 1] === 2) pen[name] = near(...[2, 3, 4].map((step) => given[at + step] ?? 0));
      at += given[at + 1] === 5 ? 2 : 4;
    } else if (code >= 30 && code <= 37) pen.fg = code - 30;
    else if (code >= 90 && code <= 97) pen.fg = code - 82;
    else if (code >= 40 && code <= 47) pen.bg = code - 40;
    else if (code >= 100 && code <= 107) pen.bg = code - 92;
  }
  const looks = ["dim", "italic", "under", "inverse"].filter((name) => pen[name]);
  if (pen.bold) looks.push("strong");
  if (pen.fg >= 0) looks.push(`f${pen.fg}`);
  if (pen.bg >= 0) looks.push(`b${pen.bg}`);
  return looks.join(" ");
}
