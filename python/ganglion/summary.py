"""A table of a network's layers, as text and as HTML."""

from __future__ import annotations

from collections.abc import Sequence

from ganglion.built import Built
from ganglion.value import Shape

_HEADER = ("Layer (type)", "Output shape", "Weights")


def _cells(built: Built) -> list[tuple[str, str, str]]:
    return [
        (f"{row.name} ({row.kind})", shape_text(row.output_shape), f"{row.weights:,}")
        for row in built.rows
    ]


def shape_text(shape: Shape) -> str:
    """Return a shape as Python writes it.

    Examples
    --------
    >>> shape_text((None, 10))
    '(None, 10)'
    """
    return str(tuple(shape))


def _totals(built: Built, itemsize: int) -> list[str]:
    total = sum(row.weights for row in built.rows)
    trained = sum(row.trainable_weights for row in built.rows)
    return [
        f"Total weights: {total:,} ({_size_text(total * itemsize)})",
        f"Trained: {trained:,}",
        f"Not trained: {total - trained:,}",
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
    return "\n".join([lines[0], rule, *lines[1:], rule, *_totals(built, itemsize)])


def summary_html(built: Built, itemsize: int) -> str:
    """Return the table as HTML, for notebooks."""
    from html import escape

    head = "".join(f"<th>{cell}</th>" for cell in _HEADER)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
        for row in _cells(built)
    )
    totals = "<br>".join(_totals(built, itemsize))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><p>{totals}</p>"
