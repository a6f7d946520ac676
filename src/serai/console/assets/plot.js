// Plots: <figure data-of="TENANT/APP" data-series="NAME,…" data-seconds="3600">, drawn by uPlot, which is got when there
// is one on the page. All values are drawn as they are told; where nobody looked there is a gap.

const HEIGHT = 140;
const EVERY = 10000; // milliseconds
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

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const OCTETS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** Write a number with its unit: octets by 1024, seconds below one as milliseconds. */
function shown(value, unit) {
  if (value === null || value === undefined) return "";
  if (unit.startsWith("octets")) {
    let at = 0;
    let size = value;
    while (Math.abs(size) >= 1024 && at < OCTETS.length - 1) {
      size /= 1024;
      at += 1;
    }
    return `${+size.toPrecision(3)} ${OCTETS[at]}${unit.slice("octets".length)}`;
  }
  if (unit === "s" && Math.abs(value) < 1) return `${+(value * 1000).toPrecision(3)} ms`;
  return `${+Number(value).toPrecision(3)} ${unit.replace(/^1/, "")}`.trim();
}

async function told(figure) {
  const { of, series, seconds } = figure.dataset;
  const path = of.split("/").map(encodeURIComponent).join("/");
  const answer = await fetch(`/v1/series/${path}?${new URLSearchParams({ names: series, from: `-${seconds}` })}`);
  if (!answer.ok) throw new Error(answer.status);
  return answer.json();
}

function draw(Plot, place, { names, units, columns }) {
  const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
  const series = names.map((label, at) => ({
    label, stroke: colour(`--plot-${1 + (at % 4)}`), width: 1.5, points: { show: false }, value: (_plot, one) => shown(one, units[at]),
  }));
  const values = (_plot, ticks) => ticks.map((tick) => shown(tick, units[0]));
  place.replaceChildren();
  return new Plot(
    {
      width: place.clientWidth, height: HEIGHT, legend: { show: false }, cursor: { y: false },
      series: [{}, ...series], axes: [axis, { ...axis, values, size: 72 }], scales: { y: { range: { min: { soft: 0, mode: 1 } } } },
    },
    columns, place,
  );
}

async function begin(figure) {
  const place = figure.querySelector(".canvas");
  const [Plot, first] = await Promise.all([load(), told(figure)]);
  if (!first.columns[0].length) throw new Error("empty");
  const plot = draw(Plot, place, first);
  new ResizeObserver(() => plot.setSize({ width: place.clientWidth, height: HEIGHT })).observe(place);
  const timer = setInterval(async () => {
    if (!figure.isConnected) {
      clearInterval(timer);
      plot.destroy();
      return;
    }
    if (document.hidden) return;
    try {
      plot.setData((await told(figure)).columns);
    } catch { /* it stands as it was */ }
  }, EVERY);
}

export function mount(root) {
  for (const figure of root.querySelectorAll("figure[data-series]")) {
    if (figure.dataset.drawn) continue;
    figure.dataset.drawn = "1";
    begin(figure).catch(() => { figure.querySelector(".canvas").textContent = "No figures yet."; });
  }
}
