"""A table of a network's layers, as text and as HTML."""

from __future__ import annotations

from ganglion.built import Built
from ganglion.graph import Graph
from ganglion.tables import Table
from ganglion.value import Shape


def _table(built: Built) -> Table:
    rows = [
        (f"{row.name} ({row.kind})", shape_text(row.output_shape), f"{row.weights:,}")
        for row in built.rows
        if row.depth == 0
    ]
    header = ("Layer (type)", "Output Shape", "Param #")
    graph = built.recipe.graph
    if not isinstance(graph, Graph):
        return Table(header, rows, right=[2])
    read = graph.connections()
    names = (row.name for row in built.rows if row.depth == 0)
    joined = [(*row, ", ".join(read[name])) for row, name in zip(rows, names, strict=True)]
    return Table((*header, "Connected to"), joined, right=[2])


def shape_text(shape: Shape) -> str:
    """Return a shape as Python writes it.

    Examples
    --------
    >>> shape_text((None, 10))
    '(None, 10)'
    """
    return str(tuple(shape))


def _totals(built: Built, itemsize: int) -> list[str]:
    outer = [row for row in built.rows if row.depth == 0]
    total = sum(row.weights for row in outer)
    trained = sum(row.trainable_weights for row in outer)
    counts = {"Total": total, "Trainable": trained, "Non-trainable": total - trained}
    return [
        f"{kind} params: {count:,} ({_size_text(count * itemsize)})"
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
    text = _table(built).text()
    rule = text.splitlines()[1]
    return "\n".join([text, rule, *_totals(built, itemsize)])


def summary_html(built: Built, itemsize: int) -> str:
    """Return the table as HTML, for notebooks."""
    return f"{_table(built).html()}<p>{'<br>'.join(_totals(built, itemsize))}</p>"
