"""Tables of any common form are read as they were written; what is wrong with one is named, with its line."""

import csv
import gzip
import io
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.source import sha256
from training.data.table_file import Table, TableProblem, read_table


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def read(
    folder: Path, content: str | bytes, columns: Sequence[str] = ("text", "kind"), name: str = "mail.csv"
) -> Table:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_table(path, columns)


def parquet(columns: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


# --- forms -----------------------------------------------------------------------------------------------------------

CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@given(
    rows=st.lists(st.tuples(CELLS, st.text("abc", min_size=1, max_size=3)), min_size=1, max_size=6),
    delimiter=st.sampled_from(",;\t|"),
    newline=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    quote_all=st.booleans(),
    end=st.booleans(),
    pack=st.booleans(),
)
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, str]],
    delimiter: str,
    newline: str,
    encoding: str,
    quote_all: bool,
    end: bool,
    pack: bool,
) -> None:
    def field(text: str) -> str:
        quoted = quote_all or any(character in text for character in f'{delimiter}"\r\n')
        return '"' + text.replace('"', '""') + '"' if quoted else text

    lines = [delimiter.join(map(field, row)) for row in [("text", "kind"), *rows]]
    content = (newline.join(lines) + newline * end).encode(encoding)
    table = read(tmp_path_factory.getbasetemp(), gzip.compress(content) if pack else content)
    assert list(zip(table.columns["text"], table.columns["kind"], strict=True)) == rows
    if not any("\r" in text or "\n" in text for text, _ in rows):  # one line a row
        assert list(table.numbers) == list(range(2, len(rows) + 2))


def test_lines_are_those_where_rows_begin(folder: Path) -> None:
    table = read(folder, 'text,kind\n"one\ntwo\r\nthree",a\n\nfour,b\n\n\n"five",c')
    assert table.columns["text"] == ["one\ntwo\r\nthree", "four", "five"]
    assert list(table.numbers) == [2, 6, 9]
    assert table.place(1) == "line 6"


def test_excel_export_is_read(folder: Path) -> None:
    table = read(folder, '\ufefftext;kind;\r\n"a; ""b"" 😀";x;\r\n c ;y;;\r\n;;\r\n\r\n')
    assert table.columns == {"text": ['a; "b" 😀', " c "], "kind": ["x", "y"]}


def test_excels_own_first_line_names_the_delimiter(folder: Path) -> None:
    table = read(folder, "sep=;\r\ntext;kind\r\na,b;x\r\n")
    assert table.columns["text"] == ["a,b"]
    assert list(table.numbers) == [3]


def test_delimiter_is_the_one_that_finds_the_columns(folder: Path) -> None:
    assert read(folder, "a,b,c;text;kind\n1,2,3;one, two;x\n").columns["text"] == ["one, two"]


def test_index_without_a_name_and_other_columns_are_no_matter(folder: Path) -> None:
    table = read(folder, ",text,also,also, kind \n0,one,1,2,x\n")
    assert table.columns == {"text": ["one"], "kind": ["x"]}


def test_text_longer_than_the_csv_modules_limit_is_read(folder: Path) -> None:
    assert read(folder, "text,kind\n" + "x" * 300_000 + ",a\n").columns["text"] == ["x" * 300_000]


def test_other_separators_of_lines_are_part_of_a_text(folder: Path) -> None:
    assert read(folder, "text,kind\na\u2028b\x85c\x0bd,x\n").columns["text"] == ["a\u2028b\x85c\x0bd"]


def test_gzip_is_known_by_its_content(folder: Path) -> None:
    content = b"text,kind\na,x\n"
    assert read(folder, gzip.compress(content), name="MAIL.CSV.GZ").columns["text"] == ["a"]
    assert read(folder, gzip.compress(content), name="mail.csv").columns["text"] == ["a"]
    assert read(folder, content, name="mail.csv.gz").columns["text"] == ["a"]


def test_checksum_is_that_of_the_file(folder: Path) -> None:
    packed = gzip.compress(b"text,kind\na,x\n")
    assert read(folder, packed).sha256 == sha256(packed)


def test_windows_1252_is_read_and_said(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    table = read(folder, "text,kind\r\nplain,x\r\n“café” £5,y\r\n".encode("cp1252"))
    assert table.columns["text"] == ["plain", "“café” £5"]
    assert [record.message for record in caplog.records if record.levelno == logging.WARNING] == [
        "mail.csv is not UTF-8 (see line 3) and is read as Windows-1252; if letters come out wrong, save it as CSV in "
        "UTF-8"
    ]


def test_encoding_and_delimiter_are_logged(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    read(folder, "text\tkind\na\tx\n".encode("utf-16"))
    assert caplog.messages == ["mail.csv: 1 rows, UTF-16, divided by tab"]


def test_parquet_is_read_as_text_with_its_rows(folder: Path) -> None:
    table = read(folder, parquet({"id": [1, 2], "text": ["a", None], "kind": [0, 1]}), name="mail.parquet")
    assert table.columns == {"text": ["a", ""], "kind": ["0", "1"]}
    assert table.place(1) == "row 2"


# --- problems --------------------------------------------------------------------------------------------------------

# fmt: off
MALFORMED = {
    "empty": (b"", "mail.csv: the file is empty"),
    "nothing but separators": ("\ufeff\n ;;\n\n", "mail.csv: the file is empty"),
    "header only": ("text,kind\n\n", "mail.csv: there are no rows below the names of the columns"),
    "no such column": ("id,text,label\n1,a,b\n",
        "mail.csv: there is no column 'kind'; the columns are 'id', 'text', 'label'"),
    "other case": ("Text,Kind\na,b\n", "did you mean 'Text'? The columns are 'Text', 'Kind'"),
    "mistyped": ("text,kinds\na,b\n", "did you mean 'kinds'?"),
    "no header": ("2019-01-31,5\n2019-02-28,6\n",
        "that looks like data; put a line with the names of the columns above"),
    "no delimiter": ("text kind\na b\n", "a comma, semicolon, tab or pipe must stand between the names"),
    "names repeat": ("text,kind,text\na,b,c\n", "mail.csv: 2 columns are called 'text'; rename all but one"),
    "too few fields": ("text,kind\na,x\nb\n",
        "mail.csv, line 3: 1 field, but the first line names 2 columns; complete"),
    "too many fields": ("text,kind\na,x\nb, c,y\n",
        "mail.csv, line 3: 3 fields, but the first line names 2 columns; a field that holds a comma, a quote or a line "
        'break must stand between double quotes, as in "one, two"'),
    "many odd rows": ("text,kind\n" + "a,b,c\nd,e\n" * 5, "mail.csv, lines 2, 4, 6 and 2 more: 3 fields, but"),
    "row names": ("text,kind\n1,a,x\n2,b,y\n",
        "lines 2 and 3: 3 fields, but the first line names 2 columns; if each row"),
    "quote not closed": ('text,kind\na,x\n"b,y\nc,z\n',
        "mail.csv, line 3: the row that begins here has a quote that isn't closed, or that more text follows (noticed "
        "on line 4); a quote inside a quoted field is written twice"),
    "quote not doubled": ('text,kind\n"a\nb",x\n"he said "hi"",y\n', "mail.csv, line 4: the row that begins here"),
    "quote not closed in the names": ('"text,kind\na,x\n', "line 1: a name of a column opens with a quote"),
    "a NUL": ("text,kind\na,x\nb\0,y\n", "mail.csv, line 3: there is a NUL"),
    "a NUL in UTF-16": ("text,kind\na,x\nb\0,y\n".encode("utf-16"), "mail.csv, line 3: there is a NUL"),
    "UTF-16 without a mark": ("text,kind\na,x\n".encode("utf-16-le"),
        "UTF-16 without a byte order mark: save it as CSV"),
    "half of UTF-16": ("text,kind\na,x\n".encode("utf-16")[:-1], "the UTF-16 text is damaged or cut off"),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "this is a binary file"),
    "a workbook": (b"PK\x03\x04\x14\0\x06\0", "is an Excel workbook or another ZIP archive: save the sheet as CSV"),
    "an old workbook": (b"\xd0\xcf\x11\xe0\xa1\xb1", "is an old Excel workbook"),
    "damaged UTF-8": ("text,kind\nпривет,x\n".encode() + b"\xd0,y\n",
        "mail.csv, line 3: a character of this UTF-8 text"),
    "no known encoding": (b"text,kind\na,x\n\x81\x8d,y\n", "mail.csv, line 3: this is neither UTF-8 nor Windows-1252"),
    "gzip cut off": (gzip.compress(b"text,kind\na,x\n")[:-9], "mail.csv: the gzip file is damaged or cut off"),
    "gzip damaged": (gzip.compress(b"text,kind\na,x\n")[:10] + b"\xff" * 20, "the gzip file is damaged or cut off"),
    "Parquet damaged": (b"PAR1 and no more", "mail.csv: the Parquet file is damaged or cut off"),
    "Parquet without rows": (parquet({"text": pa.array([], pa.string()), "kind": pa.array([], pa.string())}),
        "no rows"),
    "Parquet without the column": (parquet({"text": ["a"]}), "there is no column 'kind'; the columns are 'text'"),
    "Parquet of lists": (parquet({"text": [["a"]], "kind": ["x"]}), "column 'text' holds list<"),
}
# fmt: on


@pytest.mark.parametrize(("content", "message"), MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_file_is_refused_by_line_and_reason(folder: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(TableProblem) as refused:
        read(folder, content)
    assert message in str(refused.value)
    assert str(folder) not in str(refused.value)


def test_absent_file_and_folder_are_said_so(folder: Path) -> None:
    with pytest.raises(TableProblem, match=r"gone\.csv: there is no such file"):
        read_table(folder / "gone.csv", ["text"])
    with pytest.raises(TableProblem, match="can't be read: Is a directory"):
        read_table(folder, ["text"])


def test_one_column_for_two_purposes_is_refused(folder: Path) -> None:
    with pytest.raises(TableProblem, match="'text' is asked for twice"):
        read(folder, "text,kind\na,x\n", ["text", "text"])


def test_limit_of_the_csv_module_is_left_as_it_was(folder: Path) -> None:
    before = csv.field_size_limit()
    read(folder, "text,kind\na,x\n")
    with pytest.raises(TableProblem):
        read(folder, 'text,kind\n"a,x\n')
    assert csv.field_size_limit() == before
