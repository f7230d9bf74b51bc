// Classifies the columns of a table as dates, numbers or neither, and finds out whether the first line names them.

import { looksLikeDate, looksLikeUnixTime, readDates, readNumberedDates } from "./dates.js";
import { carriesUnit, isMissing, looksLikeNumber, readNumbers } from "./numbers.js";

const TIME_NAME = /^((.*[_ -])?(date|datum|datetime|timestamp)|time|date[_ -]?time|time[_ -]?stamp|ts|ds|epoch|unix([_ -]?time)?|year|jahr|month|monat|week|woche|day|tag|period|zeit)$/i;
const YEAR = /^(1[5-9]|20|21)\d\d$/;
const ROW_NAME = /^((.*[_ -])?id|hour|stunde|weekday|wochentag|quarter|quartal|index|idx|row|nr|no|#|unnamed: \d+|level_\d+)$/i;

// Rows of cells to {columns, note}. A column has `cells` and either `times` or `numbers` or neither; `broken` says why
// its dates can't be read, `doubt` why something named like dates isn't read as such; `namesRows` and `countsRows` that it
// is hardly the series, by its name or by its cells. Throws an Error that says what to change.
export function readColumns(rows, separator) {
  refuseTwoReadings(rows, separator);
  const kinds = rows.map(({ cells }) => cells.map(kindOf));
  const header = hasNames(kinds) ? rows[0].cells : null;
  refuseDatesAsNames(kinds, rows[0].cells);
  const body = header ? rows.slice(1) : rows;
  if (body.length === 0) throw new Error("There is a line of names and no line of values.");
  const lines = body.map(({ line }) => line);
  const columns = rows[0].cells.map((_, index) => {
    const name = header?.[index] || `column ${index + 1}`;
    const cells = body.map((row) => row.cells[index]);
    const isUnnamedFirst = index === 0 && rows[0].cells.length > 1 && !header?.[index];
    const column = { name, cells, lines, ...meaning(name, cells, lines, separator, isUnnamedFirst, rows[0].cells.length === 1) };
    const namesRows = Boolean(column.doubt || (header && isUnnamedFirst) || ROW_NAME.test(name) || TIME_NAME.test(name));
    return { ...column, namesRows, countsRows: countsUp(cells) };
  });
  const isOddHeader = header && kinds[0].some((kind) => kind === "number" || kind === "date" || (kind === "missing" && !kinds[0].includes("text")));
  const isUsed = ({ cells }, index) => header?.[index] || cells.some((cell) => cell !== ""); // a comma at the end of each line makes one more
  return { columns: columns.filter(isUsed), note: isOddHeader ? "first line taken as names" : null };
}

const kindOf = (cell) => (isMissing(cell) ? "missing" : looksLikeNumber(cell) || carriesUnit(cell) ? "number" : looksLikeDate(cell) ? "date" : "text");

// What most of the known cells below the first line are.
function kindBelow(kinds, index) {
  const known = kinds.slice(1).map((row) => row[index]).filter((kind) => kind !== "missing");
  return ["date", "number"].find((kind) => known.length > 0 && 2 * known.filter((each) => each === kind).length >= known.length) ?? "text";
}

// Names differ from what stands below them: text above data, anything above dates, a date above numbers.
function hasNames(kinds) {
  const [first] = kinds;
  if (kinds.length === 1) return first.includes("text") && first.every((kind) => kind === "text" || kind === "missing");
  const pairs = first.map((kind, index) => [kind, kindBelow(kinds, index)]);
  if (pairs.some(([kind, below]) => kind === "date" && below === "date")) return false;
  return pairs.some(([kind, below]) => below === "date" || (below === "number" && (kind === "text" || kind === "date")));
}

function refuseDatesAsNames([first, ...below], cells) {
  const [, ...others] = cells;
  const areYears = others.length > 1 && ["text", "missing"].includes(first[0]) && others.every((cell) => YEAR.test(cell)) && countsUp(others);
  const areDates = first.filter((kind) => kind === "date").length > 1 && below.length > 0;
  if ((areYears || areDates) && !cells.some((_, index) => kindBelow([first, ...below], index) === "date")) {
    throw new Error("The dates stand beside each other in the first line. Give each a line of its own, with its value beside it.");
  }
}

// A column of 1,5 without anything else: one number or two?
function refuseTwoReadings(rows, separator) {
  const isDecimals = separator === "commas" && rows.every(({ cells }) => cells.length === 2 && cells.every((cell) => /^\d+$/.test(cell)));
  if (isDecimals && !readNumberedDates(rows.map(({ cells }) => cells[0]), false)) {
    throw new Error("A line such as 1,5 could be one number or two. Write decimals with a point, or put semicolons between columns.");
  }
}

function meaning(name, cells, lines, separator, isUnnamedFirst, isAlone) {
  const known = cells.filter((cell) => !isMissing(cell));
  const isNamedTime = TIME_NAME.test(name);
  const dates = known.filter(looksLikeDate).length;
  const misses = cells.findIndex(isMissing);
  if (dates > 0 && 2 * dates >= known.length) {
    const odd = cells.findIndex((cell) => !isMissing(cell) && !looksLikeDate(cell));
    if (odd >= 0) return { broken: notADate(name, cells[odd], lines[odd]) };
    if (misses >= 0) return { broken: `Line ${lines[misses]} has no date.` };
    try {
      return { times: readDates(cells, lines) };
    } catch (error) {
      return { broken: error.message };
    }
  }
  const areYears = isUnnamedFirst && countsUp(cells) && cells.every((cell) => YEAR.test(cell));
  const numbered = isAlone || known.length === 0 ? null : readNumberedDates(known, isNamedTime || areYears);
  if (numbered && misses >= 0) return { broken: `Line ${lines[misses]} has no date.` };
  if (numbered) return numbered;
  const numbers = readNumbers(cells, lines, separator);
  if (isAlone || known.length === 0 || (numbers && countsUp(cells))) return numbers ?? {};
  if (isNamedTime) {
    const odd = cells.findIndex((cell) => !isMissing(cell) && !readNumberedDates([cell], true));
    const row = Math.max(odd, 0);
    if (!numbers) return { doubt: notADate(name, cells[row], lines[row]) };
    return { ...numbers, doubt: `Line ${lines[row]}: “${cells[row]}” in ${name} is not a date that can be read. Write dates as 2019-01-31, or leave the column out.` };
  }
  if (numbers && looksLikeUnixTime(known)) return { ...numbers, doubt: `The numbers of ${name} look like Unix time. If they are, name the column timestamp; if not, leave it out.` };
  return numbers ?? {};
}

const notADate = (name, cell, line) => `Line ${line}: “${cell}” in ${name} is not a date that can be read. Write dates as 2019-01-31, and leave out lines that are no step of the series.`;

const countsUp = (cells) => cells.length > 1 && cells.every((cell, index) => /^-?\d+$/.test(cell) && (index === 0 || Number(cell) === Number(cells[index - 1]) + 1));

// Why a column that holds numbers nearly everywhere can't be read as such; null where none does.
export function nearlyNumbers(columns) {
  for (const { name, cells, lines, times, numbers } of columns) {
    if (times || numbers) continue;
    const unit = cells.findIndex(carriesUnit);
    const isMostly = 2 * cells.filter((cell) => looksLikeNumber(cell) || carriesUnit(cell)).length > cells.length;
    if (!isMostly) continue;
    const odd = cells.findIndex((cell) => !isMissing(cell) && !looksLikeNumber(cell) && !carriesUnit(cell));
    if (odd >= 0) return `Line ${lines[odd]}: “${cells[odd]}” in ${name} is not a number. Leave a missing value empty, or write NA.`;
    if (unit >= 0) return `Line ${lines[unit]}: “${cells[unit]}” in ${name} is a number with a sign or unit beside it. Write the number alone.`;
    return `The numbers of ${name} are not all written alike. Write them without grouping, decimals with a point.`;
  }
  return null;
}
