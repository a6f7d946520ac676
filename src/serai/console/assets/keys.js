// What keys send, as xterm has it. Letters come by the field's own input, so that all keyboards and input methods work.

const ARROWS = { ArrowUp: "A", ArrowDown: "B", ArrowRight: "C", ArrowLeft: "D", Home: "H", End: "F" };
const TILDES = { Insert: 2, Delete: 3, PageUp: 5, PageDown: 6, F5: 15, F7: 18, F8: 19, F9: 20, F10: 21, F11: 23, F12: 24 };
const FIRST = { F1: "P", F2: "Q", F3: "R", F4: "S" };
const PLAIN = { Enter: "\r", Backspace: "\x7f", Escape: "\x1b" };
const CONTROLS = { " ": 0, "@": 0, "[": 27, "\\": 28, "]": 29, "^": 30, _: 31, "?": 127 };

/** Return what a key sends, null where the browser or the field sees to it. `modes` are the screen's. */
export function sent(event, modes) {
  const { key, ctrlKey, altKey, shiftKey, metaKey } = event;
  if (metaKey || event.isComposing) return null;
  const modifier = 1 + shiftKey + 2 * altKey + 4 * ctrlKey;
  if (key === "Tab") return shiftKey ? "\x1b[Z" : ctrlKey || altKey ? null : "\t";
  if (key in PLAIN) return (altKey ? "\x1b" : "") + PLAIN[key];
  if (key in ARROWS) {
    if (modifier > 1) return `\x1b[1;${modifier}${ARROWS[key]}`;
    return (modes.has("1") ? "\x1bO" : "\x1b[") + ARROWS[key];
  }
  if (key in TILDES) return modifier > 1 ? `\x1b[${TILDES[key]};${modifier}~` : `\x1b[${TILDES[key]}~`;
  if (key in FIRST) return modifier > 1 ? `\x1b[1;${modifier}${FIRST[key]}` : `\x1bO${FIRST[key]}`;
  if (key.length !== 1 || (ctrlKey && shiftKey && /[a-z]/i.test(key)) || event.getModifierState("AltGraph")) return null;
  if (ctrlKey) {
    const code = CONTROLS[key] ?? (/[a-z]/i.test(key) ? key.toUpperCase().charCodeAt(0) - 64 : null);
    return code === null ? null : (altKey ? "\x1b" : "") + String.fromCharCode(code);
  }
  return altKey ? `\x1b${key}` : null;
}

/** Return text as it is pasted: lines end as Enter does, and a program that asked is told that it was not typed. */
export function pasted(text, modes) {
  const lines = text.replace(/\r?\n/g, "\r");
  return modes.has("2004") ? `\x1b[200~${lines.replaceAll("\x1b", "")}\x1b[201~` : lines;
}
