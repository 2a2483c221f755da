"""Loops over the steps of sequences: gradients through time, masks, bits, memory, bad input."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scanned import Recurrent
from tolerances import FORWARD, assert_near
from traced import Traced

from ganglion import Sequential, _core, layers, ops
from ganglion.initializers import RandomNormal
from ganglion.threads import threads
from ganglion.tracing import Trace, current_trace
from ganglion.value import Value
from ganglion.variables import Variables

Array = np.ndarray
STEPS, FEATURES, UNITS = 6, 3, 4


def draw(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape)


def weight(name: str, *shape: int) -> Value:
    return current_trace().add_weight(name, shape, RandomNormal(stddev=0.5))


def zeros(units: int = UNITS) -> Value:
    return ops.broadcast_to(ops.constant(0.0), (None, units))


def tanh_network(x: Value, reverse: bool = False, mask: Value | None = None) -> Value:
    w, u, b = weight("w", FEATURES, UNITS), weight("u", UNITS, UNITS), weight("b", UNITS)

    def step(carries: list[Value], slices: list[Value]) -> tuple[list[Value], list[Value]]:
        h = ops.tanh(ops.matmul(slices[0], w) + ops.matmul(carries[0], u) + b)
        return [h], [h]

    last, (every,) = ops.scan(step, [zeros()], [x], reverse, mask)
    return every + ops.expand_dims(last[0], 1)


def test_a_loop_is_what_its_steps_are() -> None:
    traced = Traced(tanh_network, [(None, STEPS, FEATURES)])
    x = draw(5, STEPS, FEATURES)
    w, u, b = (traced.weight(name) for name in "wub")
    h, every = np.zeros((5, UNITS)), []
    for at in range(STEPS):
        h = np.tanh(x[:, at] @ w + h @ u + b)
        every.append(h)
    np.testing.assert_allclose(traced.run(x)[0], np.stack(every, 1) + h[:, None], rtol=1e-12)


@pytest.mark.parametrize("fuse", [True, False])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("rows", [1, 5])
def test_gradients_through_time(rows: int, reverse: bool, fuse: bool) -> None:
    traced = Traced(
        lambda x: tanh_network(x, reverse), [(None, STEPS, FEATURES)], wrt=[0], fuse=fuse
    )
    traced.randomize(np.random.default_rng(0))
    traced.check_gradients(draw(rows, STEPS, FEATURES))


@pytest.mark.parametrize("steps", [1, 2, 50])
def test_gradients_through_any_number_of_steps(steps: int) -> None:
    traced = Traced(tanh_network, [(None, steps, FEATURES)], wrt=[0])
    traced.check_gradients(draw(3, steps, FEATURES), points=12)


def with_states(x: Value, h: Value, c: Value, share: Value) -> Value:
    """Given states, two sequences, a batched value that all steps share, a weight squared."""
    u, scale = weight("u", UNITS, 2 * UNITS), ops.square(weight("scale", UNITS))

    def step(carries: list[Value], slices: list[Value]) -> tuple[list[Value], list[Value]]:
        h, c = carries
        z = ops.concat([slices[0], slices[1]]) + ops.matmul(h * share, u)
        gate = ops.sigmoid(z[:, :UNITS])
        c = ops.where(slices[0] > 0.0, c * gate, c + scale * ops.tanh(z[:, UNITS:]))
        return [ops.tanh(c), c], [c * gate, h]

    y = ops.concat([x, x]) * 0.5
    (h, c), results = ops.scan(step, [h, c], [y[..., :UNITS], y[..., UNITS:] * y[..., UNITS:]])
    return ops.concat([*results, ops.expand_dims(h * c, 1) * x])


STATE = (None, UNITS)


@pytest.mark.parametrize("fuse", [True, False])
@pytest.mark.parametrize("rows", [1, 4])
def test_gradients_of_several_carries_sequences_and_shared_values(rows: int, fuse: bool) -> None:
    shapes = [(None, STEPS, UNITS), STATE, STATE, STATE]
    traced = Traced(with_states, shapes, wrt=[0, 1, 2, 3], fuse=fuse)
    x = draw(rows, STEPS, UNITS)
    traced.check_gradients(x, *(draw(rows, UNITS, seed=seed) for seed in (1, 2, 3)))


def test_gradient_of_the_last_carry_alone_and_of_a_loop_without_carries() -> None:
    def last(x: Value) -> Value:
        u = weight("u", UNITS, UNITS)

        def step(carries: list[Value], slices: list[Value]) -> tuple[list[Value], list[Value]]:
            return [ops.tanh(slices[0] + ops.matmul(carries[0], u))], []

        return ops.scan(step, [zeros()], [x])[0][0]

    def each(x: Value) -> Value:
        u = weight("u", UNITS, 2)
        made = ops.scan(lambda _, slices: ([], [ops.softmax(ops.matmul(slices[0], u))]), [], [x])
        return made[1][0]

    for function in (last, each):
        traced = Traced(function, [(None, STEPS, UNITS)], wrt=[0])
        traced.check_gradients(draw(3, STEPS, UNITS))


def test_gradients_of_a_loop_in_a_loop() -> None:
    def nested(x: Value) -> Value:
        u = weight("u", UNITS, UNITS)

        def inner(carries: list[Value], slices: list[Value]) -> tuple[list[Value], list[Value]]:
            h = ops.tanh(slices[0] + carries[0])
            return [h], [h]

        def outer(carries: list[Value], slices: list[Value]) -> tuple[list[Value], list[Value]]:
            last, (every,) = ops.scan(inner, carries, slices)
            return last, [ops.sum(every, axis=1)]

        y = ops.matmul(x, u)
        return ops.scan(outer, [zeros()], [y])[1][0]

    traced = Traced(nested, [(None, 3, 2, UNITS)], wrt=[0])
    traced.check_gradients(draw(3, 3, 2, UNITS))


def test_second_gradient() -> None:
    def slope(x: Value) -> Value:
        def step(carries: list[Value], slices: list[Value]) -> tuple[list[Value], list[Value]]:
            h = ops.tanh(slices[0] + 0.5 * carries[0])
            return [h], [h]

        total = ops.sum(ops.scan(step, [zeros()], [x])[1][0])
        return current_trace().gradient(total, [x])[0]

    traced = Traced(slope, [(None, STEPS, UNITS)], wrt=[0])
    traced.check_gradients(draw(3, STEPS, UNITS))


def drawn_mask(rows: int, steps: int = STEPS) -> Array:
    mask = (np.random.default_rng(3).uniform(size=(rows, steps)) < 0.6).astype(float)
    mask[0], mask[-1] = 0.0, 1.0
    return mask


@pytest.mark.parametrize("reverse", [False, True])
def test_a_masked_step_does_not_happen(reverse: bool) -> None:
    def network(x: Value, mask: Value) -> Value:
        return tanh_network(x, reverse, mask)

    traced = Traced(network, [(None, STEPS, FEATURES), (None, STEPS)])
    x, mask = draw(7, STEPS, FEATURES), drawn_mask(7)
    w, u, b = (traced.weight(name) for name in "wub")
    expected = np.empty((7, STEPS, UNITS))
    for row in range(7):
        h = shown = np.zeros(UNITS)
        for at in range(STEPS)[:: -1 if reverse else 1]:
            if mask[row, at]:
                h = shown = np.tanh(x[row, at] @ w + h @ u + b)
            expected[row, at] = shown
        expected[row] += h
    np.testing.assert_allclose(traced.run(x, mask)[0], expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("reverse", [False, True])
def test_gradients_with_a_mask(reverse: bool) -> None:
    def network(x: Value, mask: Value) -> Value:
        return tanh_network(x, reverse, mask)

    traced = Traced(network, [(None, STEPS, FEATURES), (None, STEPS)], wrt=[0])
    mask = drawn_mask(7)
    traced.check_gradients(draw(7, STEPS, FEATURES), mask, points=200)
    gradient = traced.run(draw(7, STEPS, FEATURES), mask, draw(7, STEPS, UNITS))[1]
    assert not gradient[mask == 0.0].any()


@pytest.mark.parametrize("happens", [0.0, 1.0])
def test_a_mask_over_a_single_step(happens: float) -> None:
    traced = Traced(
        lambda x, mask: tanh_network(x, mask=mask), [(None, 1, FEATURES), (None, 1)], wrt=[0]
    )
    x, mask = draw(3, 1, FEATURES), np.full((3, 1), happens)
    traced.check_gradients(x, mask)
    assert traced.run(x, mask, draw(3, 1, UNITS))[0].any() == bool(happens)


def test_padding_changes_no_bit() -> None:
    """Longer by masked steps, whatever stands there."""
    short = Traced(lambda x: tanh_network(x)[:, -1], [(None, STEPS, FEATURES)])
    long = Traced(
        lambda x, mask: tanh_network(x, mask=mask)[:, -1],
        [(None, STEPS + 5, FEATURES), (None, STEPS + 5)],
    )
    x = draw(40, STEPS, FEATURES)
    padded = np.concatenate([x, draw(40, 5, FEATURES, seed=1)], axis=1)
    mask = np.repeat([[1.0] * STEPS + [0.0] * 5], 40, axis=0)
    np.testing.assert_array_equal(short.run(x)[0], long.run(padded, mask)[0])


def network(units: int = 32, sequences: bool = False, **settings: Any) -> Sequential:
    return Sequential(
        [Recurrent(units, sequences), layers.Dense(5, activation="softmax")],
        loss="sparse_categorical_crossentropy",
        random_state=0,
        **settings,
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch_size", [1, 13, 64])
def test_bits_do_not_depend_on_the_threads(batch_size: int, dtype: str) -> None:
    x = draw(130, 9, 17).astype(dtype)
    y = np.random.default_rng(1).integers(0, 5, 130)
    results = []
    for count in (1, 2, 3):
        with threads(count):
            net = network(48, dtype=dtype).fit(x, y, epochs=2, batch_size=batch_size)
            results.append([*net.get_weights(), net.predict(x)])
    for other in results[1:]:
        for left, right in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(left, right)


PROGRAM = """
import hashlib, sys
sys.path.insert(0, sys.argv[1])
from test_scan import digest
print(digest(sys.argv[2]))
"""


def digest(dtype: str) -> str:
    """Of what a training leaves."""
    x = draw(150, 9, 17).astype(dtype)
    net = network(48, dtype=dtype).fit(x, np.arange(150) % 5, epochs=2, batch_size=50)
    found = hashlib.sha256()
    for array in [*net.get_weights(), net.predict(x)]:
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bits_do_not_depend_on_the_instruction_set_or_compilation(dtype: str) -> None:
    settings = [{"GANGLION_COMPILE": "0"}]
    here = _core.kernel_isa()
    if here in ("avx2", "avx512"):
        others = {"avx2", "avx512"} & set(_core.available_isas()) - {here}
        settings += [{"GANGLION_ISA": isa} for isa in others]
    expected = digest(dtype)
    for setting in settings:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, os.path.dirname(__file__), dtype],
            env={**os.environ, **setting},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == expected, setting


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_run_agrees_with_the_reference_for_any_number_of_rows(dtype: str) -> None:
    traced = Traced(
        lambda x: Recurrent(40, sequences=True)(x), [(None, 7, 12)], wrt=[0], dtype=dtype
    )
    for rows in (1, 2, 33, 150, 33):
        inputs = [draw(rows, 7, 12), draw(rows, 7, 40, seed=1)]
        actual, expected = traced.run(*inputs), traced.refer(*inputs).values
        for got, wanted in zip(actual, expected, strict=True):
            assert_near(got, wanted, 20 * FORWARD[dtype])


def test_memory_is_proportional_to_the_steps() -> None:
    sizes = []
    for steps in (100, 200, 400):
        traced = Traced(Recurrent(16), [(None, steps, 4)], wrt=[0])
        traced.run(draw(8, steps, 4), draw(8, 16))
        sizes.append(traced.executable.arena_bytes)
    assert sizes[1] < 2.05 * sizes[0] and sizes[2] < 2.05 * sizes[1]


def test_a_listing_shows_the_body(capsys: pytest.CaptureFixture[str]) -> None:
    net = network(8)
    net.build((None, 7, 4))
    net.program("predict", 10)
    text = capsys.readouterr().out
    loop = next(i for i, line in enumerate(text.splitlines()) if "scan, 7 steps" in line)
    body = text.splitlines()[loop + 1 :]
    assert body[0].startswith("  recurrent") and "  matmul" in body[0]
    # Of seven steps: the product of ten rows of 8 with (8, 32), and what the gates are made of.
    flops = int(text.splitlines()[loop].split()[-2])
    assert flops >= 7 * 2 * 10 * 8 * 32
    inner = [line for line in body if line.startswith("  ")]
    assert sum(int(line.split()[-2]) for line in inner) == flops


def identity(carries: list[Value], slices: list[Value]) -> tuple[list[Value], list[Value]]:
    return carries, slices


def bad(
    step: Callable[..., Any], h: tuple[int | None, ...], x: tuple[int | None, ...], **more: Any
) -> None:
    trace = Trace(training=True, variables=Variables())
    with trace:
        if "mask" in more:
            more["mask"] = trace.input("mask", more["mask"])
        ops.scan(step, [trace.input("h", h)], [trace.input("x", x)], **more)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((identity, (3, 4), (None, 5, 4)), r"\[scan\] expected \(None, ...\), got \(3, 4\)"),
        ((identity, (None, 4), (None,)), r"\[scan\] expected \(None, steps, ...\), got \(None,\)"),
        ((identity, (None, 4), (5, 4)), r"\[scan\] expected \(None, steps, ...\), got \(5, 4\)"),
        ((lambda c, s: ([], s), (None, 4), (None, 5, 4)), r"must return 1 carries, got 0"),
        (
            (lambda c, s: ([c[0][:, :2]], s), (None, 4), (None, 5, 4)),
            r"\[scan\] a carry of shape \(None, 4\) becomes one of \(None, 2\)",
        ),
        (
            (lambda c, s: (c, [ops.constant(1.0)]), (None, 4), (None, 5, 4)),
            r"\[scan\] what a step computes needs the batch first, got \(\)",
        ),
        (
            (lambda c, s: (c, [s[0] - ops.sum(s[0], 0)]), (None, 4), (None, 5, 4)),
            r"\[scan\] a step cannot compute 'reduce_sum' over the batch",
        ),
        (
            (lambda c, s: (c, [ops.random_uniform((None, 2))]), (None, 4), (None, 5, 4)),
            r"\[scan\] a step cannot draw random numbers",
        ),
        ((lambda c, s: (c, [3.0, "x"]), (None, 4), (None, 5, 4)), r"expected values"),
    ],
)
def test_bad_steps(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        bad(*arguments)


def test_bad_masks_and_sequences() -> None:
    with pytest.raises(ValueError, match=r"\[scan\] a mask needs a shape \(None, steps\), got"):
        bad(identity, (None, 4), (None, 5, 4), mask=(None, 5, 1))
    with pytest.raises(ValueError, match=r"\[scan\] a sequence needs a shape \(None, 5"):
        bad(identity, (None, 4), (None, 5, 4), mask=(None, 6))
    trace = Trace(training=True, variables=Variables())
    with trace, pytest.raises(ValueError, match=r"\[scan\] needs at least one sequence"):
        ops.scan(identity, [trace.input("h", (None, 4))], [])


def test_a_value_of_a_step_must_not_leave_it() -> None:
    kept: list[Value] = []

    def step(carries: list[Value], slices: list[Value]) -> tuple[list[Value], list[Value]]:
        kept.append(slices[0] * 2.0)
        return carries, []

    trace = Trace(training=True, variables=Variables())
    with trace:
        ops.scan(step, [], [trace.input("x", (None, 5, 4))])
        with pytest.raises(ValueError, match="a step of a loop from outside"):
            ops.tanh(kept[0])
