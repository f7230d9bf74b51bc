// Parses cells as numbers: decimal points and commas, thousands separators, missing values.

const MISSING = new Set(["", "na", "n/a", "#n/a", "nan", "null", "none", "nil", "missing", "-", "–", "?", "."]);
const PLAIN = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const DECIMAL_COMMA = /^[+-]?(\d+|\d{1,3}(\.\d{3})+),\d+$/;
const COMMA_THOUSANDS = /^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$/;

const NOT_JSON = "Of JSON, only a plain list of numbers is read, such as [1, 2, null, 4]. Paste that, numbers one a line, or a table.";

export const isMissing = (cell) => MISSING.has(cell.toLowerCase());

// Removes spaces between groups of digits, and replaces a typographic minus.
const compact = (cell) => cell.replace(/^−/, "-").replace(/(?<=\d)[\s\u00a0\u202f'’](?=\d{3})/g, "");

export const looksLikeNumber = (cell) => [PLAIN, DECIMAL_COMMA, COMMA_THOUSANDS].some((format) => format.test(compact(cell)));

// A number with a percent sign, a currency or a unit beside it.
const UNIT = /^([+−-]?)(?:\p{Sc}|[A-Z]{3}\s)?\s*([\d.,\s’'+-]+?)\s*(?:%|\p{Sc}|°?\p{L}{1,4})?$/u;
export const carriesUnit = (cell) => !looksLikeNumber(cell) && looksLikeNumber(UNIT.exec(cell)?.[2] ?? "");

// A column of cells: {numbers, note}; null if a cell is not a number. Throws an Error for a number that is ambiguous or too
// large. `separator` is that of the columns.
export function readNumbers(cells, lines = null, separator = null) {
  const found = cells.map((cell) => (isMissing(cell) ? null : compact(cell)));
  const known = found.filter((cell) => cell !== null);
  if (known.length === 0) return null;
  const read = (number, note) => ({ numbers: found.map((cell, index) => (cell === null ? null : finite(number(cell), cells[index], lines?.[index]))), note });
  if (known.every((cell) => PLAIN.test(cell))) {
    const isDoubtful = separator === "semicolons" && known.some((cell) => cell.includes(".")) && known.every((cell) => /^[+-]?\d{1,3}(\.\d{3})?$|^[+-]?\d+$/.test(cell));
    return read(Number, isDoubtful ? "points taken as decimal points, not between thousands" : null);
  }
  const decimal = (cell) => DECIMAL_COMMA.test(cell) || /^[+-]?\d+$/.test(cell);
  const thousands = (cell) => COMMA_THOUSANDS.test(cell) || PLAIN.test(cell);
  if (known.every(decimal) && known.every(thousands)) {
    throw new Error("Commas such as in 1,234 could group thousands or begin decimals here. Write the numbers without grouping, decimals with a point.");
  }
  if (known.every(decimal)) return read((cell) => Number(cell.replaceAll(".", "").replace(",", ".")), "decimal commas");
  if (known.every(thousands)) return read((cell) => Number(cell.replaceAll(",", "")), "commas between thousands");
  return null;
}

function finite(number, cell, line) {
  if (!Number.isFinite(number)) throw new Error(`${line ? `Line ${line}: ` : ""}“${cell}” is too large a number to be computed with.`);
  return number;
}

// Numbers in one line or one JSON array; null for any other text.
export function readList(text) {
  const clean = text.trim();
  const line = clean.replace(/^\[|\]$/g, "").trim();
  if (clean.startsWith("{") || line.startsWith("[") || line.startsWith("{")) throw new Error(NOT_JSON);
  if (line === "" || (line.includes("\n") && !clean.startsWith("["))) return null;
  const withSpaces = /\s/.test(line.replace(/,\s/g, ""));
  const separator = line.includes(";") ? /\s*;\s*/ : /,(\s|$)/.test(line) || !withSpaces ? /\s*,\s*|\s+/ : /\s+/;
  const cells = line.split(separator);
  const readable = cells.every((cell) => isMissing(cell) || looksLikeNumber(cell));
  if (clean.startsWith("[") && !readable) throw new Error(NOT_JSON);
  if (!readable || (cells.length < 2 && !clean.startsWith("["))) return null;
  return readNumbers(cells)?.numbers ?? null;
}
