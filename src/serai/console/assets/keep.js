// What somebody does with a part of a page while it is renewed under their hands: it waits for what they write or mark,
// and what they opened, reached or scrolled to is as it was.

const FOCUSABLE = "a[href], button, input, select, textarea, summary, [tabindex]";
const SCROLLS = ".scroll, .log, pre";
const kept = new Map(); // by the part's ID

function isChanged(field) {
  if (field.type === "hidden") return false;
  if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
  if (field.options) return field.selectedIndex !== Math.max(0, [...field.options].findIndex((one) => one.defaultSelected));
  return field.value !== field.defaultValue;
}

/** Tell whether somebody writes in a part, has written something that is not sent, or marks some of its text. */
export function inUse(part) {
  const at = document.activeElement;
  if (part.contains(at) && at.matches("input, select, textarea")) return true;
  const marked = getSelection();
  if (!marked.isCollapsed && part.contains(marked.anchorNode)) return true;
  return [...part.querySelectorAll("input, select, textarea")].some(isChanged);
}

const nameOf = (one) => one.getAttribute("aria-label") ?? one.textContent.trim();
const atEnd = (one) => one.scrollHeight - one.scrollTop - one.clientHeight < 40;

/** Remember how a part is before another takes its place. */
export function keep(part) {
  const at = document.activeElement;
  kept.set(part.id, {
    open: [...part.querySelectorAll("details[open] > summary")].map(nameOf),
    focus: part.contains(at) ? { tag: at.tagName, name: nameOf(at), place: [...part.querySelectorAll(FOCUSABLE)].indexOf(at) } : null,
    scrolled: [...part.querySelectorAll(SCROLLS)].map((one) => [one.scrollLeft, one.scrollTop, atEnd(one)]),
  });
}

/** Let a new part be as the one before it was. A log shows its end, unless somebody reads further up. */
export function restore(part) {
  const before = kept.get(part.id);
  kept.delete(part.id);
  for (const summary of part.querySelectorAll("summary")) if (before?.open.includes(nameOf(summary))) summary.parentElement.open = true;
  [...part.querySelectorAll(SCROLLS)].forEach((one, number) => {
    const [left, top, end] = before?.scrolled[number] ?? [0, 0, true];
    one.scrollLeft = left;
    one.scrollTop = end && "tail" in one.dataset ? one.scrollHeight : top;
  });
  if (!before?.focus || document.activeElement !== document.body) return;
  const { tag, name, place } = before.focus;
  const all = [...part.querySelectorAll(FOCUSABLE)];
  const alike = all.filter((one) => one.tagName === tag && nameOf(one) === name);
  const found = alike.includes(all[place]) ? all[place] : alike[0];
  found?.focus({ preventScroll: true });
}
