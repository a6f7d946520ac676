// The screen of a terminal: what xterm and its forebears (ECMA-48, DEC VT220) do with octets, as far as shells and
// programs like less, vi and top ask for it. It knows characters and where they stand; drawing them is `draw.js`'s.

import { dip, PLAIN } from "./pen.js";
import { SEQUENCES } from "./sequences.js";

const HISTORY = 2000; // lines that went out above
const LONGEST = 4096; // characters of a sequence that is waited for to its end
const CSI = /\x1b\[([<-?]?)([\d;:]*)([ -/]*)([@-~])/y;
const SKIPPED = /\x1b(?:\][^\x07\x1b]*(?:\x07|\x1b\\)|[PX^_][^\x1b]*\x1b\\|[#%*+\-./ ][ -~])/y;
const CHARSET = /\x1b([()])([ -~])/y;
const SINGLE = /\x1b([0-OQ-WYZ\\`-~])/y;
const TEXT = /[^\x00-\x1f\x7f]+/y;
// What DEC's special graphics have in the place of ` to ~.
const LINES = [..."◆▒␉␌␍␊°±␤␋┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│≤≥π≠£·"];
const JOINED = /^[\p{Mn}\p{Me}\u200b-\u200f\ufe00-\ufe0f]$/u;
const WIDE = /^[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]$/u;
const line = () => ({ cells: [], dirty: true, element: null });
const blanks = (count) => Array.from({ length: count }, line);

export class Screen {
  /** `answer` is called with what a program asked to be told. */
  constructor(rows, columns, answer) {
    this.rows = rows;
    this.columns = columns;
    this.answer = answer;
    this.history = [];
    this.reset();
  }

  reset() {
    this.lines = blanks(this.rows);
    this.other = null; // the main screen and its cursor, while a program has the alternate one
    this.x = 0;
    this.y = 0;
    this.saved = null;
    this.top = 0;
    this.bottom = this.rows - 1;
    this.pen = { ...PLAIN };
    this.look = "";
    this.full = false; // the line is: the next character begins another one
    this.modes = new Set(["7", "25"]); // wraps; shows its cursor
    this.insert = false;
    this.graphics = [false, false];
    this.shifted = 0;
    this.rest = "";
  }

  resize(rows, columns) {
    for (const each of [this, this.other].filter(Boolean)) {
      while (each.lines.length > rows) {
        if (each.y < rows && !each.lines.at(-1).cells.length) each.lines.pop();
        else {
          if (each === this.other || !this.other) this.history.push(each.lines.shift());
          else each.lines.shift();
          each.y = Math.max(0, each.y - 1);
        }
      }
      each.lines.push(...blanks(rows - each.lines.length));
      each.x = Math.min(each.x, columns - 1);
      each.y = Math.min(each.y, rows - 1);
    }
    Object.assign(this, { rows, columns, top: 0, bottom: rows - 1, full: false });
    for (const each of this.lines) each.dirty = true;
  }

  write(given) {
    const text = this.rest + given;
    this.rest = "";
    let at = 0;
    this.lines[this.y].dirty = true;
    while (at < text.length) {
      const code = text.charCodeAt(at);
      if (code === 27) {
        const length = this.escape(text, at);
        if (!length && text.length - at < LONGEST) {
          this.rest = text.slice(at);
          break;
        }
        at += length || 1;
      } else if (code < 32 || code === 127) {
        this.control(code);
        at += 1;
      } else {
        TEXT.lastIndex = at;
        const [run] = TEXT.exec(text);
        for (const character of run) this.put(character);
        at += run.length;
      }
    }
    this.lines[this.y].dirty = true;
  }

  put(given) {
    const code = given.codePointAt(0);
    if (code >= 0x80 && code < 0xa0) return;
    const character = this.graphics[this.shifted] && code > 95 ? LINES[code - 96] ?? given : given;
    if (code >= 0x300 && JOINED.test(character)) {
      const cell = this.lines[this.y].cells[Math.max(0, this.full ? this.x : this.x - 1)];
      if (cell && cell[0].length < 16) cell[0] += character;
      return;
    }
    const width = code >= 0x1100 && WIDE.test(character) && this.columns > 1 ? 2 : 1;
    if (this.modes.has("7") && (this.full || this.x + width > this.columns)) {
      this.x = 0;
      this.feed();
    }
    this.x = Math.min(this.x, this.columns - width);
    const { cells } = this.padded(this.x);
    if (this.insert) this.shift(width);
    cells[this.x] = [character, this.look];
    if (width === 2) cells[this.x + 1] = ["", this.look];
    this.full = this.x + width >= this.columns;
    this.x = Math.min(this.x + width, this.columns - 1);
  }

  /** Return the cursor's line, with cells up to a column. */
  padded(column) {
    const found = this.lines[this.y];
    while (found.cells.length < column) found.cells.push([" ", ""]);
    found.dirty = true;
    return found;
  }

  control(code) {
    if (code === 8) this.to(this.x - 1, this.y);
    else if (code === 9) this.to(8 * Math.floor(this.x / 8) + 8, this.y);
    else if (code >= 10 && code <= 12) this.feed();
    else if (code === 13) this.to(0, this.y);
    else if (code === 14 || code === 15) this.shifted = 15 - code;
  }

  to(x, y) {
    this.lines[this.y].dirty = true;
    this.x = Math.max(0, Math.min(x, this.columns - 1));
    this.y = Math.max(0, Math.min(y, this.rows - 1));
    this.lines[this.y].dirty = true;
    this.full = false;
  }

  feed() {
    this.full = false;
    if (this.y === this.bottom) this.scroll(1);
    else this.to(this.x, this.y + 1);
  }

  /** Move the lines of the region up (or down, for less than none); those of a whole main screen become history. */
  scroll(count, from = this.top) {
    for (let left = Math.min(Math.abs(count), this.rows); left; left -= 1) {
      this.lines[this.y].dirty = true;
      if (count < 0) {
        this.lines.splice(this.bottom, 1);
        this.lines.splice(from, 0, line());
      } else {
        const [gone] = this.lines.splice(from, 1);
        this.lines.splice(this.bottom, 0, line());
        if (from === 0 && this.top === 0 && !this.other) this.history.push(gone);
      }
    }
    if (this.history.length > HISTORY) this.history.splice(0, this.history.length - HISTORY);
  }

  escape(text, at) {
    for (const form of [CSI, SKIPPED, CHARSET, SINGLE]) form.lastIndex = at;
    let found = CSI.exec(text);
    if (found) {
      if (!found[3]) this.sequence(found[1], found[2].split(/[;:]/).map(Number), found[4]);
      else if (found[3] === "!" && found[4] === "p") this.reset();
    } else if ((found = CHARSET.exec(text))) this.graphics[found[1] === ")" ? 1 : 0] = found[2] === "0";
    else if ((found = SINGLE.exec(text))) this.single(found[1]);
    else found = SKIPPED.exec(text);
    return found ? found[0].length : 0;
  }

  single(final) {
    if (final === "7") this.save();
    else if (final === "8") this.restore();
    else if (final === "D") this.feed();
    else if (final === "E") { this.x = 0; this.feed(); }
    else if (final === "M") { if (this.y === this.top) this.scroll(-1); else this.to(this.x, this.y - 1); }
    else if (final === "c") this.reset();
  }

  save() { this.saved = { x: this.x, y: this.y, pen: { ...this.pen } }; }

  restore() {
    const { x, y, pen } = this.saved ?? { x: 0, y: 0, pen: PLAIN };
    this.to(x, y);
    this.pen = { ...pen };
    this.paint([]);
  }

  sequence(mark, given, final) {
    if (mark === "?") {
      if (final === "h" || final === "l") for (const mode of given) this.mode(String(mode), final === "h");
    } else if (mark === ">") {
      if (final === "c") this.answer("\x1b[>0;0;0c");
    } else if (!mark) SEQUENCES[final]?.(this, given[0] || 1, given);
  }

  mode(name, on) {
    if (on) this.modes.add(name);
    else this.modes.delete(name);
    if (name === "1049" || name === "1047" || name === "47") this.alternate(on);
    this.lines[this.y].dirty = true;
  }

  alternate(on) {
    if (on && !this.other) {
      this.other = { lines: this.lines, x: this.x, y: this.y };
      this.lines = blanks(this.rows);
    } else if (!on && this.other) {
      const { lines, x, y } = this.other;
      Object.assign(this, { lines, other: null, top: 0, bottom: this.rows - 1 });
      this.to(x, y);
      for (const each of lines) each.dirty = true;
    }
  }

  /** Make room at the cursor. */
  shift(count) {
    const { cells } = this.padded(this.x);
    cells.splice(this.x, 0, ...Array.from({ length: Math.min(count, this.columns) }, () => [" ", ""]));
    cells.length = Math.min(cells.length, this.columns);
  }

  blank(from, end) {
    const { cells } = this.padded(from);
    if (end >= this.columns && !this.look.includes("b")) cells.length = Math.min(cells.length, from);
    else for (let at = from; at < end; at += 1) cells[at] = [" ", this.look];
    this.full = false;
  }

  erase(what) {
    if (what === 1) this.blank(0, this.x + 1);
    else this.blank(what === 2 ? 0 : this.x, this.columns);
  }

  clear(what) {
    if (what === 3) { this.history = []; return; }
    this.erase(what);
    const [from, end] = what === 1 ? [0, this.y] : what === 2 ? [0, this.rows] : [this.y + 1, this.rows];
    for (let at = from; at < end; at += 1) this.lines[at] = line();
  }

  paint(given) {
    this.look = dip(this.pen, given);
  }
}
