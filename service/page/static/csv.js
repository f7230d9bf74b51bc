// Pasted text or a file to rows of cells: quotes, and commas, semicolons or tabs between the cells.

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

// A semicolon or tab in the first line settles it: a comma beside it is a decimal comma.
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
  let begun = 1;
  const endCell = () => {
    cells.push(cell.trim());
    cell = "";
  };
  const endRow = () => {
    endCell();
    rows.push({ line: begun, cells });
    cells = [];
    begun = line + 1;
  };
  for (let place = 0; place < text.length; place += 1) {
    const letter = text[place];
    if (quoted && letter === '"' && text[place + 1] === '"') {
      cell += '"';
      place += 1;
    } else if (letter === '"' && (quoted || cell.trim() === "")) quoted = !quoted;
    else if (letter === separator && !quoted) endCell();
    else if (letter === "\n" && !quoted) {
      endRow();
      line += 1;
    } else {
      cell += letter;
      if (letter === "\n") line += 1;
    }
  }
  if (quoted) throw new Error(`A quotation mark opened in line ${begun} is never closed.`);
  endRow();
  return rows;
}
