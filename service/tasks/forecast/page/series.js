// Parses text into one series of a request, with sentences that say how it was parsed.

import { nearlyNumbers, readColumns } from "./columns.js";
import { parseTable } from "./csv.js";
import { formatTime, FREQUENCIES, readStart, timestampAt } from "./dates.js";
import { counted } from "../element.js";
import { onGrid } from "./grid.js";
import { isMissing, readList } from "./numbers.js";

const MAX_VALUES = 10_000; // the service's default limit per series
const SUB_DAILY = ["15min", "30min", "h"];

// `chosen` overrides the text: {column, freq, start}. `covariates` are those of the model. Throws an Error that says what to
// change.
export function readSeries(text, chosen = {}, covariates = { past: [], future: [] }) {
  const list = readList(text);
  if (list) return finish({ name: null, values: list, notes: [], columns: [], times: null }, chosen);
  const { rows, separator, emptyLines } = parseTable(text);
  const { columns, note } = readColumns(rows, separator);
  const dates = datesOf(columns);
  const choices = columns.filter(({ numbers }) => numbers);
  if (choices.length === 0) throw new Error(nearlyNumbers(columns) ?? "No column of numbers was found. Paste numbers, one a line, or a table with a column of dates and one of numbers.");
  const reads = new Set([...covariates.past, ...covariates.future].map((name) => name.toLowerCase()));
  const unnamed = choices.filter(({ namesRows }) => !namesRows);
  const own = unnamed.filter(({ countsRows }) => !countsRows);
  if (own.length === 0 && nearlyNumbers(columns)) throw new Error(nearlyNumbers(columns));
  const likely = [own, unnamed, choices].find((each) => each.length > 0);
  const value = choices.find(({ name }) => name === chosen.column) ?? likely.find(({ name }) => !reads.has(name.toLowerCase())) ?? likely[0];
  const covariateColumns = (names, kind) =>
    names.flatMap((name) => columns.filter((column) => column !== value && column[kind] && column.name.toLowerCase() === name.toLowerCase()).map((column) => [name, column]));
  const past = covariateColumns(covariates.past, "numbers");
  const future = covariateColumns(covariates.future, "cells");
  const notes = [];
  if (separator) notes.push(`columns separated by ${separator}`);
  if (emptyLines > 0) notes.push(`${counted(emptyLines, "empty line")} skipped`);
  if (note) notes.push(note);
  if (dates?.note) notes.push(dates.note);
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

// The column of dates, if there is one. Throws an Error for one that can't be parsed.
function datesOf(columns) {
  const dates = columns.find(({ times, broken }) => times || broken);
  const { broken } = dates ?? {};
  const doubt = dates ? null : columns.find((column) => column.doubt)?.doubt;
  if (broken || doubt) throw new Error(broken ?? doubt);
  return dates;
}

// The newest values, as many as the service takes.
function newest(table, freq, startTime) {
  const older = table.values.length - MAX_VALUES;
  if (older <= 0) return { ...table, startTime };
  const cut = (columns) => Object.fromEntries(Object.entries(columns ?? {}).map(([name, cells]) => [name, cells.slice(older)]));
  const note = `the newest ${counted(MAX_VALUES, "value")} of ${table.values.length.toLocaleString("en")} are taken`;
  return {
    ...table,
    values: table.values.slice(older),
    past: cut(table.past),
    future: cut(table.future),
    startTime: startTime !== null && freq ? timestampAt(startTime, freq, older) : startTime,
    notes: [...table.notes, note],
  };
}

// Rows at the end without a value are steps to forecast if a future covariate is known for them, else missing values.
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
  const known = withoutUnknownEnd(given);
  const freq = known.freq ?? (chosen.freq || null);
  let first = known.startTime ?? null;
  if (first === null && chosen.start && freq) {
    first = readStart(chosen.start);
    if (first === null) throw new Error("The first date must be one that exists, written as 2019-01-31 or 2019-01-31T06:00.");
  }
  const table = newest(known, freq, first);
  const { startTime } = table;
  const withTime = SUB_DAILY.includes(freq) || (startTime !== null && startTime % 86_400_000 !== 0);
  const labels = table.values.map((_, index) => (startTime !== null && freq ? formatTime(timestampAt(startTime, freq, index), withTime) : index + 1));
  const start = startTime === null ? null : formatTime(startTime, withTime);
  const missing = table.values.filter((value) => value === null).length;
  if (missing === table.values.length) throw new Error("Every value is missing; at least one must be known.");
  const size = `${counted(table.values.length, "value")}${table.name ? ` of ${table.name}` : ""}`;
  const frequency = freq ? `, ${FREQUENCIES[freq]}` : ", frequency unknown";
  const dated = start ? ` from ${start} to ${labels.at(-1)}` : ", without dates";
  const gaps = table.withoutRow && table.values.length === known.values.length ? ` (${counted(table.withoutRow, "date")} without a row)` : "";
  const used = [...Object.keys(table.past ?? {}), ...Object.keys(table.future ?? {})];
  const covariates = used.length > 0 ? ` With ${used.join(" and ")}.` : "";
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
    parsed: `${size}${frequency}${dated}, ${missing} missing${gaps}.${covariates}${aside}`,
  };
}
