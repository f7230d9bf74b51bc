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


def test_lines_are_those_where_rows_begin(tmp_path: Path) -> None:
    table = read(tmp_path, 'text,kind\n"one\ntwo\r\nthree",a\n\nfour,b\n\n\n"five",c')
    assert table.columns["text"] == ["one\ntwo\r\nthree", "four", "five"]
    assert list(table.numbers) == [2, 6, 9]
    assert table.place(1) == "line 6"


FORMS = {
    "Excel's export": ('\ufefftext;kind;\r\n"a; ""b"" 😀";x;\r\n c ;y;;\r\n;;\r\n\r\n', ['a; "b" 😀', " c "]),
    "Excel's own first line": ("sep=;\r\ntext;kind\r\na,b;x\r\n", ["a,b"]),
    "the delimiter that finds the columns": ("a,b,c;text;kind\n1,2,3;one, two;x\n", ["one, two"]),
    "an index without a name, and other columns": (",text,also,also, kind \n0,one,1,2,x\n", ["one"]),
    "a text beyond the csv module's limit": ("text,kind\n" + "x" * 300_000 + ",x\n", ["x" * 300_000]),
    "other separators of lines": ("text,kind\na\u2028b\x85c\x0bd,x\n", ["a\u2028b\x85c\x0bd"]),
}


@pytest.mark.parametrize(("content", "texts"), FORMS.values(), ids=FORMS)
def test_common_forms_are_read(tmp_path: Path, content: str, texts: list[str]) -> None:
    table = read(tmp_path, content)
    assert table.columns == {"text": texts, "kind": ["x", "y"][: len(texts)]}
    assert table.numbers[0] == (3 if content.startswith("sep") else 2)


def test_gzip_is_known_by_its_content(tmp_path: Path) -> None:
    content = b"text,kind\na,x\n"
    packed = gzip.compress(content)
    for sent, name in ((packed, "MAIL.CSV.GZ"), (packed, "mail.csv"), (content, "mail.csv.gz")):
        table = read(tmp_path, sent, name=name)
        assert (table.columns["text"], table.sha256) == (["a"], sha256(sent))


def test_windows_1252_is_read_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    table = read(tmp_path, "text,kind\r\nplain,x\r\n“café” £5,y\r\n".encode("cp1252"))
    assert table.columns["text"] == ["plain", "“café” £5"]
    assert [record.message for record in caplog.records if record.levelno == logging.WARNING] == [
        "mail.csv is not UTF-8 (see line 3) and is read as Windows-1252; if letters come out wrong, save it as CSV in "
        "UTF-8"
    ]


def test_encoding_and_delimiter_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    read(tmp_path, "text\tkind\na\tx\n".encode("utf-16"))
    assert caplog.messages == ["mail.csv: 1 rows, UTF-16, divided by tab"]


def test_parquet_is_read_as_text_with_its_rows(tmp_path: Path) -> None:
    table = read(tmp_path, parquet({"id": [1, 2], "text": ["a", None], "kind": [0, 1]}), name="mail.parquet")
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
def test_malformed_file_is_refused_by_line_and_reason(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(TableProblem) as refused:
        read(tmp_path, content)
    assert message in str(refused.value)
    assert str(tmp_path) not in str(refused.value)


def test_absent_file_and_folder_are_said_so(tmp_path: Path) -> None:
    with pytest.raises(TableProblem, match=r"gone\.csv: there is no such file"):
        read_table(tmp_path / "gone.csv", ["text"])
    with pytest.raises(TableProblem, match="can't be read: Is a directory"):
        read_table(tmp_path, ["text"])


def test_one_column_for_two_purposes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableProblem, match="'text' is asked for twice"):
        read(tmp_path, "text,kind\na,x\n", ["text", "text"])


def test_limit_of_the_csv_module_is_left_as_it_was(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    read(tmp_path, "text,kind\na,x\n")
    with pytest.raises(TableProblem):
        read(tmp_path, 'text,kind\n"a,x\n')
    assert csv.field_size_limit() == before
