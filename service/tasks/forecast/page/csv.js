// Parses pasted text or a file into rows of cells: quotes, and commas, semicolons or tabs as separators.

const SEPARATORS = { ";": "semicolons", "\t": "tabs", ",": "commas" };

// Throws an Error that says what to change.
export function parseTable(text) {
  const clean = text.replace(/^\uFEFF/, "").replace(/\r\n?/g, "\n");
  const separator = chooseSeparator(clean);
  const all = split(clean.trimEnd(), separator);
  const rows = all.filter(({ cells }) => cells.some((cell) => cell !== ""));
  if (rows.length === 0) throw new Error("There is nothing here yet: paste numbers or a table, or choose a file.");
  const width = rows[0].cells.length;
  for (const row of rows) {
    while (row.cells.length > width && row.cells.at(-1) === "") row.cells.pop();
    while (row.cells.length < width && row.cells.length > 1) row.cells.push("");
    if (row.cells.length !== width) {
      throw new Error(`Line ${row.line} has ${row.cells.length} cells and the first line ${width}. Give every line as many cells as the first one.`);
    }
  }
  return { rows, separator: width > 1 ? SEPARATORS[separator] : null, emptyLines: all.length - rows.length };
}

// A semicolon or tab in the first line is the separator: a comma beside it is a decimal comma.
function chooseSeparator(text) {
  const first = text.trimStart().split("\n", 1)[0].replace(/"[^"]*"/g, "");
  return [";", "\t"].find((one) => first.includes(one)) ?? ",";
}

function split(text, separator) {
  const rows = [];
  let cells = [];
  let cell = "";
  let quoted = false;
  let line = 1;
  let firstLine = 1;
  const endCell = () => {
    cells.push(cell.trim());
    cell = "";
  };
  const endRow = () => {
    endCell();
    rows.push({ line: firstLine, cells });
    cells = [];
    firstLine = line + 1;
  };
  for (let index = 0; index < text.length; index += 1) {
    const character = text[index];
    if (quoted && character === '"' && text[index + 1] === '"') {
      cell += '"';
      index += 1;
    } else if (character === '"' && (quoted || cell.trim() === "")) quoted = !quoted;
    else if (character === separator && !quoted) endCell();
    else if (character === "\n" && !quoted) {
      endRow();
      line += 1;
    } else {
      cell += character;
      if (character === "\n") line += 1;
    }
  }
  if (quoted) throw new Error(`A quotation mark opened in line ${firstLine} is never closed.`);
  endRow();
  return rows;
}
