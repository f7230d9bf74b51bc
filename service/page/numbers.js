// Cells to numbers: decimal points and commas, thousands, and what stands for a missing value.

const MISSING = new Set(["", "na", "n/a", "#n/a", "nan", "null", "none", "nil", "missing", "-", "–", "?", "."]);
const PLAIN = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const DECIMAL_COMMA = /^[+-]?(\d+|\d{1,3}(\.\d{3})+),\d+$/;
const COMMA_THOUSANDS = /^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$/;

export const isMissing = (cell) => MISSING.has(cell.toLowerCase());

// Spaces between the digits group thousands.
const compact = (cell) => cell.replace(/(?<=\d)[\s\u00a0\u202f'’](?=\d{3})/g, "");

export const looksLikeNumber = (cell) => [PLAIN, DECIMAL_COMMA, COMMA_THOUSANDS].some((form) => form.test(compact(cell)));

// A column of cells; null where some cell is not a number. Throws an Error where it can be read in two ways.
export function readNumbers(cells) {
  const found = cells.map((cell) => (isMissing(cell) ? null : compact(cell)));
  const known = found.filter((cell) => cell !== null);
  if (known.length === 0) return null;
  if (known.every((cell) => PLAIN.test(cell))) return { numbers: found.map(orNull(Number)), note: null };
  const decimal = (cell) => DECIMAL_COMMA.test(cell) || /^[+-]?\d+$/.test(cell);
  const thousands = (cell) => COMMA_THOUSANDS.test(cell) || PLAIN.test(cell);
  if (known.every(decimal) && known.every(thousands)) {
    throw new Error("Commas such as in 1,234 could group thousands or begin decimals here. Write the numbers without grouping, decimals with a point.");
  }
  if (known.every(decimal)) return { numbers: found.map(orNull((cell) => Number(cell.replaceAll(".", "").replace(",", ".")))), note: "decimal commas" };
  if (known.every(thousands)) return { numbers: found.map(orNull((cell) => Number(cell.replaceAll(",", "")))), note: "commas between thousands" };
  return null;
}

const orNull = (read) => (cell) => (cell === null ? null : read(cell));

// Numbers without a table: one line or one JSON array. Null where the text is something else.
export function readList(text) {
  const line = text.trim().replace(/^\[|\]$/g, "").trim();
  if (line === "" || (line.includes("\n") && !text.trim().startsWith("["))) return null;
  const withSpaces = /\s/.test(line.replace(/,\s/g, ""));
  const separator = line.includes(";") ? /\s*;\s*/ : /,(\s|$)/.test(line) || !withSpaces ? /\s*,\s*|\s+/ : /\s+/;
  const cells = line.split(separator);
  if (cells.length < 2 || !cells.every((cell) => isMissing(cell) || looksLikeNumber(cell))) return null;
  return readNumbers(cells)?.numbers ?? null;
}
