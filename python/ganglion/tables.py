"""Tables as text, for what is printed, and as HTML, for notebooks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """Rows of text under a header.

    Attributes
    ----------
    header : sequence of str
        Titles of the columns.
    rows : sequence of sequence of str
        As many cells each as the header has.
    right : collection of int
        Positions of the columns that stand to the right, as numbers do.

    Examples
    --------
    >>> print(Table(["class", "samples"], [["cat", "7"], ["horse", "12"]], right=[1]).text())
    class   samples
    ---------------
    cat           7
    horse        12
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: Sequence[int] = ()

    def text(self) -> str:
        """Return the table as lines of text."""
        columns = list(zip(self.header, *self.rows, strict=True))
        widths = [max(map(len, column)) for column in columns]
        head, *body = [
            "   ".join(
                cell.rjust(size) if position in self.right else cell.ljust(size)
                for position, (cell, size) in enumerate(zip(row, widths, strict=True))
            )
            for row in (self.header, *self.rows)
        ]
        return "\n".join(line.rstrip() for line in [head, "-" * len(head), *body])

    def html(self) -> str:
        """Return the table as HTML. What the cells hold is shown and never interpreted."""
        from html import escape

        def line(tag: str, row: Sequence[str]) -> str:
            # Said for each cell, since notebooks align those of a table otherwise.
            cells = (
                f'<{tag} style="text-align: {"right" if position in self.right else "left"}">'
                f"{escape(cell)}</{tag}>"
                for position, cell in enumerate(row)
            )
            return f"<tr>{''.join(cells)}</tr>"

        body = "".join(line("td", row) for row in self.rows)
        return f"<table><thead>{line('th', self.header)}</thead><tbody>{body}</tbody></table>"


def share(count: int, total: int) -> str:
    """Return a count with what it is of, and how much of it.

    Examples
    --------
    >>> share(1836, 32561)
    '1,836 of 32,561 (5.6%)'
    """
    percent = 100 * count / total
    return f"{count:,} of {total:,} ({percent:{'.2g' if percent < 10 else '.0f'}}%)"


def listed(names: Sequence[object], most: int = 5) -> str:
    """Return names with commas between them, no more than ``most``.

    Examples
    --------
    >>> listed(["a", "b", "c", "d"], most=2)
    'a, b and 2 more'
    """
    shown = ", ".join(str(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"


def number(value: float) -> str:
    """Return a measured value with the digits that are worth reading, or a dash for NaN.

    Examples
    --------
    >>> number(0.855), number(48196.3), number(float("nan"))
    ('0.8550', '48,196', '-')
    """
    if math.isnan(value):
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:#.4g}"
