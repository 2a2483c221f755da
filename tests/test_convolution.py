"""Convolutions beyond single cases: fusion, threads, instruction sets, memory, wrong input."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import convolution_cases
import numpy as np
import pytest
from programs import Case, write
from tolerances import FORWARD, assert_near

from ganglion import Sequential, _core, layers, ops

GRID = [pytest.param(geometry, id=str(geometry)) for geometry in convolution_cases.GRID[1:]]
RNG = np.random.default_rng(0)


def with_epilogue(case: Case) -> Case:
    """The product, a bias along its last axis and tanh, and the product itself as well."""

    def emit(builder: Any, ids: list[int]) -> list[int]:
        product = case.emit(builder, ids)[0]
        bias = builder.constant(np.linspace(-1, 1, builder.shape(product)[-1]))
        moved = builder.apply("add", [product, bias], {})[0]
        return [builder.apply("tanh", [moved], {})[0], product]

    return Case(f"{case.name}-tanh", emit, case.operands, case.rows)


@pytest.mark.parametrize("kind", convolution_cases.KINDS)
@pytest.mark.parametrize("geometry", GRID)
def test_bias_and_activation_join_the_product(kind: str, geometry: Any) -> None:
    case = with_epilogue(convolution_cases.convolution_case(kind, geometry))
    fused, plain = write(case), write(case, fuse=False)
    kinds = [operation["kind"] for operation in fused.program.describe()["operations"]]
    assert kinds == [kind]
    arrays = [operand.draw(RNG, 5).astype("float32") for operand in case.operands]
    results = fused.run(arrays, 5, "float32"), plain.run(arrays, 5, "float32")
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", convolution_cases.KINDS)
@pytest.mark.parametrize("geometry", GRID)
def test_threads_and_batches_do_not_change_bits(kind: str, geometry: Any) -> None:
    """A batch that threads share out in ranges, beside one thread; samples beside each alone."""
    case = convolution_cases.convolution_case(kind, geometry)
    rows = 70 if case.operands[0].batched else 1
    written = write(case)
    arrays = [operand.draw(RNG, rows).astype("float32") for operand in case.operands]
    before, results = _core.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            _core.set_num_threads(threads)
            results.append(written.run(arrays, rows, "float32")[0])
    finally:
        _core.set_num_threads(before)
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)
    if kind != "convolution_weight_gradient" and rows > 1:
        alone = [arrays[0][7:8], arrays[1]]
        np.testing.assert_array_equal(results[0][7:8], written.run(alone, 1, "float32")[0])


LARGE = [
    ((None, 9, 9, 96), (3, 3, 130), (1, 1), (1, 1, 1, 1), (1, 1), 1),  # many weights
    ((None, 3, 90, 20), (3, 5, 40), (1, 1), (1, 1, 2, 2), (1, 1), 1),  # long rows
    ((None, 40, 40, 3), (5, 5, 9), (2, 2), (2, 2, 2, 2), (1, 1), 1),  # many bands
    ((None, 70, 61, 1), (5, 5, 7), (1, 1), (2, 2, 2, 2), (1, 1), 1),  # pairs, many bands
    ((None, 20, 20, 40), (3, 3, 80), (1, 1), (1, 1, 1, 1), (1, 1), 40),  # two filters a channel
    ((None, 12, 12, 5), (9, 9, 5), (1, 1), (4, 4, 4, 4), (1, 1), 5),  # too large for depthwise
    ((None, 14, 14, 32), (3, 3, 64), (2, 1), (0, 1, 1, 1), (1, 2), 2),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", convolution_cases.KINDS)
@pytest.mark.parametrize("geometry", LARGE, ids=str)
def test_sizes_that_are_cut(kind: str, geometry: Any, dtype: str) -> None:
    case = convolution_cases.convolution_case(kind, geometry)
    written = write(case)
    arrays = [operand.draw(RNG, 33).astype(dtype) for operand in case.operands]
    expected = written.refer(arrays, 33)[0]
    assert_near(written.run(arrays, 33, dtype)[0], expected, 10 * FORWARD[dtype])


PROGRAM = """
import hashlib
import numpy as np
from ganglion import Sequential, layers

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(150, 13, 11, 1)), rng.integers(0, 3, 150)
net = Sequential(
    [
        layers.Conv2D(5, 3, padding="same", activation="tanh"),
        layers.Conv2D(32, 3, strides=2, activation="relu"),
        layers.DepthwiseConv2D(3, padding="same", dilation_rate=2),
        layers.Conv2D(16, 2, groups=4, activation="relu"),
        layers.Conv2DTranspose(7, 3, strides=2, padding="same"),
        layers.Flatten(),
        layers.Dense(3, activation="softmax"),
    ],
    loss="sparse_categorical_crossentropy",
    optimizer="adam",
    random_state=0,
).fit(X, Y, epochs=2, batch_size=64)
digest = hashlib.sha256()
for array in [*net.get_weights(), net.predict(X)]:
    digest.update(np.ascontiguousarray(array).tobytes())
print(digest.hexdigest())
"""


def trained_bits(**environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_bits_of_a_training() -> None:
    """Whatever the threads and the instruction set."""
    isas = {"avx2", "avx512"} & set(_core.available_isas())
    ways = [{"GANGLION_NUM_THREADS": "1"}, {"GANGLION_NUM_THREADS": "3"}]
    ways += [{"GANGLION_ISA": isa} for isa in isas]
    assert len({trained_bits(**way) for way in ways}) == 1


def test_no_product_is_written_out_before_it_is_summed() -> None:
    """The memory of a step is its values, not nine times as many."""
    network = [
        layers.Conv2D(32, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(10, activation="softmax"),
    ]
    net = Sequential(network, loss="sparse_categorical_crossentropy", random_state=0)
    X, y = np.zeros((64, 28, 28, 1), np.float32), np.zeros(64, int)
    net.fit(X, y, batch_size=64, verbose=0)
    executables = net._built._executables.values()
    assert max(executable.arena_bytes for executable in executables) < 60e6


def test_the_memory_of_a_step_counts_the_sums_of_a_weight_gradient() -> None:
    """Sixteen parts of the batch are summed at once."""
    builder = _core.Builder()
    x, y = builder.input("x", (None, 9, 9, 32)), builder.input("y", (None, 9, 9, 64))
    settings = {
        "strides": [1, 1],
        "dilation": [1, 1],
        "padding": [1] * 4,
        "groups": 1,
        "size": [3, 3],
    }
    builder.output("d_w", builder.apply("convolution_weight_gradient", [x, y], settings)[0])
    executable = _core.Executable(builder.finish(True), "float32", None, None)
    executable.reserve(64)
    weights = 3 * 3 * 32 * 64
    assert executable.arena_bytes >= 4 * (64 * 9 * 9 * (32 + 64) + weights + 16 * weights)


def shape_of(layer: Any, *shape: int) -> Any:
    return ops.evaluate(layer, np.zeros((2, *shape))).shape


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (
            layers.Conv2D(4, 5),
            (4, 9, 1),
            r"\[Conv2D\] kernel_size 5 is larger than the input of 4 x 9; with padding='same'",
        ),
        (
            layers.Conv2D(4, 3, dilation_rate=2),
            (4, 9, 1),
            r"kernel_size 3 with dilation_rate 2 is larger than the input of 4 x 9",
        ),
        (layers.Conv2D(4, 3), (3, 32, 32), r"\[Conv2D\] .*looks like channels first"),
        (layers.Conv2D(4, 3), (1, 28, 28), r"\[Conv2D\] .*looks like channels first"),
        (layers.Conv2D(4, 3), (28, 28), r"\[Conv2D\] needs .*Reshape\(\(28, 28, 1\)\)"),
        (layers.Conv1D(4, 3), (28, 28, 1), r"\[Conv1D\] needs an input of shape .*steps"),
        (
            layers.Conv2D(4, 3, groups=2),
            (8, 8, 3),
            r"\[Conv2D\] groups must divide the 3 channels of \(None, 8, 8, 3\), got 2",
        ),
        (layers.DepthwiseConv2D(7), (6, 6, 2), r"\[DepthwiseConv2D\] kernel_size 7 is larger"),
        (layers.SeparableConv2D(2, 7), (6, 6, 2), r"\[SeparableConv2D\] kernel_size 7 is larger"),
        (layers.Conv2DTranspose(2, 3), (6, 6), r"\[Conv2DTranspose\] needs an input"),
    ],
    ids=lambda value: repr(value) if isinstance(value, layers.Layer) else None,
)
def test_inputs_that_do_not_fit(layer: Any, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        shape_of(layer, *shape)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.Conv2D(0, 3), r"\[Conv2D\] filters must be a positive integer, got 0"),
        (lambda: layers.Conv2D(4, 3, padding="sane"), r"padding 'sane'; did you mean 'same'\?"),
        (lambda: layers.Conv2D(4, 3, padding="causal"), r"\[Conv2D\] unknown padding 'causal'"),
        (lambda: layers.Conv2D(4, (3, 3, 3)), r"kernel_size must be .* tuple of 2"),
        (lambda: layers.Conv2D(4, 3, strides=0), r"strides must be a positive integer"),
        (lambda: layers.Conv2D(5, 3, groups=2), r"groups must divide the 5 filters, got 2"),
        (
            lambda: layers.Conv2DTranspose(4, 3, strides=2, output_padding=2),
            r"output_padding must be .* smaller than the strides 2, got 2",
        ),
        (lambda: layers.DepthwiseConv2D(3, depth_multiplier=0), r"depth_multiplier must be"),
    ],
)
def test_settings_out_of_range(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_strides_and_dilation_go_together() -> None:
    assert shape_of(layers.Conv2D(2, 3, strides=2, dilation_rate=2), 11, 9, 1) == (2, 4, 3, 2)


@pytest.mark.parametrize(
    ("kind", "shapes", "changed"),
    [
        ("convolution", [(None, 5, 5, 2), (3, 3, 3, 4)], {}),
        ("convolution", [(None, 5, 2), (3, 3, 2, 4)], {}),
        ("convolution", [(None, 2, 5, 2), (3, 3, 2, 4)], {}),
        ("convolution", [(None, 5, 5, 2), (3, 3, 2, 4)], {"strides": [0, 1]}),
        ("convolution", [(None, 5, 5, 2), (3, 3, 2, 4)], {"padding": [0, 0, -1, 0]}),
        ("convolution", [(None, 5, 5, 2), (3, 3, 1, 3)], {"groups": 2}),
        ("convolution_input_gradient", [(None, 3, 3, 4), (3, 3, 2, 4)], {"size": [6, 5]}),
        ("convolution_weight_gradient", [(None, 5, 5, 2), (None, 3, 3, 4)], {"size": [2, 3]}),
    ],
)
def test_operands_that_do_not_fit(kind: str, shapes: Any, changed: dict[str, Any]) -> None:
    attributes = {"strides": [1, 1], "padding": [0] * 4, "dilation": [1, 1], "groups": 1}
    builder = _core.Builder()
    values = [
        builder.input(f"x{i}", shape) if shape[0] is None else builder.parameter(f"x{i}", shape, 0)
        for i, shape in enumerate(shapes)
    ]
    with pytest.raises(ValueError, match=rf"^\[{kind}\] "):
        builder.apply(kind, values, {**attributes, **changed})
