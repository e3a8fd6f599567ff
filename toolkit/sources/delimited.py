"""Tables as text, with a separator: every cell as it is written, and the line in which each row begins."""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

_SEPARATORS = (",", ";", "\t", "|")
_MARKS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
_ROWS_AT_ONCE = 10_000
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, which begins like it
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_EXCEL_SEPARATOR = re.compile(r"sep=(.)\s*", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class TextTable:
    """The cells of a table as text."""

    columns: dict[str, Any]
    """`pyarrow.ChunkedArray` of strings by the name of its column."""
    lines: array[int]
    """Line in which each row begins, counted from 1."""
    separator: str
    """What stands between cells."""
    left_out: dict[str, list[str]] = field(default_factory=dict)
    """Columns, rows and lines that are no part of it, by reason."""
    short: array[int] = field(default_factory=lambda: array("q"))
    """Lines of the rows with fewer fields than the header."""


def decode_text(data: bytes) -> str:
    """Text by its byte-order mark, and as UTF-8 if it has none.

    Raises
    ------
    ValueError
        It is neither, or has NUL bytes.
    """
    encoding = next((encoding for mark, encoding in _BYTE_ORDER_MARKS if data.startswith(mark)), "utf-8")
    nul = data.find(b"\0") if encoding.startswith("utf-8") else -1
    if nul >= 0:
        reason = f"line {_line_at(data, nul)} has a NUL byte, as UTF-16 without its mark and damaged files have"
        raise ValueError(f"{reason}; save it again as UTF-8 text (in Excel: CSV UTF-8)")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding != "utf-8":
            raise ValueError(f"it begins as {encoding.upper()}, but is none: {error.reason}") from error
        byte, line = data[error.start], _line_at(data, error.start)
        reason = f"line {line} is no UTF-8: byte 0x{byte:02x}"
        with contextlib.suppress(UnicodeDecodeError):
            reason += f", which is {bytes([byte]).decode('cp1252')!r} in Western Windows (Latin-1)"
        remedy = "save it again as UTF-8 text (in Excel: CSV UTF-8; in a shell: iconv -f WINDOWS-1252 -t UTF-8)"
        raise ValueError(f"{reason}; {remedy}") from error


def read_delimited(text: str, key: str) -> TextTable:
    """The cells of a table.

    Parameters
    ----------
    text : str
        The whole table; its first line that is no comment is the header.
    key : str
        The column that a table must have: what makes it a cell of the header is the separator.

    Raises
    ------
    ValueError
        A row has more fields than the header, a column has no name or a name twice, a quote is not closed, there is
        nothing. The message names line and column.
    """
    text, first_line, comments, said = _without_preamble(text, key)
    separator = said or _separator_of(text, key)
    left_out = {"comment lines": comments} if comments else {}
    rows = _rows(text, separator, first_line)
    header = next(((line, cells) for line, cells in rows if any(cell.strip() for cell in cells)), None)
    if header is None:
        raise ValueError("it is empty; its first line must be a header with the names of its columns")
    line, cells = header
    names = [cell.strip() for cell in cells]
    while len(names) > 1 and not names[-1]:  # commas at the end of the line
        names.pop()
    _refuse_repeated(names, line)
    table = _fill(rows, len(names), names, separator, left_out)
    columns = dict(zip(_named(names, table, left_out, line), table.columns, strict=True))
    columns.pop("", None)
    return TextTable(columns, table.lines, separator, left_out, table.short)


def _without_preamble(text: str, key: str) -> tuple[str, int, list[str], str | None]:
    """Text from its header on, the header's line, comments before it, and the separator that Excel wrote."""
    line, comments, separator = 1, [], None
    while True:
        end = re.search(r"\r\n|\r|\n", text)
        head = text[: end.start()] if end else text
        excel = _EXCEL_SEPARATOR.fullmatch(head)
        if excel and line == 1:
            separator = excel[1]
        elif head.startswith("#") and end and key not in re.split(r"[,;|\t]", head.lower().lstrip("# ")):
            comments.append(head)
        else:
            return text, line, comments, separator
        text = text[end.end() :] if end else ""
        line += 1


_LONGEST_CELL = 2**24  # of characters: the outline of a country


def _separator_of(text: str, key: str) -> str:
    """What makes `key` a cell of the header; else what makes most cells of it."""
    head = re.split(r"\r\n|\r|\n", text[:100_000], maxsplit=1)[0]
    cells = {one: [cell.strip().lower() for cell in next(csv.reader([head], delimiter=one), [])] for one in _SEPARATORS}
    return max(_SEPARATORS, key=lambda one: (key in cells[one] and len(cells[one]) > 1, len(cells[one])))


def _rows(text: str, separator: str, first_line: int) -> Iterator[tuple[int, list[str]]]:
    """Rows with the line in which each begins; empty lines are none."""
    head = re.split(r"\r\n|\r|\n", text[:100_000], maxsplit=1)[0].split(separator)
    spaced = len(head) > 1 and all(cell.startswith(" ") for cell in head[1:])  # written with ", "
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True, skipinitialspace=spaced)
    # A limit of the whole process, for others; raised, it changes nothing that they could read.
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_CELL))
    line = first_line
    try:
        for cells in reader:
            if cells:
                yield line, cells
            line = first_line + reader.line_num
    except csv.Error as error:
        raise ValueError(f"line {line}: {_quote_words(error)}") from error


def _quote_words(error: csv.Error) -> str:
    if "field larger" in str(error):
        return f'a cell has more than {csv.field_size_limit():,} characters; is a quote (") before it not closed?'
    if "unexpected end" in str(error):
        return 'a quote (") that begins a cell here is not closed'
    if "expected after" in str(error):
        return 'a quote (") is closed within a cell; double it where it is part of the text, and quote the whole cell'
    return str(error)


@dataclass(frozen=True, eq=False)
class _Cells:
    columns: list[Any]
    lines: array[int]
    short: array[int]


def _fill(rows: Any, n_columns: int, names: list[str], separator: str, left_out: dict[str, list[str]]) -> _Cells:
    import pyarrow as pa

    lines, short = array("q"), array("q")
    chunks: list[list[Any]] = [[] for _ in range(n_columns)]
    waiting: list[list[str]] = []

    def flush() -> None:
        for chunk, cells in zip(chunks, zip(*waiting, strict=True), strict=False):
            chunk.append(pa.array(cells, pa.large_string()))
        waiting.clear()

    for line, cells in rows:
        if len(cells) > n_columns:
            if any(cell.strip() for cell in cells[n_columns:]):
                raise ValueError(_too_many(line, cells, names, separator))
            del cells[n_columns:]
        if not any(cells):
            left_out.setdefault("empty rows", []).append(f"line {line}")
            continue
        if len(cells) == 1 < n_columns and cells[0].startswith("#"):
            left_out.setdefault("comment lines", []).append(cells[0])
            continue
        if len(cells) == 1 < n_columns:
            _refuse_other_separator(line, cells[0], n_columns, separator)
        if len(cells) < n_columns:
            short.append(line)
            cells += [""] * (n_columns - len(cells))
        lines.append(line)
        waiting.append(cells)
        if len(waiting) == _ROWS_AT_ONCE:
            flush()
    flush()
    return _Cells([pa.chunked_array(chunk, pa.large_string()) for chunk in chunks], lines, short)


def _refuse_other_separator(line: int, cell: str, n_columns: int, separator: str) -> None:
    for other in _SEPARATORS:
        if other != separator and len(next(csv.reader([cell], delimiter=other), [])) == n_columns:
            there = f"line {line} has a {_MARKS[other]} between its fields"
            raise ValueError(
                f"{there}, the header a {_MARKS.get(separator, repr(separator))}; use one of them in all lines"
            )


def _too_many(line: int, cells: list[str], names: list[str], separator: str) -> str:
    n = len(names)
    there = f"line {line} has {len(cells)} fields, the header {n} ({', '.join(names[:6])}{', …' * (n > 6)})"
    mark = _MARKS.get(separator, repr(separator))
    beyond = f"column {n + 1} would be {cells[n]!r}"
    return f"{there}; {beyond}. Put cells in quotes that have a {mark} in them, or name all columns in the header"


def _refuse_repeated(names: list[str], line: int) -> None:
    for number, name in enumerate(names):
        if name and names.index(name) != number:
            first = names.index(name) + 1
            raise ValueError(f"line {line}: columns {first} and {number + 1} are both called {name!r}; rename one")


def _named(names: list[str], table: _Cells, left_out: dict[str, list[str]], line: int) -> list[str]:
    """Names of columns; "" for one to leave out, which is nothing, or numbers its rows as pandas and R do."""
    for number, name in enumerate(names):
        if name:
            continue
        cells = table.columns[number].to_pylist()
        numbered = number == 0 and all(cell.isascii() and cell.isdigit() for cell in cells)
        if any(cell.strip() for cell in cells) and not numbered:
            raise ValueError(f"line {line}: column {number + 1} has no name; name it, or take it out")
        left_out.setdefault("columns without a name", []).append(f"column {number + 1}")
    return names


def _line_at(data: bytes, position: int) -> int:
    return len(re.findall(rb"\r\n|\r|\n", data[:position])) + 1
