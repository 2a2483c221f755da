"""Every gradient rule against central differences, and what `Builder.gradient` promises."""

from __future__ import annotations

import numpy as np
import pytest
from op_cases import CASES, NO_GRADIENT
from programs import Case, Operand, check_gradient, distribution, positive, write_gradient
from tolerances import FORWARD, assert_near

from ganglion import _core

LAST = {"first": 1, "last": 1}
DIFFERENTIABLE = [
    pytest.param(case, id=case.name)
    for kind, cases in CASES.items()
    if kind not in NO_GRADIENT
    for case in cases
]


@pytest.mark.parametrize("case", DIFFERENTIABLE)
def test_gradient_of_each_kind(case: Case) -> None:
    for rows in case.rows if len(case.rows) == 1 else (1, 5):
        check_gradient(case, rows)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", DIFFERENTIABLE)
def test_gradient_agrees_with_the_reference(case: Case, dtype: str) -> None:
    generator = np.random.default_rng(5)
    written, plain = write_gradient(case), write_gradient(case, fuse=False)
    for rows in case.rows:
        arrays = [operand.draw(generator, rows).astype(dtype) for operand in written.operands]
        fused = written.run(arrays, rows, dtype)
        for got, unfused, wanted in zip(
            fused, plain.run(arrays, rows, dtype), plain.refer(arrays, rows), strict=True
        ):
            np.testing.assert_array_equal(got, unfused)
            # The absolute part is for sums over the batch whose terms cancel.
            assert_near(
                got, wanted, 4 * FORWARD[dtype], name=case.name, absolute=10 * FORWARD[dtype]
            )


STEPS = [kind for kind, why in NO_GRADIENT.items() if why in ("a step", "a count", "an index")]


@pytest.mark.parametrize("kind", [*STEPS, "stop_gradient"])
def test_steps_pass_zero_gradient(kind: str) -> None:
    case = CASES[kind][1]
    operands = [Operand(o.shape, o.domain) for o in case.operands]
    written = write_gradient(Case(case.name, case.emit, operands))
    arrays = [operand.draw(np.random.default_rng(0), 3) for operand in written.operands]
    for gradient, operand in zip(written.run(arrays, 3, "float64")[1:], arrays, strict=False):
        np.testing.assert_array_equal(gradient, np.zeros_like(operand))


def chain(builder: _core.Builder, ids: list[int]) -> list[int]:
    """Everything at once: a value used twice, broadcasting, a mean over the batch."""

    def apply(kind: str, *inputs: int, **attributes: int) -> int:
        return builder.apply(kind, list(inputs), attributes)[0]

    x, w, b = ids
    hidden = apply("tanh", apply("add", apply("matmul", x, w, transpose_a=0, transpose_b=0), b))
    product = apply("multiply", hidden, apply("sigmoid", hidden))
    total = apply("reduce_sum", product, first=0, last=0)
    mean = apply("divide", total, apply("axis_size", product, first=0, last=0))
    return [apply("multiply", apply("subtract", product, mean), hidden)]


def test_gradient_of_a_diamond() -> None:
    case = Case("diamond", chain, [Operand((None, 5)), Operand((5, 7)), Operand((7,))])
    check_gradient(case, 4, points=100)


def test_gradient_is_zero_where_unreachable() -> None:
    builder = _core.Builder()
    x, y = builder.input("x", (None, 3)), builder.input("y", (None, 4))
    output = builder.apply("square", [x], {})[0]
    d_x, d_y = builder.gradient(output, [x, y])
    builder.output("d_x", d_x)
    builder.output("d_y", d_y)
    executable = _core.Executable(builder.finish(), "float64", None, None)
    x_array = np.arange(6.0).reshape(2, 3)
    got_x, got_y = executable.run([x_array, np.ones((2, 4))], 2)
    np.testing.assert_array_equal(got_x, 2 * x_array)
    np.testing.assert_array_equal(got_y, np.zeros((2, 4)))


def test_gradient_by_an_intermediate_value() -> None:
    builder = _core.Builder()
    x = builder.input("x", (None, 3))
    middle = builder.apply("exp", [x], {})[0]
    output = builder.apply("square", [middle], {})[0]
    builder.output("d", builder.gradient(output, [middle])[0])
    executable = _core.Executable(builder.finish(), "float64", None, None)
    x_array = np.linspace(-1, 1, 6).reshape(2, 3)
    np.testing.assert_allclose(executable.run([x_array], 2)[0], 2 * np.exp(x_array), rtol=1e-14)


def test_gradient_of_a_gradient() -> None:
    builder = _core.Builder()
    x = builder.input("x", (None, 3))
    first = builder.gradient(builder.apply("tanh", [x], {})[0], [x])[0]
    builder.output("d2", builder.gradient(first, [x])[0])
    executable = _core.Executable(builder.finish(), "float64", None, None)
    x_array = np.linspace(-2, 2, 6).reshape(2, 3)
    t = np.tanh(x_array)
    np.testing.assert_allclose(executable.run([x_array], 2)[0], -2 * t * (1 - t * t), rtol=1e-12)


@pytest.mark.parametrize("exponent", [2.0, 3.0, 0.5, -1.0])
def test_power_of_a_constant_at_zero_and_below(exponent: float) -> None:
    def emit(builder: _core.Builder, ids: list[int]) -> list[int]:
        return builder.apply("power", [ids[0], builder.constant(np.array(exponent))], {})

    case = Case("power", emit, [Operand((None, 5), positive)])
    check_gradient(case, 3)
    if exponent >= 2.0:  # the gradient stays finite at zero and for negative numbers
        written = write_gradient(case)
        x = np.array([[0.0, -1.0, 1.0, -2.0, 2.0]])
        gradient = written.run([x, np.ones((1, 5))], 1, "float64")[1]
        np.testing.assert_allclose(gradient, exponent * x ** (exponent - 1), rtol=1e-13)


def test_gradient_of_the_gradient_of_softmax() -> None:
    def emit(builder: _core.Builder, ids: list[int]) -> list[int]:
        y = builder.apply("softmax", ids, {})[0]
        return builder.gradient(builder.apply("square", [y], {})[0], ids)

    check_gradient(Case("softmax", emit, [Operand((None, 5))]), 3)


def test_gradient_of_crossentropy_by_target_and_probabilities() -> None:
    def emit(builder: _core.Builder, ids: list[int]) -> list[int]:
        loss, probabilities = builder.apply("crossentropy", ids, {})
        total = builder.apply("reduce_sum", [builder.apply("square", [probabilities], {})[0]], LAST)
        return builder.apply("multiply", [loss, total[0]], {})

    case = Case("crossentropy", emit, [Operand((None, 4)), Operand((None, 4), distribution)])
    check_gradient(case, 3)
