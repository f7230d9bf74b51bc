"""A person's own table: CSV as programs write it, or Parquet, plain or gzipped; every row knows the line it begins on.

Bytes -> unpacked -> text of a known encoding -> records -> the columns asked for, as text. What a cell means is for
`own_texts` and `own_series` to say. Nothing is repaired: what can't be read for certain is a `TableProblem`.
"""

import csv
import difflib
import gzip
import io
import itertools
import logging
import re
import sys
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray

from training.data.source import sha256

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
NUM_NAMED = 3
"""Lines of one fault that a message names; the others it counts."""

_OTHER_FORMATS = {
    b"PK\x03\x04": "an Excel workbook or another ZIP archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
}
_LOOKS_LIKE_DATA = re.compile(r"[+-]?\d+([.,]\d+)?|\d{4}-\d\d?(-\d\d?.*)?|\d\d?[/.]\d\d?[/.]\d{2,4}.*")

logger = logging.getLogger(__name__)


class TableProblem(ValueError):
    """A file can't be used as it is; the message names file, line and column, what is wrong and what to do."""


@dataclass(frozen=True)
class Table:
    """Columns of a file, in step; cells are text as written, empty where Parquet has a null."""

    file: str
    """Name of the file, without its folder."""
    sha256: str
    """Of the file as it lies on disk."""
    columns: dict[str, list[str]]
    numbers: Sequence[int]
    """Where each row begins: its line, counted from 1 for the first of the file; of Parquet the row, counted from 1."""
    unit: Literal["line", "row"] = "line"

    def __len__(self) -> int:
        return len(self.numbers)

    def place(self, row: int) -> str:
        """Where a row is, e.g. `line 17`."""
        return f"{self.unit} {self.numbers[row]}"

    def problem(self, column: str, rows: Sequence[int] | NDArray[np.int64], what: str) -> TableProblem:
        """The problem that some rows, at least one, have in one column."""
        return TableProblem(f"{self.file}, column {column!r}, {self.places(rows)}: {what}")

    def places(self, rows: Sequence[int] | NDArray[np.int64]) -> str:
        """Where some rows are: the first few named, the others counted."""
        return _places(self.unit, [self.numbers[row] for row in rows])


def read_table(path: Path, columns: Sequence[str]) -> Table:
    """Read the named columns; the file may have others.

    CSV: fields between commas, semicolons, tabs or pipes, quoted as in RFC 4180, lines ending as on any system, in
    UTF-8, UTF-16 with a byte order mark, or else Windows-1252, which is logged as a warning. The first line names the
    columns. Rows without any content are left out, and so are empty fields beyond those the first line names.
    gzip and Parquet are known by their content, whatever the file is called.

    Raises `TableProblem`.
    """
    if repeated := [name for name, count in Counter(columns).items() if count > 1]:
        raise TableProblem(f"column {repeated[0]!r} is asked for twice; name a different column for each purpose")
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise TableProblem(f"{path}: there is no such file") from None
    except OSError as error:
        raise TableProblem(f"{path} can't be read: {error.strerror}") from error
    content = _unpacked(path.name, raw)
    if not content.strip():
        raise TableProblem(f"{path.name}: the file is empty")
    if content.startswith(b"PAR1"):
        return _read_parquet(path.name, sha256(raw), content, columns)
    return _read_csv(path.name, sha256(raw), content, columns)


def _unpacked(file: str, raw: bytes) -> bytes:
    if not raw.startswith(b"\x1f\x8b"):
        return raw
    try:
        return gzip.decompress(raw)
    except (OSError, EOFError, zlib.error) as error:
        raise TableProblem(f"{file}: the gzip file is damaged or cut off ({error}); pack or copy it again") from None


# --- CSV -------------------------------------------------------------------------------------------------------------


def _read_csv(file: str, checksum: str, content: bytes, wanted: Sequence[str]) -> Table:
    text, encoding = _decoded(file, content)
    if not text.strip('\r\n ",;\t|'):
        raise TableProblem(f"{file}: the file is empty")
    lines = io.StringIO(text, newline="")  # ends a line at LF, CRLF or CR, and leaves it as it is
    with _fields_of_any_length():
        delimiter, names, num_before = _header(file, lines, wanted)
        positions = _positions(file, names, wanted)
        rows, numbers = _records(file, lines, delimiter, names, num_before)
    columns = {name: [row[position] for row in rows] for name, position in zip(wanted, positions, strict=True)}
    logger.info(
        "%s: %s rows, %s, divided by %s", file, f"{len(rows):,}", encoding, DELIMITERS.get(delimiter, delimiter)
    )
    return Table(file, checksum, columns, numbers)


def _decoded(file: str, content: bytes) -> tuple[str, str]:
    """Text and the encoding it was in: what the byte order mark says, else UTF-8, else Windows-1252."""
    for mark, fault in _OTHER_FORMATS.items():
        if content.startswith(mark):
            raise TableProblem(f"{file} is {fault}: save the sheet as CSV (UTF-8) and use that file")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            text = content.decode("utf-16")
        except UnicodeDecodeError:
            raise TableProblem(f"{file}: the UTF-16 text is damaged or cut off; save it as CSV in UTF-8") from None
        _check_no_nul(file, text)
        return text, "UTF-16"
    if 0 in content:
        _check_no_nul(file, content.decode("latin-1"))
    try:
        return content.decode("utf-8-sig"), "UTF-8"
    except UnicodeDecodeError as error:
        line = _line_at(content.decode("latin-1"), error.start)
    # What is UTF-8 but for some damage has more whole characters beyond ASCII than bytes that are none; what is
    # Windows-1252 has hardly ever one.
    num_whole = sum(not character.isascii() for character in content.decode("utf-8", errors="ignore"))
    num_broken = content.decode("utf-8", errors="replace").count("\ufffd")
    if num_whole >= num_broken:
        raise TableProblem(f"{file}, line {line}: a character of this UTF-8 text is damaged; write it again")
    try:
        text = content.decode("cp1252")
    except UnicodeDecodeError:
        raise TableProblem(
            f"{file}, line {line}: this is neither UTF-8 nor Windows-1252, or no text at all; save it as CSV in UTF-8"
        ) from None
    logger.warning(
        "%s is not UTF-8 (see line %d) and is read as Windows-1252; if letters come out wrong, save it as CSV in UTF-8",
        file,
        line,
    )
    return text, "Windows-1252"


def _check_no_nul(file: str, text: str) -> None:
    if "\0" in text:
        raise TableProblem(
            f"{file}, line {_line_at(text, text.index(chr(0)))}: there is a NUL, which no text has; this is a binary "
            "file, or UTF-16 without a byte order mark: save it as CSV in UTF-8"
        )


def _header(file: str, lines: io.StringIO, wanted: Sequence[str]) -> tuple[str, list[str], int]:
    """Delimiter, column names, and the number of lines up to the end of the header; `lines` is left behind it.

    The delimiter is the one by which the first line names most of the columns asked for, then most columns at all.
    """
    delimiters, num_skipped = list(DELIMITERS), 0
    if told := re.fullmatch(r'"?sep=(.)"?\s*', lines.readline()):  # Excel's own first line
        delimiters, num_skipped = [told[1]], 1
    else:
        lines.seek(0)
    begin = lines.tell()
    readings = []
    for delimiter in delimiters:
        lines.seek(begin)
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        try:
            names = next(([name.strip() for name in fields] for fields in reader if _has_content(fields)), [])
        except csv.Error:
            continue
        readings.append((delimiter, names, num_skipped + reader.line_num, lines.tell()))
    if not readings:
        raise TableProblem(f"{file}, line {num_skipped + 1}: a name of a column opens with a quote that isn't closed")
    delimiter, names, num_before, end = max(readings, key=lambda it: (len({*wanted} & {*it[1]}), len(it[1])))
    lines.seek(end)
    return delimiter, names, num_before


def _records(
    file: str, lines: io.StringIO, delimiter: str, names: list[str], num_before: int
) -> tuple[list[list[str]], list[int]]:
    """Rows of exactly as many fields as there are names, and the line each begins on."""
    most = len(names)
    least = most - sum(1 for _ in itertools.takewhile(lambda name: not name, reversed(names)))
    rows, numbers, odd = [], [], []
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    begin = num_before + 1
    try:
        for fields in reader:
            line, begin = begin, num_before + reader.line_num + 1
            if not _has_content(fields):
                continue
            rows.append(fields)
            numbers.append(line)
            if len(fields) < least or any(fields[most:]):
                odd.append(len(rows) - 1)
    except csv.Error:
        raise TableProblem(
            f"{file}, line {begin}: the row that begins here has a quote that isn't closed, or that more text follows "
            f"(noticed on line {num_before + reader.line_num}); a quote inside a quoted field is written twice, as in "
            '"a 5"" pipe"'
        ) from None
    if not rows:
        raise TableProblem(f"{file}: there are no rows below the names of the columns")
    if odd:
        raise _odd_rows(file, delimiter, names, rows, numbers, odd)
    return rows, numbers


def _odd_rows(
    file: str, delimiter: str, names: list[str], rows: list[list[str]], numbers: list[int], odd: list[int]
) -> TableProblem:
    where = _places("line", [numbers[row] for row in odd])
    counts = sorted({len(rows[row]) for row in odd})
    fault = f"{_count(counts[0], 'field')}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]} fields"
    if len(odd) == len(rows) and counts == [len(names) + 1]:
        advice = (
            "if each row begins with a number of its own, give that column a name too; if the last is a number with a "
            "comma before its decimals, write a point"
        )
    elif counts[-1] > len(names):
        advice = (
            f"a field that holds a {DELIMITERS.get(delimiter, delimiter)}, a quote or a line break must stand between "
            'double quotes, as in "one, two", with no space before the first'
        )
    else:
        advice = "complete the row, or remove it; a field that holds a line break must stand between double quotes"
    return TableProblem(f"{file}, {where}: {fault}, but the first line names {_count(len(names), 'column')}; {advice}")


def _has_content(fields: list[str]) -> bool:
    return bool("".join(fields).strip())


@contextmanager
def _fields_of_any_length() -> Iterator[None]:
    """The csv module refuses fields over 131,072 characters unless told otherwise, and for the whole process."""
    before = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _line_at(text: str, position: int) -> int:
    return len(re.findall(r"\r\n|\r|\n", text[:position])) + 1


# --- Parquet ---------------------------------------------------------------------------------------------------------


def _read_parquet(file: str, checksum: str, content: bytes, wanted: Sequence[str]) -> Table:
    try:
        parquet = pyarrow.parquet.ParquetFile(io.BytesIO(content))
        _positions(file, parquet.schema_arrow.names, wanted)
        table = parquet.read(columns=list(wanted))
    except (pa.ArrowException, OSError) as error:
        raise TableProblem(f"{file}: the Parquet file is damaged or cut off ({error}); write it again") from None
    columns = {}
    for name in wanted:
        try:
            cells = table.column(name).cast(pa.string()).to_pylist()
        except (pa.ArrowException, UnicodeDecodeError):
            kind = table.schema.field(name).type
            raise TableProblem(f"{file}, column {name!r} holds {kind}, not text, numbers or times") from None
        columns[name] = ["" if cell is None else cell for cell in cells]
    if not len(table):
        raise TableProblem(f"{file}: there are no rows")
    logger.info("%s: %s rows, Parquet", file, f"{len(table):,}")
    return Table(file, checksum, columns, range(1, len(table) + 1), "row")


# --- names and places ------------------------------------------------------------------------------------------------


def _positions(file: str, names: list[str], wanted: Sequence[str]) -> list[int]:
    """Position of each column asked for."""
    for column in wanted:
        if column not in names:
            raise TableProblem(f"{file}: {_no_such_column(names, column)}")
        if (times := names.count(column)) > 1:
            raise TableProblem(f"{file}: {times} columns are called {column!r}; rename all but one")
    return [names.index(column) for column in wanted]


def _no_such_column(names: list[str], column: str) -> str:
    folded = {name.casefold(): name for name in names if 0 < len(name) <= 40}
    asked = column.strip().casefold()
    close = [name for name in folded if asked in name] or difflib.get_close_matches(asked, folded, n=1, cutoff=0.7)
    there = ", ".join(repr(name[:40]) for name in names[:20]) + (f" and {len(names) - 20} more" if names[20:] else "")
    fault = f"there is no column {column!r}; "
    fault += f"did you mean {folded[close[0]]!r}? The columns are {there}" if close else f"the columns are {there}"
    if any(_LOOKS_LIKE_DATA.fullmatch(name) for name in names):
        return f"{fault}: that looks like data; put a line with the names of the columns above it"
    if len(names) == 1:
        return f"{fault}: a comma, semicolon, tab or pipe must stand between the names"
    return fault


def _places(unit: str, numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return f"{unit} {numbers[0]}"
    named = [str(number) for number in numbers[:NUM_NAMED]]
    if len(numbers) > NUM_NAMED:
        named.append(f"{len(numbers) - NUM_NAMED:,} more")
    return f"{unit}s {', '.join(named[:-1])} and {named[-1]}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
