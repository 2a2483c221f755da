"""Where intermediates stand: one arena, in which a place is used again when it is free."""

from __future__ import annotations

from dataclasses import dataclass, field

from ganglion.engines.numba_cuda.program import Lowered

# Elements at which places begin: a line of the GPU's cache in float64.
_ALIGNMENT = 16


@dataclass
class Layout:
    """Places of values in an arena.

    Attributes
    ----------
    offsets : dict of int to int
        Of each value that owns memory there.
    outputs_end : int
        Where the outputs end: they stand first, side by side.
    size : int
        Elements of the arena.
    """

    offsets: dict[int, int] = field(default_factory=dict)
    outputs_end: int = 0
    size: int = 0


def lay_out(lowered: Lowered, rows: int, with_inputs: bool) -> Layout:
    """Return where the values of a program stand for a batch.

    Parameters
    ----------
    lowered : Lowered
        The program.
    rows : int
        Samples of the batch.
    with_inputs : bool
        Whether its inputs stand there too; those of a loop's body are elsewhere.
    """
    layout = Layout()
    taken: list[tuple[int, int]] = []  # begin and end of what is in use, in order
    stored = ("arena", "input") if with_inputs else ("arena",)

    def place(value: int) -> None:
        if value in layout.offsets or lowered.values[value].storage not in stored:
            return
        size = -(-lowered.values[value].shape.size(rows) // _ALIGNMENT) * _ALIGNMENT
        begin = position = 0
        for position, (start, end) in enumerate([*taken, (-1, -1)]):  # noqa: B007
            if start < 0 or start - begin >= size:
                break
            begin = end
        taken.insert(position, (begin, begin + size))
        layout.offsets[value] = begin
        layout.size = max(layout.size, begin + size)

    for value in lowered.outputs:
        place(lowered.root(value))
    layout.outputs_end = layout.size
    kept = {lowered.root(value) for value in lowered.outputs}
    for value in lowered.inputs:
        place(value)
    last = {value: -1 for value in lowered.inputs}
    for number, operation in enumerate(lowered.operations):
        for value in (*operation.inputs, *operation.outputs):
            last[lowered.root(value)] = number
    free_after: dict[int, list[int]] = {}
    for value, number in last.items():
        if value not in kept:
            free_after.setdefault(number, []).append(value)
    for number, operation in enumerate(lowered.operations):
        for value in operation.outputs:
            place(lowered.root(value))
        for value in free_after.get(number, []):
            if value in layout.offsets:
                begin = layout.offsets[value]
                taken[:] = [span for span in taken if span[0] != begin]
    return layout
