// The chart of a forecast. The library is loaded for the first chart; colours come from the style sheet.

import { figure, h } from "../element.js";

let library = null;

function loadLibrary() {
  library ??= new Promise((resolve, reject) => {
    const source = `assets/${document.documentElement.dataset.chartLibrary}`;
    const failed = () => reject(new Error("The chart library could not be loaded; the table below holds the forecast."));
    document.head.append(h("script", { src: source, onload: () => resolve(window.Plotly), onerror: failed }));
  });
  return library;
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const DASHES = ["dash", "dashdot", "longdash"]; // dots are the seasonal-naive forecast

// `data`: {labels, values, ahead, median, bands, naive, others, explanation, first, ownHorizon}, made by view.js.
export async function draw(element, data) {
  const plotly = await loadLibrary();
  await plotly.react(element, traces(data), layout(data), { displayModeBar: false, responsive: true, scrollZoom: false, doubleClick: false });
}

function traces({ labels, values, ahead, median, bands, naive, others }) {
  const line = (name, x, y, style, more = {}) => ({ name, x, y, mode: "lines", line: style, hoverinfo: "skip", ...more });
  const missing = labels.filter((_, index) => values[index] === null);
  return [
    ...[...bands].reverse().flatMap(({ level, lower, upper }, index) => [
      line(`${level} % from`, ahead, lower, { width: 0 }),
      line(`${level} % to`, ahead, upper, { width: 0 }, { fill: "tonexty", fillcolor: colour(`band-${Math.min(index, 1)}`) }),
    ]),
    line("history", labels, values, { color: colour("ink-soft"), width: 1.6 }, { mode: "lines+markers", marker: { size: 3, color: colour("ink-soft") } }),
    missing.length > 0 && {
      name: "missing",
      x: missing,
      y: missing.map(() => 0.03),
      yaxis: "y2",
      mode: "markers",
      marker: { symbol: "x-thin", size: 7, line: { width: 1.6, color: colour("warn") } },
      hoverinfo: "skip",
    },
    naive && line("seasonal naive", ahead, naive, { color: colour("naive"), width: 1.6, dash: "dot" }),
    ...others.map(({ name, values: own }, index) => line(name, ahead, own, { color: colour(`other-${index % 3}`), width: 2, dash: DASHES[index % 3] })),
    line("median", ahead, median, { color: colour("accent"), width: 2.4 }, ahead.length === 1 ? { mode: "lines+markers", marker: { size: 7, color: colour("accent") } } : {}),
    hover({ labels, values, ahead, median, bands, naive, others }),
  ].filter(Boolean);
}

// An invisible point per step carries the hover text of all lines.
function hover({ labels, values, ahead, median, bands, naive, others }) {
  const known = values.map((value, index) => value ?? values.slice(0, index).findLast((earlier) => earlier !== null) ?? median[0]);
  const entry = (name, value) => `${name} ${figure(value)}`; // no bold type: it would be an inline style
  const steps = ahead.map((label, step) =>
    [
      label,
      entry("median", median[step]),
      ...bands.map(({ level, lower, upper }) => `${level} % interval ${figure(lower[step])} – ${figure(upper[step])}`),
      ...(naive && naive[step] !== null ? [entry("seasonal naive", naive[step])] : []),
      ...others.map(({ name, values: own }) => entry(name, own[step])),
    ].join("<br>"),
  );
  return {
    name: "hover",
    x: [...labels, ...ahead],
    y: [...known, ...median],
    text: [...labels.map((label, index) => `${label}<br>${values[index] === null ? "missing" : entry("value", values[index])}`), ...steps],
    mode: "markers",
    marker: { opacity: 0, size: 1 },
    hovertemplate: "%{text}<extra></extra>",
  };
}

// Beyond billions the library writes exponents as superscripts by an inline style, which the policy refuses; 1e+30 needs none.
function exponentFormat(drawn) {
  const largest = drawn.reduce((most, value) => Math.max(most, Math.abs(value ?? 0)), 0);
  return largest > 1e14 || largest < 1e-9 ? "e" : "B";
}

function layout({ labels, values, ahead, median, bands, others, explanation, first, ownHorizon }) {
  const drawn = [...values, ...median, ...bands.flatMap(({ lower, upper }) => [...lower, ...upper]), ...others.flatMap((other) => other.values)];
  const dated = typeof labels[0] === "string";
  const family = getComputedStyle(document.body).fontFamily;
  const between = (index) => midpoint(labels, ahead, index, dated);
  const heaviest = Math.max(...explanation.map(({ weight }) => weight), 0.01);
  const shaded = (x0, x1, more) => ({ type: "rect", x0, x1, yref: "paper", y0: 0, y1: 1, line: { width: 0 }, layer: "below", ...more });
  const grid = { gridcolor: colour("line"), zeroline: false, linecolor: colour("line"), tickfont: { color: colour("ink-soft") }, fixedrange: true };
  const vertical = (x, dash) => ({ type: "line", x0: x, x1: x, yref: "paper", y0: 0, y1: 1, line: { color: colour("ink-soft"), width: 1, dash }, layer: "below" });
  return {
    margin: { l: 56, r: 12, t: 12, b: 36 },
    paper_bgcolor: colour("paper"),
    plot_bgcolor: colour("paper"),
    font: { family, size: 12, color: colour("ink") },
    showlegend: false,
    hovermode: "x",
    hoverdistance: -1,
    hoverlabel: { bgcolor: colour("panel"), bordercolor: colour("line-strong"), align: "left", font: { family, color: colour("ink") } },
    dragmode: false,
    xaxis: { ...grid, type: dated ? "date" : "linear", showgrid: false, showspikes: true, spikemode: "across", spikethickness: 1, spikedash: "dot", spikecolor: colour("line-strong"), range: [between(first), between(labels.length + ahead.length)] },
    yaxis: { ...grid, automargin: true, exponentformat: exponentFormat(drawn) },
    yaxis2: { overlaying: "y", range: [0, 1], visible: false, fixedrange: true },
    shapes: [
      ...explanation.map(({ start, end, weight }) => shaded(between(start), between(end), { fillcolor: colour("explained"), opacity: 0.06 + (0.34 * weight) / heaviest })),
      vertical(between(labels.length), "solid"),
      ...(ownHorizon < ahead.length ? [vertical(between(labels.length + ownHorizon), "dot")] : []),
    ],
  };
}

// The x value halfway between points `index` - 1 and `index` of history and horizon, extrapolated at both ends.
function midpoint(labels, ahead, index, dated) {
  const all = [...labels, ...ahead];
  const number = (label) => (dated ? Date.parse(label.length > 10 ? `${label.slice(0, 16)}Z` : `${label}T00:00Z`) : label);
  const at = (position) => number(all[Math.max(0, Math.min(all.length - 1, position))]);
  const step = all.length > 1 ? at(1) - at(0) : 1;
  const found = index <= 0 ? at(0) - step / 2 : index >= all.length ? at(all.length - 1) + step / 2 : (at(index - 1) + at(index)) / 2;
  return dated ? new Date(found).toISOString().slice(0, 19) : found;
}

export function summary({ labels, values, ahead, median }) {
  const missing = values.filter((value) => value === null).length;
  const known = values.filter((value) => value !== null).at(-1);
  return `Line chart. History of ${values.length} values up to ${labels.at(-1)}, ${missing} of them missing; the last known value is ${figure(known)}. Median forecast from ${figure(median[0])} at ${ahead[0]} to ${figure(median.at(-1))} at ${ahead.at(-1)}.`;
}
