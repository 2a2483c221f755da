"""A table of a network's layers, as text and as HTML."""

from __future__ import annotations

from ganglion.built import Built
from ganglion.tables import Table
from ganglion.value import Shape


def _table(built: Built) -> Table:
    rows = [
        (f"{row.name} ({row.kind})", shape_text(row.output_shape), f"{row.weights:,}")
        for row in built.rows
    ]
    return Table(("Layer (type)", "Output shape", "Weights"), rows, right=[2])


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
    text = _table(built).text()
    rule = text.splitlines()[1]
    return "\n".join([text, rule, *_totals(built, itemsize)])


def summary_html(built: Built, itemsize: int) -> str:
    """Return the table as HTML, for notebooks."""
    return f"{_table(built).html()}<p>{'<br>'.join(_totals(built, itemsize))}</p>"
