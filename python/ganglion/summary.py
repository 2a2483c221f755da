"""A table of a network's layers, as text and as HTML."""

from __future__ import annotations

from collections.abc import Sequence

from ganglion.built import Built
from ganglion.value import Shape

_HEADER = ("Layer (type)", "Output Shape", "Param #")


def _cells(built: Built) -> list[tuple[str, str, str]]:
    return [
        (f"{row.name} ({row.kind})", shape_text(row.output_shape), f"{row.weights:,}")
        for row in built.rows
        if row.depth == 0
    ]


def shape_text(shape: Shape) -> str:
    """Return a shape as Python writes it.

    Examples
    --------
    >>> shape_text((None, 10))
    '(None, 10)'
    """
    return str(tuple(shape))


def _totals(built: Built, itemsize: int) -> list[tuple[str, str]]:
    outer = [row for row in built.rows if row.depth == 0]
    total = sum(row.weights for row in outer)
    trained = sum(row.trainable_weights for row in outer)
    counts = {"Total": total, "Trainable": trained, "Non-trainable": total - trained}
    return [
        (f"{kind} params", f"{count:,} ({_size_text(count * itemsize)})")
        for kind, count in counts.items()
    ]


def _size_text(size: float) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.4g} {unit}"
        size /= 1000
    return f"{size:.4g} GB"


def summary_text(built: Built, itemsize: int) -> str:
    """Return the table as text.

    Parameters
    ----------
    built : Built
        The network.
    itemsize : int
        Bytes of one weight.
    """
    rows: Sequence[tuple[str, str, str]] = [_HEADER, *_cells(built)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [
        f"{name:<{widths[0]}}   {shape:<{widths[1]}}   {weights:>{widths[2]}}"
        for name, shape, weights in rows
    ]
    rule = "-" * len(lines[0])
    totals = [f"{name}: {count}" for name, count in _totals(built, itemsize)]
    return "\n".join([lines[0], rule, *lines[1:], rule, *totals])


def summary_html(built: Built, itemsize: int) -> str:
    """Return the table as HTML, for notebooks."""
    body = "".join(_html_row("td", row) for row in _cells(built))
    totals = "<br>".join(f"{name}: {count}" for name, count in _totals(built, itemsize))
    return (
        f"<table><thead>{_html_row('th', _HEADER)}</thead><tbody>{body}</tbody></table>"
        f"<p>{totals}</p>"
    )


def _html_row(tag: str, cells: Sequence[str]) -> str:
    from html import escape

    # Said for each cell, since notebooks align those of a table otherwise.
    aligned = zip(("left", "left", "right"), cells, strict=True)
    inner = "".join(
        f'<{tag} style="text-align: {side}">{escape(cell)}</{tag}>' for side, cell in aligned
    )
    return f"<tr>{inner}</tr>"
