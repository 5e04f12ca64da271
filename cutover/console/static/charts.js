// Blue and green over time, one chart for each figure; blue is solid and green dashed, so that nobody needs the colours.

import { now } from "./clock.js";

const EVERY = 5_000; // ms
const HIGH = 180; // px
const SIDES = ["blue", "green"];
const utc = new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", hour: "2-digit", minute: "2-digit", second: "2-digit" });
const told = document.getElementById("charts-told");
const plots = new Map();
let known = null;

function tone(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

// Both sides on one axis of time; where one has no sample at a moment, its line goes on to the next.
export function columns(curves) {
  const [one, other] = SIDES.map((side) => curves.find((curve) => curve.side === side)?.samples ?? []);
  const found = [[], [], []];
  // Each side's samples are in the order of time.
  for (let i = 0, j = 0; i < one.length || j < other.length; ) {
    const at = Math.min(one[i]?.[0] ?? Infinity, other[j]?.[0] ?? Infinity);
    found[0].push(at);
    found[1].push(one[i]?.[0] === at ? one[i++][1] : undefined);
    found[2].push(other[j]?.[0] === at ? other[j++][1] : undefined);
  }
  return found;
}

function options(figure, width) {
  const axis = { stroke: tone("text"), grid: { stroke: tone("line"), width: 1 }, ticks: { stroke: tone("line"), width: 1 } };
  const line = (label, extra) => ({ label, stroke: tone(label), width: 2, spanGaps: true, points: { show: false }, ...extra });
  return {
    width,
    height: HIGH,
    cursor: { y: false },
    legend: { show: false },
    tzDate: (at) => uPlot.tzDate(new Date(at * 1e3), "Etc/UTC"),
    scales: { y: { range: (_, low, high) => range(low, high, figure) } },
    axes: [{ ...axis, values: (_, at) => at.map((one) => utc.format(one * 1e3)), space: 90 }, { ...axis, size: 60 }],
    series: [{}, line("blue"), line("green", { dash: [6, 4] })],
    hooks: { drawClear: [phases], draw: [(plot) => bounds(plot, figure)], setCursor: [(plot) => under(plot, figure)] },
  };
}

function range(low, high, figure) {
  if (low === null || high === null) return [0, 1];
  const top = Math.max(high, 0);
  const bottom = Math.min(low, 0);
  return [bottom, top === bottom ? bottom + 1 : top + (top - bottom) * 0.08];
}

function phases(plot) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.fillStyle = tone("band");
  const begun = (known?.phases ?? []).filter((one) => one.begins);
  begun.forEach((one, number) => {
    if (number % 2) return;
    const from = Math.max(bbox.left, plot.valToPos(one.at, "x", true));
    const to = Math.min(bbox.left + bbox.width, plot.valToPos(begun[number + 1]?.at ?? now(), "x", true));
    if (to > from) ctx.fillRect(from, bbox.top, to - from, bbox.height);
  });
  ctx.restore();
}

function bounds(plot, figure) {
  const { ctx, bbox } = plot;
  for (const [name, colour] of [["warn", "warn"], ["critical", "bad"]]) {
    if (figure.dataset[name] === undefined) continue;
    const at = plot.valToPos(Number(figure.dataset[name]), "y", true);
    if (at < bbox.top || at > bbox.top + bbox.height) continue;
    ctx.save();
    ctx.strokeStyle = tone(colour);
    ctx.setLineDash([2, 4]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, at);
    ctx.lineTo(bbox.left + bbox.width, at);
    ctx.stroke();
    ctx.restore();
  }
}

function under(plot, figure) {
  const at = plot.cursor.idx ?? plot.data[0].length - 1;
  if (at < 0 || plot.data[0][at] === undefined) return;
  const seen = SIDES.map((side, number) => [side, plot.data[number + 1][at]]).filter(([, value]) => value !== undefined && value !== null);
  const words = seen.map(([side, value]) => `${side} ${Number(value.toPrecision(4))} ${figure.dataset.unit}`.trim());
  figure.querySelector(".newest").textContent = `${utc.format(plot.data[0][at] * 1e3)}: ${words.join(", ") || "nothing"}`;
}

export function draw(figure, data) {
  const place = figure.querySelector(".canvas");
  const width = place.clientWidth;
  if (!width) return; // in a view that is not shown
  const plot = plots.get(figure);
  if (plot === undefined) {
    const made = new uPlot(options(figure, width), data, place);
    made.root.setAttribute("aria-hidden", "true"); // the table of both sides says the same in words
    plots.set(figure, made);
    under(made, figure);
    return;
  }
  if (plot.width !== width) plot.setSize({ width, height: HIGH });
  plot.setData(data);
  under(plot, figure);
}

function all() {
  if (known === null) return;
  for (const figure of document.querySelectorAll("[role=tabpanel]:not([hidden]) .plot")) {
    draw(figure, columns(known.curves.filter((curve) => curve.figure === figure.dataset.figure)));
  }
}

async function look() {
  if (document.hidden) return;
  try {
    const answer = await fetch("/curves");
    if (!answer.ok) return;
    known = await answer.json();
    told.textContent = known.trouble ? `The newest figures did not come: ${known.trouble}` : "";
    all();
  } catch {
    told.textContent = "The newest figures did not come.";
  }
}

function choose(tab) {
  for (const one of document.querySelectorAll("[role=tab]")) {
    const chosen = one === tab;
    one.setAttribute("aria-selected", String(chosen));
    one.tabIndex = chosen ? 0 : -1;
    document.getElementById(one.getAttribute("aria-controls")).hidden = !chosen;
  }
  all();
}

const tabs = [...document.querySelectorAll("[role=tab]")];
tabs.forEach((tab, number) => {
  tab.addEventListener("click", () => choose(tab));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs[(number + step + tabs.length) % tabs.length];
    choose(next);
    next.focus();
  });
});
// What is drawn has the colours of its time: with others it is drawn anew.
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const plot of plots.values()) plot.destroy();
  plots.clear();
  all();
});
if (tabs.length) {
  addEventListener("resize", all);
  document.addEventListener("visibilitychange", look);
  setInterval(look, EVERY);
  look();
}
