// Plots: <figure data-series="NAME…" data-range="1h" data-unit="ms">, drawn by uPlot, which is got when there is one.

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

async function data(figure) {
  const columns = [];
  let times = null;
  const names = figure.dataset.series.split(" ");
  for (const name of names) {
    const query = new URLSearchParams({ name, range: figure.dataset.range });
    const answer = await fetch(`/v1/series?${query}`);
    if (!answer.ok) throw new Error(answer.status);
    const told = await answer.json();
    times ??= told.times;
    columns.push(told.values);
  }
  return { names, columns: [times ?? [], ...columns] };
}

async function draw(figure) {
  const place = figure.querySelector(".canvas");
  const [Plot, { names, columns }] = await Promise.all([load(), data(figure)]);
  const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
  place.replaceChildren();
  const series = names.map((label, index) => ({
    label, stroke: colour(`--plot-${1 + index % 4}`), width: 1.5, points: { show: false },
  }));
  const unit = figure.dataset.unit;
  const values = (_plot, ticks) => ticks.map((tick) => `${tick} ${unit}`.trim());
  new Plot(
    { width: place.clientWidth, height: 140, legend: { show: names.length > 1 }, series: [{}, ...series],
      axes: [axis, { ...axis, values, size: 64 }], cursor: { y: false } },
    columns, place,
  );
}

export function mount(root) {
  for (const figure of root.querySelectorAll("[data-series]")) {
    draw(figure).catch(() => { figure.querySelector(".canvas").textContent = "No figures yet."; });
  }
}
