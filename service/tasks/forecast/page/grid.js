// Puts the rows of a table on a regular grid of dates.

import { counted } from "../element.js";
import { FREQUENCIES, gridIndices, inferFrequency, monthEndsToFirsts } from "./dates.js";

const MAX_GAP_RATIO = 20; // more steps per row mean that the frequency is wrong, not that rows are missing

// A date without a row becomes a missing value.
export function onGrid(table, chosen) {
  if (table.times.length < 2) throw new Error("One row is too little to continue: paste more rows, at least two and better a few seasons.");
  const notes = [...table.notes];
  let order = table.times.map((_, index) => index);
  if (table.times.some((time, index) => index > 0 && time < table.times[index - 1])) {
    order = order.sort((one, other) => table.times[one] - table.times[other]);
    notes.push("sorted by date");
  }
  let times = order.map((index) => table.times[index]);
  const repeated = times.filter((time, index) => index > 0 && time === times[index - 1]).length;
  if (repeated > 0) {
    throw new Error(`${counted(repeated, "row")} ${repeated === 1 ? "repeats" : "repeat"} a date. Keep one row a date; of a file with several series, the rows of one of them.`);
  }
  const firsts = monthEndsToFirsts(times);
  if (firsts && times.length > 2 && !(inferFrequency(times) in { h: 1 })) {
    times = firsts;
    notes.push("month ends taken as months");
  }
  const freq = chosen.freq || inferFrequency(times);
  const indices = freq && gridIndices(times, freq);
  if (!indices) {
    throw new Error(
      chosen.freq
        ? `The dates don't lie on a grid of “${FREQUENCIES[chosen.freq]}”; choose another frequency.`
        : "The dates are not evenly spaced by 15 or 30 minutes, an hour, a day, a working day, a week, a month, a quarter or a year.",
    );
  }
  const length = indices.at(-1) + 1;
  if (length > MAX_GAP_RATIO * times.length) throw new Error(`Between the dates ${length - times.length} steps have no row; check the first and the last date, or choose a longer frequency.`);
  const spread = (cells) => {
    const full = new Array(length).fill(null);
    order.forEach((row, index) => (full[indices[index]] = cells[row]));
    return full;
  };
  const all = (columns) => Object.fromEntries(Object.entries(columns).map(([name, cells]) => [name, spread(cells)]));
  return { ...table, values: spread(table.values), past: all(table.past), future: all(table.future), notes, freq, startTime: times[0], withoutRow: length - times.length };
}
