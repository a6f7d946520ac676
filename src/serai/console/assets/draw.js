// A screen, drawn: one element for each line, drawn anew where the line changed.

/** Draw a line into its element; ``cursor`` is the column that is marked, -1 for none. */
function paint(line, cursor) {
  line.element ??= Object.assign(document.createElement("div"), { className: "line" });
  const cells = [...line.cells];
  while (cells.length <= cursor) cells.push([" ", ""]);
  const parts = [];
  let run = null;
  cells.forEach(([text, look], at) => {
    const name = at === cursor ? `${look} cursor` : look;
    if (run && run.name === name) run.text += text;
    else parts.push((run = { name, text }));
  });
  line.element.replaceChildren(...parts.map(({ name, text }) => {
    if (!name) return document.createTextNode(text);
    return Object.assign(document.createElement("span"), { className: name.trim(), textContent: text });
  }));
  line.dirty = false;
}

/** Show a screen in an element, at the next moment at which the browser draws. */
export class Drawing {
  constructor(screen, place) {
    this.screen = screen;
    this.place = place;
    this.waits = false;
    this.marked = null; // the line that shows the cursor
  }

  soon() {
    if (this.waits) return;
    this.waits = true;
    requestAnimationFrame(() => {
      this.waits = false;
      this.now();
    });
  }

  now() {
    const { screen, place } = this;
    const low = place.scrollTop + place.clientHeight >= place.scrollHeight - 4;
    const lines = screen.other ? screen.lines : [...screen.history, ...screen.lines];
    const here = screen.lines[screen.y];
    if (this.marked !== here && this.marked) this.marked.dirty = true;
    let next = place.firstElementChild;
    for (const line of lines) {
      if (line.dirty || !line.element) paint(line, line === here && screen.modes.has("25") ? screen.x : -1);
      if (line.element === next) next = next.nextElementSibling;
      else place.insertBefore(line.element, next);
    }
    while (next) {
      const gone = next;
      next = next.nextElementSibling;
      gone.remove();
    }
    this.marked = here;
    if (low) place.scrollTop = place.scrollHeight;
  }

  /** Return how many rows and columns there is room for. */
  room() {
    const probe = Object.assign(document.createElement("span"), { className: "probe", textContent: "M".repeat(50) });
    this.place.append(probe);
    const { width, height } = probe.getBoundingClientRect();
    probe.remove();
    const style = getComputedStyle(this.place);
    const inner = (side, both) => this.place[side] - both.reduce((sum, name) => sum + parseFloat(style[name]), 0);
    const columns = Math.floor(inner("clientWidth", ["paddingLeft", "paddingRight"]) / (width / 50));
    const rows = Math.floor(inner("clientHeight", ["paddingTop", "paddingBottom"]) / height);
    const within = (number, least, most) => Math.max(least, Math.min(number || least, most));
    return { rows: within(rows, 2, 500), columns: within(columns, 10, 1000) };
  }
}
