"""Every kind of operation, on its grid: the core against the reference, fused against unfused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference
from op_cases import CASES
from programs import Case, Operand, operation_case, write
from reference.philox import philox
from tolerances import FORWARD, NORMAL, assert_elementwise, assert_near

from ganglion import _core

ALL = [pytest.param(kind, case, id=case.name) for kind, cases in CASES.items() for case in cases]
KINDS = sorted(_core.operation_kinds())


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_reference_and_cases(kind: str) -> None:
    known = {
        *reference.ELEMENTWISE,
        *reference.OPERATIONS,
        *reference.RANDOM,
        "assign",
        "scan",
        "call",
    }
    assert kind in known, f"tests/reference lacks {kind}"
    assert kind in CASES, f"tests/op_cases.py lacks {kind}"


def test_no_case_is_left_over() -> None:
    assert set(CASES) <= set(KINDS)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("kind", "case"), ALL)
def test_forward(kind: str, case: Case, dtype: str) -> None:
    generator = np.random.default_rng(7)
    written = write(case)
    for rows in case.rows:
        arrays = [operand.draw(generator, rows).astype(dtype) for operand in case.operands]
        key = {"seed": 11, "step": 5} if kind in reference.RANDOM else {}
        actual = written.run(arrays, rows, dtype, **key)
        expected = written.refer(arrays, rows, dtype=dtype, **key)
        for got, wanted in zip(actual, expected, strict=True):
            assert got.dtype == dtype
            if kind == "random_uniform":
                np.testing.assert_array_equal(got, wanted)
            elif kind == "random_normal":
                assert_near(got, wanted, NORMAL[dtype], name=case.name)
            elif kind in reference.ELEMENTWISE:
                assert_elementwise(got, wanted, dtype, name=case.name)
            else:
                assert_near(got, wanted, FORWARD[dtype], name=case.name)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("kind", "case"), ALL)
def test_fused_and_unfused_give_the_same_bits(kind: str, case: Case, dtype: str) -> None:
    generator = np.random.default_rng(8)
    rows = case.rows[-1]
    arrays = [operand.draw(generator, rows).astype(dtype) for operand in case.operands]
    fused = write(case).run(arrays, rows, dtype, seed=3)
    plain = write(case, fuse=False).run(arrays, rows, dtype, seed=3)
    for left, right in zip(fused, plain, strict=True):
        np.testing.assert_array_equal(left, right)


def test_philox_gives_the_known_answers() -> None:
    """From the authors' library, Random123."""
    ones = np.full((1, 4), 0xFFFFFFFF, np.uint64)
    pi = np.array([[0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344]], np.uint64)
    cases = [
        (0 * ones, (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        (ones, (0xFFFFFFFF, 0xFFFFFFFF), "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (pi, (0xA4093822, 0x299F31D0), "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ]
    for counter, key, expected in cases:
        assert " ".join(f"{word:08x}" for word in philox(counter, key)[0]) == expected


@pytest.mark.parametrize("kind", ["random_uniform", "random_normal"])
def test_random_numbers_at_large_counters(kind: str) -> None:
    """Seeds of 64 bits, steps beyond 32 bits, the last stream."""
    case = CASES[kind][2]
    written = write(case)
    for seed, step in [(2**64 - 1, 2**40 + 3), (2**33, 2**32 - 1), (0, 0)]:
        got = written.run([], 9, "float64", seed=seed, step=step)[0]
        wanted = written.refer([], 9, dtype="float64", seed=seed, step=step)[0]
        assert_near(got, wanted, NORMAL["float64"])


SPECIAL = [0.0, -0.0, 1.0, -1.0, 1e-30, -1e-30, 30.0, -30.0, 87.0, -87.0, 1000.0, -1000.0]
SPECIAL += [np.inf, -np.inf, np.nan, 1e30, -1e30, 0.5, -0.5, 1e-8, -1e-8, 2.0, 3.5]
UNARY = [kind for kind in reference.ELEMENTWISE if len(CASES[kind][0].operands) == 1]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", UNARY)
def test_special_values_of_one_operand(kind: str, dtype: str) -> None:
    written = write(CASES[kind][1])  # (None, 17)
    x = np.resize(np.array(SPECIAL, dtype), (2, 17))
    with np.errstate(all="ignore"):
        expected = written.refer([x], 2)[0]
    assert_elementwise(written.run([x], 2, dtype)[0], expected, dtype, name=kind)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["add", "subtract", "multiply", "divide", "power", "greater",
                                  "greater_equal", "equal"])  # fmt: skip
def test_special_values_of_two_operands(kind: str, dtype: str) -> None:
    written = write(CASES[kind][3])  # (None, 17) with (None, 1)
    pool = np.array(SPECIAL, dtype)
    x = np.resize(pool, (len(pool), 17))
    with np.errstate(all="ignore"):
        expected = written.refer([x, pool[:, None]], len(pool))[0]
    actual = written.run([x, pool[:, None]], len(pool), dtype)[0]
    # A power in float64 is exp(b log(a)), whose error grows with the exponent.
    factor = 200.0 if (kind, dtype) == ("power", "float64") else 1.0
    assert_elementwise(actual, expected, dtype, name=kind, factor=factor)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("extreme", [50.0, 1e3, 1e30], ids=str)
def test_crossentropy_is_exact_at_extreme_logits(dtype: str, extreme: float) -> None:
    logits = np.array([[extreme, 0.0, -extreme], [-extreme, extreme, 0.0], [0.0, 0.0, extreme]])
    right, wrong = np.array([0.0, 1.0, 2.0]), np.array([2.0, 0.0, 1.0])
    case = next(
        c for c in CASES["sparse_crossentropy_gradient"] if c.operands[0].shape == (None, 17)
    )
    padded = np.concatenate([logits, np.full((3, 14), -2 * extreme)], axis=1).astype(dtype)
    for index in (right, wrong):
        written = write(case)
        arrays = [padded, index, np.ones(3)]
        actual, expected = written.run(arrays, 3, dtype)[0], written.refer(arrays, 3)[0]
        np.testing.assert_allclose(actual, expected, rtol=4e-6, atol=np.finfo(dtype).tiny)


def test_an_index_outside_the_classes_gives_nan() -> None:
    written = write(CASES["sparse_crossentropy"][2])
    loss = written.run([np.zeros((4, 10)), np.array([0.0, 10.0, -1.0, 9.0])], 4, "float64")[0]
    assert np.isnan(loss[1:3]).all() and np.isfinite(loss[[0, 3]]).all()


def test_argmax_takes_the_first_of_equals() -> None:
    written = write(CASES["argmax"][3])
    x = np.zeros((3, 17))
    x[1, [4, 9]] = 2.0
    x[2, 16] = 1.0
    np.testing.assert_array_equal(written.run([x], 3, "float32")[0], [0, 4, 16])


def large_case(kind: str, shapes: list[Any], **attributes: Any) -> Any:
    case = operation_case(kind, [Operand(shape) for shape in shapes], attributes, rows=(3001,))
    return pytest.param(kind, case, id=case.name)


PLAIN = {"transpose_a": 0, "transpose_b": 0}
LARGE = [
    large_case("matmul", [(None, 130), (130, 70)], **PLAIN),
    large_case("matmul", [(None, 70), (130, 70)], transpose_a=0, transpose_b=1),
    large_case("matmul", [(None, 65), (None, 40)], transpose_a=1, transpose_b=0),
    large_case("matmul", [(700, 900), (900, 333)], **PLAIN),
    large_case("matmul", [(None, 7, 12), (None, 12, 9)], **PLAIN),
    large_case("reduce_sum", [(None, 33)], first=0, last=0),
    large_case("reduce_sum", [(None, 33)], first=0, last=1),
    large_case("reduce_sum", [(None, 500)], first=1, last=1),
    large_case("reduce_max", [(None, 33)], first=0, last=0),
    large_case("softmax", [(None, 100)]),
    large_case("add", [(None, 65), (65,)]),
    large_case("multiply", [(None, 65), (None, 1)]),
    large_case("tanh", [(200001,)]),
    large_case("transpose", [(None, 31, 33)], permutation=[0, 2, 1]),
    large_case("concat", [(None, 31), (None, 33)], axis=1),
    large_case("pack", [(300, 301), (17,), (70001,)]),
    large_case("random_normal", [], shape=[1, 101], batched=1, stream=7),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("kind", "case"), LARGE)
def test_shapes_that_are_split_among_threads(kind: str, case: Case, dtype: str) -> None:
    generator = np.random.default_rng(0)
    arrays = [operand.draw(generator, 3001).astype(dtype) for operand in case.operands]
    written = write(case)
    before = _core.get_num_threads()
    try:
        _core.set_num_threads(3)
        actual = written.run(arrays, 3001, dtype, seed=9)[0]
    finally:
        _core.set_num_threads(before)
    expected = written.refer(arrays, 3001, dtype=dtype, seed=9)[0]
    assert_near(actual, expected, 10 * FORWARD[dtype], absolute=1e-3 * FORWARD[dtype])
