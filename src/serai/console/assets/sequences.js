// Control sequences of a terminal by their last character (ECMA-48): what each does to a screen. `count` is the first
// number that was given, 1 where none was or 0; `given` are all of them as they came.

const column = (screen, count) => screen.to(count - 1, screen.y);
const row = (screen, count) => screen.to(screen.x, screen.y + count);
const place = (screen, count, given) => screen.to((given[1] || 1) - 1, count - 1);
const within = (screen) => screen.y >= screen.top && screen.y <= screen.bottom;

export const SEQUENCES = {
  A: (screen, count) => row(screen, -count),
  B: row,
  e: row,
  C: (screen, count) => screen.to(screen.x + count, screen.y),
  a: (screen, count) => screen.to(screen.x + count, screen.y),
  D: (screen, count) => screen.to(screen.x - count, screen.y),
  E: (screen, count) => screen.to(0, screen.y + count),
  F: (screen, count) => screen.to(0, screen.y - count),
  G: column,
  "`": column,
  d: (screen, count) => screen.to(screen.x, count - 1),
  H: place,
  f: place,
  J: (screen, _count, given) => screen.clear(given[0]),
  K: (screen, _count, given) => screen.erase(given[0]),
  X: (screen, count) => screen.blank(screen.x, Math.min(screen.x + count, screen.columns)),
  "@": (screen, count) => screen.shift(count),
  P: (screen, count) => screen.padded(screen.x).cells.splice(screen.x, count),
  L: (screen, count) => within(screen) && screen.scroll(-count, screen.y),
  M: (screen, count) => within(screen) && screen.scroll(count, screen.y),
  S: (screen, count) => screen.scroll(count),
  T: (screen, count) => screen.scroll(-count),
  m: (screen, _count, given) => screen.paint(given),
  h: (screen, count) => { if (count === 4) screen.insert = true; },
  l: (screen, count) => { if (count === 4) screen.insert = false; },
  s: (screen) => screen.save(),
  u: (screen) => screen.restore(),
  c: (screen) => screen.answer("\x1b[?62;22c"),
  n: (screen, count) => screen.answer(count === 6 ? `\x1b[${screen.y + 1};${screen.x + 1}R` : "\x1b[0n"),
  r: (screen, count, given) => {
    const bottom = Math.min(given[1] || screen.rows, screen.rows) - 1;
    if (count - 1 >= bottom) return;
    Object.assign(screen, { top: count - 1, bottom });
    screen.to(0, 0);
  },
};
