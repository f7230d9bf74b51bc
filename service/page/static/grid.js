// Rows of a table on an even grid of dates.

import { counted } from "./element.js";
import { monthEndsToFirsts, places, spacing, SPACINGS } from "./dates.js";

const MOST_GAPS = 20; // as many empty places a row mean that the spacing is wrong, not that rows are missing

// Rows put where their dates say; a date without a row is a missing value.
export function onGrid(table, chosen) {
  if (table.times.length < 2) throw new Error("One row is too little to continue: paste more rows, at least two and better a few seasons.");
  const notes = [...table.notes];
  let order = table.times.map((_, index) => index);
  if (table.times.some((time, index) => index > 0 && time < table.times[index - 1])) {
    order = order.sort((one, other) => table.times[one] - table.times[other]);
    notes.push("put in the order of their dates");
  }
  let times = order.map((index) => table.times[index]);
  const repeated = times.filter((time, index) => index > 0 && time === times[index - 1]).length;
  if (repeated > 0) {
    throw new Error(`${counted(repeated, "row")} ${repeated === 1 ? "repeats" : "repeat"} a date. Keep one row a date; of a file with several series, the rows of one of them.`);
  }
  const firsts = monthEndsToFirsts(times);
  if (firsts && times.length > 2 && !(spacing(times) in { h: 1 })) {
    times = firsts;
    notes.push("month ends stand for their months");
  }
  const freq = chosen.freq || spacing(times);
  const found = freq && places(times, freq);
  if (!found) {
    throw new Error(
      chosen.freq
        ? `The dates don't lie on a grid of “${SPACINGS[chosen.freq]}”; choose another spacing.`
        : "The dates are not evenly spaced by 15 or 30 minutes, an hour, a day, a working day, a week, a month, a quarter or a year.",
    );
  }
  const length = found.at(-1) + 1;
  if (length > MOST_GAPS * times.length) throw new Error(`Between the dates ${length - times.length} steps have no row; check the first and the last date, or choose a wider spacing.`);
  const spread = (cells) => {
    const full = new Array(length).fill(null);
    order.forEach((row, index) => (full[found[index]] = cells[row]));
    return full;
  };
  const all = (columns) => Object.fromEntries(Object.entries(columns).map(([name, cells]) => [name, spread(cells)]));
  return { ...table, values: spread(table.values), past: all(table.past), future: all(table.future), notes, freq, startTime: times[0], withoutRow: length - times.length };
}
