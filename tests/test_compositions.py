"""Operations that are made of others: beside NumPy, and their gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import special
from tolerances import FORWARD, assert_near

from ganglion import check_gradient, ops

Array = np.ndarray
draw = np.random.default_rng(0)
PLAIN = draw.normal(size=(4, 6))
POSITIVE = draw.uniform(0.2, 3.0, size=(4, 6))
SEQUENCES = draw.normal(size=(4, 5, 6))
OTHERS = draw.normal(size=(4, 5, 3))
TABLE = draw.normal(size=(6, 3))

# name -> what it is here and in NumPy, and the arrays it is tried on
SAME: dict[str, tuple[Callable[..., Any], Callable[..., Array], list[Array]]] = {
    "sin": (ops.sin, np.sin, [3 * PLAIN]),
    "cos": (ops.cos, np.cos, [3 * PLAIN]),
    "ceil": (ops.ceil, np.ceil, [3 * PLAIN]),
    "clip": (lambda x: ops.clip(x, -0.5, 0.7), lambda x: np.clip(x, -0.5, 0.7), [PLAIN]),
    "logaddexp": (ops.logaddexp, np.logaddexp, [PLAIN, 3 * POSITIVE]),
    "logaddexp-far": (ops.logaddexp, np.logaddexp, [800 * PLAIN, PLAIN]),
    "log_sigmoid": (ops.log_sigmoid, special.log_expit, [30 * PLAIN]),
    "std": (lambda x: ops.std(x, axis=1), lambda x: x.std(axis=1), [SEQUENCES]),
    "variance": (
        lambda x: ops.variance(x, axis=(1, 2)),
        lambda x: x.var(axis=(1, 2)),
        [SEQUENCES],
    ),
    "logsumexp": (
        lambda x: ops.logsumexp(x, axis=-1),
        lambda x: special.logsumexp(x, axis=-1),
        [300 * SEQUENCES],
    ),
    "norm": (
        lambda x: ops.norm(x, axis=-1),
        lambda x: np.linalg.norm(x, axis=-1),
        [SEQUENCES],
    ),
    "norm-of-samples": (
        lambda x: ops.norm(x, axis=(1, 2), keepdims=True),
        lambda x: np.sqrt((x * x).sum(axis=(1, 2), keepdims=True)),
        [SEQUENCES],
    ),
    "normalize": (
        lambda x: ops.normalize(x, axis=1),
        lambda x: x / np.linalg.norm(x, axis=1, keepdims=True),
        [SEQUENCES],
    ),
    "cumsum": (ops.cumsum, lambda x: np.cumsum(x, axis=-1), [PLAIN]),
    "cumsum-steps": (lambda x: ops.cumsum(x, 1), lambda x: np.cumsum(x, axis=1), [SEQUENCES]),
    "swapaxes": (lambda x: ops.swapaxes(x, 1, 2), lambda x: np.swapaxes(x, 1, 2), [SEQUENCES]),
    "stack": (
        lambda x, y: ops.stack([x, y, x], axis=1),
        lambda x, y: np.stack([x, y, x], axis=1),
        [PLAIN, POSITIVE],
    ),
    "split": (
        lambda x: ops.split(x, 3)[1] * ops.split(x, 3)[2],
        lambda x: np.split(x, 3, axis=-1)[1] * np.split(x, 3, axis=-1)[2],
        [SEQUENCES],
    ),
    "ones_like": (lambda x: x * ops.ones_like(x), lambda x: x, [PLAIN]),
    "zeros_like": (lambda x: x + ops.zeros_like(x), lambda x: x, [SEQUENCES]),
}

EQUATIONS: dict[str, list[Array]] = {
    "bi->b": [PLAIN],
    "bij->bji": [SEQUENCES],
    "bij->bj": [SEQUENCES],
    "bi,bi->b": [PLAIN, POSITIVE],
    "bi,bi->bi": [PLAIN, POSITIVE],
    "bi,bj->bij": [PLAIN, POSITIVE],
    "bti,btj->bij": [SEQUENCES, OTHERS],
    "bti,btj->btji": [SEQUENCES, OTHERS],
    "bti,bsi->bts": [SEQUENCES, SEQUENCES[:, :2]],
    "bti,bj->btj": [SEQUENCES, PLAIN[:, :2]],
    "bhtd,bhsd->bhts": [draw.normal(size=(4, 2, 5, 3)), draw.normal(size=(4, 2, 6, 3))],
}
# With a second operand that all samples share.
SHARED: dict[str, tuple[Array, Array]] = {
    "bi,ij->bj": (PLAIN, TABLE),
    "bti,ij->btj": (SEQUENCES, TABLE),
    "bti,ij->bjt": (SEQUENCES, TABLE),
    "bti,ti->b": (SEQUENCES, draw.normal(size=(5, 6))),
    "bhd,hde->bhe": (SEQUENCES, draw.normal(size=(5, 6, 2))),
    "bhd,hd->bhd": (SEQUENCES, draw.normal(size=(5, 6))),
    "bi,j->bij": (PLAIN, draw.normal(size=3)),
}


@pytest.mark.parametrize("name", SAME)
def test_beside_numpy(name: str) -> None:
    function, reference, arrays = SAME[name]
    assert_near(ops.evaluate(function, *arrays), reference(*arrays), FORWARD["float64"])


@pytest.mark.parametrize("name", [name for name in SAME if name not in ("ceil", "logaddexp-far")])
def test_gradients(name: str) -> None:
    function, _, arrays = SAME[name]

    def of_first(x: Any) -> Any:
        more = [
            ops.broadcast_to(ops.constant(one[:1]), (None, *one.shape[1:])) for one in arrays[1:]
        ]
        return function(x, *more)

    assert check_gradient(of_first, arrays[0].shape[1:]) < 1e-6


@pytest.mark.parametrize("equation", EQUATIONS)
def test_einsum_of_samples(equation: str) -> None:
    arrays = EQUATIONS[equation]
    found = ops.evaluate(lambda *values: ops.einsum(equation, *values), *arrays)
    assert_near(found, np.einsum(equation, *arrays), FORWARD["float64"])


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("equation", SHARED)
def test_einsum_with_weights(equation: str, turned: bool) -> None:
    x, shared = SHARED[equation]
    terms, result = equation.split("->")
    names = terms.split(",")

    def product(value: Any) -> Any:
        if turned:
            return ops.einsum(f"{names[1]},{names[0]}->{result}", ops.constant(shared), value)
        return ops.einsum(equation, value, ops.constant(shared))

    assert_near(ops.evaluate(product, x), np.einsum(equation, x, shared), FORWARD["float64"])
    assert check_gradient(product, x.shape[1:]) < 1e-6


def test_einsum_of_weights_alone() -> None:
    a, b = draw.normal(size=(2, 3, 4)), draw.normal(size=(3, 4, 5))

    def product(x: Any) -> Any:
        return x * ops.sum(ops.einsum("ijk,jkl->li", ops.constant(a), ops.constant(b)), axis=0)

    assert_near(
        ops.evaluate(product, np.ones((1, 2))),
        np.einsum("ijk,jkl->li", a, b).sum(axis=0)[None],
        FORWARD["float64"],
    )


@pytest.mark.parametrize(
    ("equation", "said"),
    [
        ("bi,bj", "expected letters for one or two operands and a result"),
        ("bij,bj->bi", "'bij' does not name the axes of"),
        ("bb,bj->bj", "'bb' does not name the axes of"),
        ("bi,bj->bk", "'bk' does not name axes of the operands"),
        ("bi,ij->bj", "'i' is 6 and None"),
        ("bi,bj->ij", "the batch must stay first"),
        ("bi,bj->ibj", "the batch must stay first"),
    ],
)
def test_equations_that_do_not_fit(equation: str, said: str) -> None:
    with pytest.raises(ValueError, match=rf"\[einsum\] .*{said}"):
        ops.evaluate(lambda x, y: ops.einsum(equation, x, y), PLAIN, POSITIVE)


def test_norm_at_zero_has_a_gradient() -> None:
    def slope(x: Any) -> Any:
        norm = ops.norm(x, axis=-1)
        return x.trace.gradient(norm, [x])[0]

    np.testing.assert_array_equal(
        ops.evaluate(slope, [[0.0, 0.0], [0.0, 2.0]]), [[0.0, 0.0], [0.0, 1.0]]
    )
    np.testing.assert_array_equal(ops.evaluate(ops.normalize, np.zeros((2, 3))), np.zeros((2, 3)))


def test_elements_at_indices() -> None:
    index = draw.integers(0, 6, size=(4, 5, 2))

    def picked(x: Any) -> Any:
        return ops.take_along_axis(x, ops.constant(index[:1]))

    found = ops.evaluate(ops.take_along_axis, SEQUENCES, index)
    np.testing.assert_array_equal(found, np.take_along_axis(SEQUENCES, index, axis=-1))
    with pytest.raises(ValueError, match=r"\[take_along_axis\] an index .* does not fit"):
        ops.evaluate(ops.take_along_axis, SEQUENCES, PLAIN)
    with pytest.raises(ValueError, match="does not fit"):
        check_gradient(picked, (5, 6))


def test_truth_of_numbers() -> None:
    a, b = np.array([0.0, 0.0, 2.0, -1.0]), np.array([0.0, 3.0, 0.0, 0.5])
    np.testing.assert_array_equal(ops.evaluate(ops.logical_and, a, b), np.logical_and(a, b))
    np.testing.assert_array_equal(ops.evaluate(ops.logical_or, a, b), np.logical_or(a, b))
    np.testing.assert_array_equal(ops.evaluate(ops.logical_not, a), np.logical_not(a))
    np.testing.assert_array_equal(ops.evaluate(ops.argmin, PLAIN), PLAIN.argmin(axis=-1))


def test_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match=r"\[split\] axis -1 of \(None, 6\) has no 4 equal parts"):
        ops.evaluate(lambda x: ops.split(x, 4)[0], PLAIN)
    with pytest.raises(ValueError, match=r"\[stack\] needs at least one value"):
        ops.evaluate(lambda x: ops.stack([]), PLAIN)
    with pytest.raises(ValueError, match=r"\[cumsum\] axis 0 is the batch"):
        ops.evaluate(lambda x: ops.cumsum(x, 0), PLAIN)
