// Text to one series as the service takes it, and sentences that say how it was understood.

import { parseTable } from "./csv.js";
import { looksLikeDate, monthEndsToFirsts, places, pointOf, readDates, spacing, SPACINGS, written } from "./dates.js";
import { isMissing, looksLikeNumber, readList, readNumbers } from "./numbers.js";

const counted = (count, thing) => `${count.toLocaleString("en")} ${thing}${count === 1 ? "" : "s"}`;
const MOST_GAPS = 20; // as many empty places a row mean that the spacing is wrong, not that rows are missing
const SUB_DAILY = ["15min", "30min", "h"];

// What a person chose overrides what the text says: {column, freq, start}. `covariates` are those the model reads.
// Throws an Error that says what to change.
export function readSeries(text, chosen = {}, covariates = { past: [], future: [] }) {
  const list = readList(text);
  if (list) return finish({ name: null, values: list, notes: [], columns: [], times: null }, chosen);
  const { rows, separator, emptyLines } = parseTable(text);
  refuseTwoReadings(rows, separator);
  const columns = readColumns(rows);
  const dates = columns.find(({ times }) => times);
  const choices = columns.filter(({ numbers }) => numbers);
  if (choices.length === 0) throw new Error(noNumbers(columns));
  const reads = new Set([...covariates.past, ...covariates.future].map((name) => name.toLowerCase()));
  const value = choices.find(({ name }) => name === chosen.column) ?? choices.find(({ name }) => !reads.has(name.toLowerCase())) ?? choices[0];
  const companions = (names, kind) =>
    names.flatMap((name) => columns.filter((column) => column !== value && column[kind] && column.name.toLowerCase() === name.toLowerCase()).map((column) => [name, column]));
  const past = companions(covariates.past, "numbers");
  const future = companions(covariates.future, "cells");
  const notes = [];
  if (separator) notes.push(`columns separated by ${separator}`);
  if (emptyLines > 0) notes.push(`${counted(emptyLines, "empty line")} left out`);
  if (value.note) notes.push(value.note);
  const unread = columns.filter((column) => ![dates, value, ...past.map(([, one]) => one), ...future.map(([, one]) => one)].includes(column));
  if (unread.length > 0) notes.push(`not read: ${unread.map(({ name }) => name).join(", ")}`);
  const table = {
    name: value.name,
    values: value.numbers,
    times: dates?.times ?? null,
    past: Object.fromEntries(past.map(([name, { numbers }]) => [name, numbers])),
    future: Object.fromEntries(future.map(([name, { cells }]) => [name, cells.map((cell) => (isMissing(cell) ? null : cell))])),
    columns: choices.map(({ name }) => name),
    notes,
  };
  return finish(dates ? onGrid(table, chosen) : table, chosen);
}

// A column of 1,5 without anything else: one number or two?
function refuseTwoReadings(rows, separator) {
  if (separator === "commas" && rows.every(({ cells }) => cells.length === 2 && cells.every((cell) => /^\d+$/.test(cell)))) {
    throw new Error("A line such as 1,5 could be one number or two. Write decimals with a point, or put semicolons between columns.");
  }
}

function readColumns(rows) {
  const isData = (cell) => looksLikeNumber(cell) || looksLikeDate(cell) || cell === "";
  const header = rows[0].cells.some(isData) ? null : rows[0].cells;
  const body = header ? rows.slice(1) : rows;
  if (body.length === 0) throw new Error("There is a line of names and no line of values.");
  const lines = body.map(({ line }) => line);
  return rows[0].cells.map((_, index) => {
    const name = header ? header[index] : `column ${index + 1}`;
    const cells = body.map((row) => row.cells[index]);
    const known = cells.filter((cell) => !isMissing(cell));
    if (known.length > 0 && known.every((cell) => looksLikeDate(cell))) {
      if (known.length < cells.length) throw new Error(`Line ${lines[cells.findIndex(isMissing)]} has no date.`);
      return { name, cells, times: readDates(cells, lines) };
    }
    if (known.length > 1 && known.every((cell) => /^(1[5-9]|20|21)\d\d$/.test(cell)) && /^(date|time|year|ds|jahr|column 1)$/i.test(name) && cells.every((cell, row) => row === 0 || Number(cell) === Number(cells[row - 1]) + 1)) {
      return { name, cells, times: cells.map((cell) => Date.UTC(cell, 0, 1)) };
    }
    return { name, cells, lines, ...readNumbers(cells) };
  });
}

function noNumbers(columns) {
  for (const { name, cells, lines, times } of columns) {
    if (times) continue;
    const odd = cells.findIndex((cell) => !isMissing(cell) && !looksLikeNumber(cell));
    const numbers = cells.filter(looksLikeNumber).length;
    if (odd >= 0 && numbers > cells.length / 2) return `Line ${lines[odd]}: “${cells[odd]}” in ${name} is not a number. Leave a missing value empty, or write NA.`;
  }
  return "No column of numbers was found. Paste numbers, one a line, or a table with a column of dates and one of numbers.";
}

// Rows put where their dates say; a date without a row is a missing value.
function onGrid(table, chosen) {
  const notes = [...table.notes];
  let order = table.times.map((_, index) => index);
  if (table.times.some((time, index) => index > 0 && time < table.times[index - 1])) {
    order = order.sort((one, other) => table.times[one] - table.times[other]);
    notes.push("put in the order of their dates");
  }
  let times = order.map((index) => table.times[index]);
  const repeated = times.filter((time, index) => index > 0 && time === times[index - 1]).length;
  if (repeated > 0) {
    throw new Error(`${counted(repeated, "row")} repeat a date. Keep one row a date; of a file with several series, the rows of one of them.`);
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

// Rows at the end without a value are the steps to forecast where something is known of them, and missing otherwise.
function withoutUnknownEnd(table) {
  let end = table.values.length;
  while (end > 0 && table.values[end - 1] === null) end -= 1;
  const knownAhead = Object.values(table.future ?? {}).some((cells) => cells.slice(end).some((cell) => cell !== null));
  if (!knownAhead || end === table.values.length) return table;
  const past = Object.fromEntries(Object.entries(table.past).map(([name, cells]) => [name, cells.slice(0, end)]));
  const ahead = table.values.length - end;
  return { ...table, values: table.values.slice(0, end), past, notes: [...table.notes, `${counted(ahead, "row")} at the end without a value taken as known ahead`] };
}

function finish(given, chosen) {
  const table = withoutUnknownEnd(given);
  const freq = table.freq ?? (chosen.freq || null);
  let { startTime = null } = table;
  if (startTime === null && chosen.start && freq) {
    startTime = Date.parse(`${chosen.start.length <= 10 ? `${chosen.start}T00:00` : chosen.start.slice(0, 16)}Z`);
    if (Number.isNaN(startTime)) throw new Error("The date of the first value must be written as 2019-01-31 or 2019-01-31T06:00.");
  }
  const withTime = SUB_DAILY.includes(freq) || (startTime !== null && startTime % 86_400_000 !== 0);
  const labels = table.values.map((_, index) => (startTime !== null && freq ? written(pointOf(startTime, freq, index), withTime) : index + 1));
  const start = startTime === null ? null : written(startTime, withTime);
  const missing = table.values.filter((value) => value === null).length;
  if (missing === table.values.length) throw new Error("Every value is missing; at least one must be known.");
  const size = `${counted(table.values.length, "value")}${table.name ? ` of ${table.name}` : ""}`;
  const spaced = freq ? `, ${SPACINGS[freq]}` : ", spacing not known";
  const dated = start ? ` from ${start} to ${labels.at(-1)}` : ", without dates";
  const gaps = table.withoutRow ? ` (${counted(table.withoutRow, "date")} without a row)` : "";
  const companions = [...Object.keys(table.past ?? {}), ...Object.keys(table.future ?? {})];
  const together = companions.length > 0 ? ` Together with ${companions.join(" and ")}.` : "";
  const notes = table.notes.join("; ");
  const aside = notes ? ` ${notes[0].toUpperCase()}${notes.slice(1)}.` : "";
  return {
    values: table.values,
    freq,
    start,
    labels,
    hasDates: table.times !== null,
    past: table.past ?? {},
    future: table.future ?? {},
    columns: table.columns,
    column: table.name,
    understood: `${size}${spaced}${dated}, ${missing} missing${gaps}.${together}${aside}`,
  };
}
