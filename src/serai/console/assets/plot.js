// Plots: <figure data-of="TENANT/APP" data-series="NAME,…" data-seconds="3600" data-total="NAME">, drawn by uPlot, which
// is got when there is one on the page. All values are drawn as they are told; where nobody looked there is a gap.
// Plots of one thing are asked for together, and their cursors go side by side.

const HEIGHT = 140;
const SOONEST = 10000; // milliseconds between two looks
const LATEST = 300000;
const groups = new Map(); // "OF SECONDS" to the plots that are asked for together
let library = null;

function load() {
  library ??= new Promise((resolve, reject) => {
    const style = document.createElement("link");
    style.rel = "stylesheet";
    style.href = new URL("./vendor/uPlot.min.css", import.meta.url);
    const script = document.createElement("script");
    script.src = new URL("./vendor/uPlot.iife.min.js", import.meta.url);
    script.onload = () => resolve(window.uPlot);
    script.onerror = reject;
    document.head.append(style, script);
  });
  return library;
}

/** The colour of a curve in a place, or of the grid (0), as the theme has it: variables themselves say both. */
function colour(place, number) {
  const probe = place.appendChild(document.createElement("span"));
  probe.className = `tint curve${number}`;
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}
const listed = (figure) => figure.dataset.series.split(",");
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** Write a number with its unit: octets by 1024, seconds below one as milliseconds. */
function shown(value, unit) {
  if (value === null || value === undefined) return "–";
  if (unit.startsWith("octets")) {
    let at = 0;
    let size = value;
    while (Math.abs(size) >= 1024 && at < UNITS.length - 1) {
      size /= 1024;
      at += 1;
    }
    return `${+size.toPrecision(3)} ${UNITS[at]}${unit.slice("octets".length)}`;
  }
  if (unit === "s" && Math.abs(value) < 1) return `${+(value * 1000).toPrecision(3)} ms`;
  if (unit === "cores" && Math.abs(value) < 0.1) return `${+(value * 100).toPrecision(3)} %`; // of one
  return `${+Number(value).toPrecision(3)} ${unit.replace(/^1/, "")}`.trim().replace(" /", "/");
}

/** Places for ticks of octets: whole parts of powers of two, as their words are. */
function steps(_plot, _axis, least, most, _space) {
  let step = 2 ** Math.ceil(Math.log2(Math.max(1, (most - least) / 4)));
  const found = [];
  for (let at = Math.ceil(least / step) * step; at <= most; at += step) found.push(at);
  return found;
}

/** Write times of ticks: of the day, or which day where it is about several. */
function moments(seconds) {
  const how = seconds > 2 * 86400 ? { weekday: "short", day: "numeric" } : { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  const write = new Intl.DateTimeFormat([], how);
  return (_plot, ticks) => ticks.map((tick) => write.format(new Date(1000 * tick)));
}

async function told(group) {
  const names = [...new Set(group.figures.flatMap((figure) => [...listed(figure), figure.dataset.total]).filter(Boolean))];
  const path = group.of.split("/").map(encodeURIComponent).join("/");
  const answer = await fetch(`/v1/series/${path}?${new URLSearchParams({ names: names.join(","), from: `-${group.seconds}` })}`);
  if (!answer.ok) throw new Error(answer.status);
  return answer.json();
}

function part({ names, units, columns }, figure) {
  const places = listed(figure).map((name) => names.indexOf(name));
  const total = columns[1 + names.indexOf(figure.dataset.total)]?.findLast((value) => value !== null);
  return {
    units: places.map((at) => units[at]),
    columns: [columns[0], ...places.map((at) => columns[1 + at])],
    total: figure.dataset.total ? total : undefined,
  };
}

/** Say what the curves have at a place of the plot, or last. */
function say(figure, { units, columns }, at) {
  listed(figure).forEach((name, index) => {
    const place = figure.querySelector(`.key [data-name="${CSS.escape(name)}"] dd`);
    const values = columns[index + 1];
    if (place) place.textContent = shown(at === null ? values.findLast((value) => value !== null) : values[at], units[index]);
  });
  const time = figure.querySelector(".at");
  if (time) time.textContent = at === null ? "" : new Date(1000 * columns[0][at]).toLocaleString([], figure.dataset.seconds > 7200 ? { dateStyle: "medium", timeStyle: "short" } : { timeStyle: "medium" });
}

/** Places of values that stand alone, which no line would show. */
function alone(plot, index) {
  const values = plot.data[index];
  const there = (at) => values[at] !== null && values[at] !== undefined;
  return values.reduce((found, _value, at) => (there(at) && !there(at - 1) && !there(at + 1) ? [...found, at] : found), []);
}

function draw(Plot, figure, told, group) {
  const place = figure.querySelector(".canvas");
  const data = part(told, figure);
  const axis = { stroke: getComputedStyle(place).color, grid: { stroke: colour(place, 0), width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
  const series = listed(figure).map((label, at) => {
    const line = colour(place, 1 + (at % 4));
    return { label, stroke: line, fill: at ? undefined : line.replace(/^rgb\((.+)\)$/, "rgba($1, 0.12)"), width: 1.5, points: { show: true, size: 3, fill: line, filter: alone } };
  });
  const values = (_plot, ticks) => ticks.map((tick) => shown(tick, data.units[0]));
  const splits = data.units[0].startsWith("octets") ? steps : undefined;
  const range = (_plot, _least, most) => [0, Math.max(figure.shown.total ?? 0, 1.05 * (most ?? 0)) || 1];
  figure.shown = data;
  place.replaceChildren();
  const plot = new Plot(
    {
      width: place.clientWidth, height: HEIGHT, padding: [6, 16, 0, 0], legend: { show: false }, series: [{}, ...series],
      cursor: { y: false, points: { size: 6 }, sync: { key: `${group.of} ${group.seconds}`, setSeries: false }, drag: { setScale: false, x: false } },
      axes: [{ ...axis, values: moments(group.seconds), size: 26, space: 64 }, { ...axis, values, splits, size: 64, space: 28 }], scales: { y: { range } },
      hooks: { setCursor: [(plot) => say(figure, figure.shown, plot.cursor.idx ?? null)] },
    },
    data.columns, place,
  );
  new ResizeObserver(() => plot.setSize({ width: place.clientWidth, height: HEIGHT })).observe(place);
  return plot;
}

async function look(group) {
  if (document.hidden) return;
  group.figures = group.figures.filter((figure) => {
    if (!figure.isConnected) figure.plot?.destroy();
    return figure.isConnected;
  });
  if (!group.figures.length) {
    clearInterval(group.timer);
    groups.delete(`${group.of} ${group.seconds}`);
    return;
  }
  try {
    const [Plot, answer] = await Promise.all([load(), told(group)]);
    for (const figure of group.figures) {
      if (figure.plot) {
        figure.shown = part(answer, figure);
        figure.plot.setData(figure.shown.columns);
      } else if (answer.columns[0].length) {
        figure.plot = draw(Plot, figure, answer, group);
      }
      if (figure.plot && (figure.plot.cursor.idx ?? null) === null) say(figure, figure.shown, null);
    }
  } catch { // it stands as it was
    for (const figure of group.figures) {
      const place = figure.querySelector(".canvas");
      if (!place.firstElementChild) place.textContent = "No figures yet.";
    }
  }
}

// Colours are the theme's: where that changes, plots are drawn anew.
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const group of groups.values()) {
    for (const figure of group.figures) {
      figure.plot?.destroy();
      figure.plot = null;
    }
    look(group);
  }
});

export function mount(root) {
  const fresh = new Set();
  for (const figure of root.querySelectorAll("figure[data-series]")) {
    if (figure.dataset.drawn) continue;
    figure.dataset.drawn = "1";
    const { of, seconds } = figure.dataset;
    const name = `${of} ${seconds}`;
    if (!groups.has(name)) groups.set(name, { of, seconds: Number(seconds), figures: [], timer: 0 });
    groups.get(name).figures.push(figure);
    fresh.add(groups.get(name));
  }
  for (const group of fresh) {
    look(group);
    const every = Math.min(LATEST, Math.max(SOONEST, (1000 * group.seconds) / 360));
    group.timer ||= setInterval(() => look(group), every);
  }
}
