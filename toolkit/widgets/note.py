"""A line of a report, where there is nothing to show or something to add."""

import html


class Note(str):
    """Text that a notebook shows as a line, without quotation marks."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self)}</p>"
