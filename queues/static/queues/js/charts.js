// Charts over the index's roll-ups; each has a table that says the same.
import { paused } from "./live.js";

const KINDS = {
  throughput: {
    series: [["enqueued", "in", "available", true], ["completed", "done", "completed"], ["failed", "fail", "discarded"]],
    write: (v) => (v === null ? "—" : v >= 100 ? Math.round(v).toString() : String(Number(v.toFixed(2)))),
  },
  latency: {
    series: [["p50", "p50", "available"], ["p95", "p95", "active"], ["p99", "p99", "retryable"]],
    write: (v) => (v === null ? "—" : v < 1000 ? `${v < 10 ? Number(v.toFixed(1)) : Math.round(v)} ms` : v < 60000 ? `${Number((v / 1000).toFixed(1))} s` : `${Number((v / 60000).toFixed(1))} m`),
  },
};
const charts = new Map();
const probe = document.createElement("i");
probe.hidden = true;
document.body.append(probe);

function ink(name) {
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
}

const fade = (colour) => colour.replace(/\)$/, " / 0.1)");
const clock = (t) => new Date(t * 1000).toISOString().slice(11, 16);

function options(box, kind, width) {
  const spec = KINDS[kind];
  const few = box.rqData[0].length <= 20;
  const axis = { stroke: ink("muted"), font: "11px Inter, sans-serif", ticks: { show: false }, grid: { stroke: ink("line"), width: 1 } };
  return {
    width, height: 208, padding: [12, 16, 0, 0], legend: { show: false },
    cursor: { y: false, points: { size: 6 }, drag: { x: false, y: false }, sync: { key: "overview" } },
    scales: { x: { time: true }, y: { range: (_, __, max) => [0, max > 0 ? max * 1.12 : 1] } },
    axes: [
      { ...axis, grid: { show: false }, space: 64, size: 24, values: (_, ts) => ts.map(clock) },
      { ...axis, size: 52, space: 36, values: (_, vs) => vs.map((v) => spec.write(v)) },
    ],
    series: [{}, ...spec.series.map(([label, , colour, area]) => ({
      label, stroke: ink(colour), width: 1.5, points: { show: few, size: 5, fill: ink(colour), width: 0 }, fill: area ? fade(ink(colour)) : undefined,
    }))],
    hooks: { setCursor: [(u) => legend(box, spec, u.data, u.cursor.idx)] },
  };
}

function legend(box, spec, data, idx) {
  const last = data[0].length - 1;
  const i = idx ?? last;
  spec.series.forEach((_, n) => {
    const el = box.querySelector(`[data-s="${n}"]`);
    if (el) el.textContent = spec.write(data[n + 1][i] ?? null);
  });
  const at = box.querySelector("[data-s=at]");
  if (at && data[0].length) at.textContent = `${clock(data[0][i])} UTC`;
}

function table(box, spec, data) {
  const body = box.querySelector("tbody");
  if (!body || box.querySelector(".tablewrap").hidden) return;
  body.replaceChildren(...data[0].map((t, i) => {
    const row = document.createElement("tr");
    const head = document.createElement("th");
    head.scope = "row";
    head.className = "num";
    head.textContent = clock(t);
    row.append(head, ...spec.series.map((_, n) => {
      const cell = document.createElement("td");
      cell.className = "num r";
      cell.textContent = spec.write(data[n + 1][i]);
      return cell;
    }));
    return row;
  }).reverse());
}

function draw(box) {
  const { kind } = box.dataset;
  const spec = KINDS[kind];
  const data = box.rqData;
  const plot = box.querySelector(".plot");
  if (!data || plot.hidden) return data && table(box, spec, data);
  charts.get(box)?.destroy();
  plot.replaceChildren();
  const chart = new uPlot(options(box, kind, plot.clientWidth), data, plot);
  charts.set(box, chart);
  legend(box, spec, data, null);
  return null;
}

async function load() {
  const answer = await fetch(document.querySelector("[data-charts]").dataset.charts, { redirect: "error" }).catch(() => null);
  if (!answer?.ok) return;
  const found = await answer.json();
  for (const box of document.querySelectorAll("[data-kind]")) {
    const { kind, of } = box.dataset;
    const source = of ? found[of] : found;
    const data = [found.at, ...KINDS[kind].series.map(([name]) => source[name])];
    box.rqData = data;
    const chart = charts.get(box);
    if (chart && !box.querySelector(".plot").hidden) {
      chart.setData(data);
      legend(box, KINDS[kind], data, chart.cursor.idx);
    } else draw(box);
  }
}

document.addEventListener("click", (e) => {
  const button = e.target.closest("[data-table]");
  if (!button) return;
  const box = button.closest("[data-kind]");
  const on = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", String(on));
  box.querySelector(".tablewrap").hidden = !on;
  box.querySelector(".plot").hidden = on;
  draw(box);
});
const redraw = () => document.querySelectorAll("[data-kind]").forEach(draw);
document.addEventListener("rq:theme", redraw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
let width = innerWidth;
addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; requestAnimationFrame(redraw); } });
let drawn = 0;
document.addEventListener("rq:frame", () => {
  if (Date.now() - drawn < 5000 || paused()) return;
  drawn = Date.now();
  load();
});
document.fonts.ready.then(load);
