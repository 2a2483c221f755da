"""Cases of the routing of capsules: few capsules and many, and more samples than a block has."""

from __future__ import annotations

from programs import Case, Operand, operation_case

# Capsules, dimensions of an input capsule, input capsules, dimensions of a capsule.
Sizes = tuple[int, int, int, int]
GRID: list[Sizes] = [
    (1, 1, 1, 1),
    (2, 3, 5, 4),
    (3, 4, 17, 16),
    (10, 8, 36, 16),
    (2, 3, 130, 5),
    (3, 2, 300, 17),
]
ROWS = (1, 3, 67)


def routing_case(kind: str, sizes: Sizes, batch: int | None = None) -> Case:
    capsules, input_dim, inputs, dim = sizes
    operands = {
        "routing_agreement": Operand((batch, capsules, inputs)),
        "routing_input_gradient": Operand((batch, input_dim, inputs)),
        "routing_weight_gradient": Operand((capsules, input_dim, inputs, dim)),
        "routing_sum": Operand((batch, capsules, dim)),
    }
    del operands[kind]
    return operation_case(kind, list(operands.values()), rows=ROWS if batch is None else (1,))


KINDS = ("routing_agreement", "routing_input_gradient", "routing_weight_gradient", "routing_sum")
CASES = {
    kind: [*(routing_case(kind, sizes) for sizes in GRID), routing_case(kind, GRID[1], batch=4)]
    for kind in KINDS
}
