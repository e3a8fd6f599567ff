"""A publication as a CSV file, and what lies beside it: where it comes from, and how it is read back as it was."""

import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from toolkit.catalog.publishing.publication import Publication


def write_csv(tables: Iterable[pd.DataFrame], path: Path) -> None:
    """Write the rows of tables and nothing else: what says where they come from lies beside them."""
    with path.open("wb") as file, _Lines(file, encoding="utf-8", newline="") as lines:
        for number, table in enumerate(tables):
            table.to_csv(lines, index=False, header=number == 0, lineterminator=_Lines.TOLD)


class _Lines(io.TextIOWrapper):
    r"""Ends each line with ``\n``, though the writer of rows is told ``\r\n``.

    So told, Python's csv module quotes every text that has either of these in it; told ``\n``, only the newest versions
    quote a carriage return, and readers take it for the end of a row.
    """

    TOLD = "\r\n"

    def write(self, row: str, /) -> int:
        """Write one row: the csv module hands over one at a time, with its end."""
        return super().write(row.removesuffix(self.TOLD) + "\n")


def csv_description(publication: Publication) -> str:
    """What lies beside the file: the attributes, and as ``read_csv`` what pandas is to be called with.

    Without that a text such as ``NA`` or ``007`` comes back as something else.
    """
    return json.dumps({**publication.attributes(), "read_csv": _arguments(publication.types())}, indent=2)


def _arguments(types: "pd.Series[Any]") -> dict[str, Any]:
    """Arguments of ``pandas.read_csv`` under which columns of these types come back as they were written."""
    times = [name for name, dtype in types.items() if pd.api.types.is_datetime64_any_dtype(dtype)]
    numbers = {name: str(dtype) for name, dtype in types.items() if pd.api.types.is_numeric_dtype(dtype)}
    texts = {name: "str" for name in types.index if name not in times and name not in numbers}
    return {
        "dtype": {**texts, **numbers},
        "parse_dates": times,
        "date_format": "ISO8601",
        "keep_default_na": False,
        "na_values": {name: [""] for name in (*times, *numbers)},
        "encoding": "utf-8",
    }
