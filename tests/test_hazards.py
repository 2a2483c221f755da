"""Operations that write what others read, and sizes at the edges of what the core takes."""

from __future__ import annotations

import numpy as np
import pytest

from ganglion import Sequential, _core, layers

PLAIN = {"transpose_a": 0, "transpose_b": 0}


def emit(builder: _core.Builder, kind: str, *inputs: int, **attributes: object) -> int:
    return builder.apply(kind, list(inputs), attributes)[0]


def number(builder: _core.Builder, value: float) -> int:
    return builder.constant(np.array(value))


@pytest.mark.parametrize("fuse", [False, True])
def test_a_product_is_done_before_its_operand_is_written(fuse: bool) -> None:
    n = 256  # several blocks
    builder = _core.Builder()
    w = builder.parameter("w", (n, n), 0)
    y = emit(builder, "multiply", emit(builder, "matmul", w, w, **PLAIN), number(builder, 0.01))
    emit(builder, "assign", w, y)
    builder.output("y", y)
    store = _core.Store(n * n, "float64")
    a = np.random.default_rng(0).normal(size=(n, n))
    store.array[:] = a.ravel()
    (result,) = _core.Executable(builder.finish(fuse), "float64", store, None).run([], 1)
    np.testing.assert_allclose(result, a @ a * 0.01, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(store.array, result.ravel())


@pytest.mark.parametrize("fuse", [False, True])
def test_slices_that_overlap_are_not_joined(fuse: bool) -> None:
    n = 5000  # several tiles
    builder = _core.Builder()
    early, late = builder.parameter("early", (n,), 0), builder.parameter("late", (n,), 16)
    y = emit(builder, "multiply", early, number(builder, 2.0))
    emit(builder, "assign", late, y)
    builder.output("y", y)
    store = _core.Store(n + 16, "float64")
    store.array[:] = np.arange(n + 16)
    (result,) = _core.Executable(builder.finish(fuse), "float64", store, None).run([], 1)
    np.testing.assert_array_equal(result, 2.0 * np.arange(n))
    np.testing.assert_array_equal(store.array[16:], 2.0 * np.arange(n))


@pytest.mark.parametrize("fuse", [False, True])
@pytest.mark.parametrize("rows", [1, 3, 40])
@pytest.mark.parametrize("columns", [1, 5, 40])
def test_a_value_is_not_written_over_while_a_slice_of_it_is_read(
    fuse: bool, rows: int, columns: int
) -> None:
    builder = _core.Builder()
    x = builder.input("x", (None, 4, columns))
    y = emit(builder, "softmax", x)  # nothing fuses with it
    first = emit(builder, "slice", y, axis=1, start=0, stop=1)
    builder.output("z", emit(builder, "subtract", y, first))
    x = np.random.default_rng(0).normal(size=(rows, 4, columns))
    (z,) = _core.Executable(builder.finish(fuse), "float64", None, None).run([x], rows)
    y = np.exp(x) / np.exp(x).sum(-1, keepdims=True)
    np.testing.assert_allclose(z, y - y[:, :1], atol=1e-12)


def test_padded_values_of_different_shapes_are_added() -> None:
    builder = _core.Builder()
    a, b = builder.input("a", (None, 3, 2)), builder.input("b", (None, 1, 2))
    left = emit(builder, "pad", a, axis=2, before=0, after=2)
    right = emit(builder, "pad", b, axis=2, before=2, after=0)
    builder.output("y", emit(builder, "add", left, right))
    a, b = np.ones((5, 3, 2)), np.full((5, 1, 2), 2.0)
    (y,) = _core.Executable(builder.finish(True), "float64", None, None).run([a, b], 5)
    np.testing.assert_array_equal(y, np.broadcast_to([1.0, 1.0, 2.0, 2.0], (5, 3, 4)))


def test_what_the_gradient_section_reads_is_not_written_after_it() -> None:
    builder = _core.Builder()
    x = builder.input("x", (None, 4))
    builder.section = "update"
    y = emit(builder, "exp", x)
    builder.section = "gradient"
    with pytest.raises(ValueError, match="behind the update section"):
        emit(builder, "tanh", y)


def test_more_dimensions_than_the_core_takes_are_an_error() -> None:
    builder = _core.Builder()
    with pytest.raises(ValueError, match="at most 16 dimensions"):
        builder.input("x", (2,) * 17)
    with pytest.raises(ValueError, match="2\\^48 elements"):
        builder.input("x", (2**32, 2**32))
    with pytest.raises(ValueError, match="at most 16 dimensions"):
        Sequential([layers.Input((2**17,)), layers.Reshape((2,) * 17)])


CONVOLVED = {"strides": [1, 1], "dilation": [1, 1], "padding": [0, 0, 0, 0], "groups": 1}
POOLED = {"window": [2, 2], "strides": [2, 2], "before": [0, 0], "after": [0, 0]}


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        ("convolution", CONVOLVED | {"dilation": [2**63 - 1, 2**62]}),
        ("convolution", CONVOLVED | {"dilation": [1, 2**62]}),
        ("convolution", CONVOLVED | {"padding": [2**62, 2**62, 0, 0]}),
        ("convolution", CONVOLVED | {"padding": [2**30, 2**30, 2**30, 2**30]}),
        ("convolution_input_gradient", CONVOLVED | {"size": [2**62, 2**62]}),
        ("convolution_weight_gradient", CONVOLVED | {"size": [2**62, 2**62]}),
        ("max_pool", POOLED | {"window": [2**62, 2], "before": [2**61, 0], "after": [2**61, 0]}),
        ("max_pool", POOLED | {"window": [2**13, 2**12], "after": [2**13 - 1, 2**12 - 1]}),
        ("window_spread", POOLED | {"size": [2**62, 2**62]}),
        ("pad", {"axis": 1, "before": 2**63 - 1, "after": 2**63 - 1}),
        ("resample", {"size": [2**32, 2**32], "fill_mode": 0, "interpolation": 1}),
    ],
    ids=lambda given: "-".join(map(str, given.values())) if isinstance(given, dict) else given,
)
def test_sizes_that_overflow_are_an_error(kind: str, attributes: dict[str, object]) -> None:
    builder = _core.Builder()
    inputs = [builder.input("x", (None, 9, 9, 2))]
    if kind == "convolution_weight_gradient":
        inputs.append(builder.input("y", (None, 9, 9, 2)))
    elif kind.startswith("convolution"):
        inputs.append(builder.parameter("weights", (3, 3, 2, 2), 0))
    elif kind == "resample":
        inputs.append(builder.input("matrix", (None, 6)))
    with pytest.raises(ValueError, match=rf"\[({kind}|Builder)\]"):
        builder.apply(kind, inputs, attributes)


def test_strides_longer_than_an_image_lead_to_its_first_window() -> None:
    x = np.random.default_rng(0).normal(size=(3, 5, 4, 2))
    results = []
    for strides in (2**62, 9):
        convolution = layers.Conv2D(3, 2, strides=strides)
        net = Sequential(
            [convolution, layers.Flatten(), layers.Dense(1)], loss="mse", random_state=0
        )
        results.append(net.fit(x, np.zeros(3), epochs=1).predict(x))
    np.testing.assert_array_equal(*results)


def test_buffers_that_do_not_fit_leave_an_executable_usable() -> None:
    builder = _core.Builder()
    builder.output("y", emit(builder, "square", builder.input("x", (None, 1000))))
    executable = _core.Executable(builder.finish(), "float32", None, None)
    executable.reserve(4)
    with pytest.raises(MemoryError):
        executable.reserve(2**36)
    with pytest.raises(ValueError, match="too large"):
        executable.reserve(2**60)
    (result,) = executable.run([np.full((9, 1000), 3.0)], 9)
    np.testing.assert_array_equal(result, np.full((9, 1000), 9.0))
    with pytest.raises(MemoryError):
        _core.Store(2**62, "float32")
    with pytest.raises(ValueError, match="offset"):
        _core.Builder().parameter("w", (4,), 2**63 - 2)


def test_many_small_products_of_one_batch() -> None:
    rows = 100_003
    builder = _core.Builder()
    x = builder.input("x", (None, 2, 2))
    builder.output("y", emit(builder, "matmul", x, x, **PLAIN))
    executable = _core.Executable(builder.finish(), "float64", None, None)
    a = np.random.default_rng(0).integers(-9, 9, size=(rows, 2, 2))
    np.testing.assert_array_equal(executable.run([a], rows)[0], a @ a)


def test_scalars_are_kept_while_a_trainer_runs() -> None:
    builder = _core.Builder()
    x, s = builder.input("x", (None, 64)), builder.scalar("s")
    total = emit(builder, "reduce_sum", emit(builder, "multiply", x, s), first=0, last=1)
    builder.output("loss", total)
    executable = _core.Executable(builder.finish(), "float64", None, None)
    X = np.broadcast_to(np.ones(64, np.uint8), (4_000_000, 64))
    trainer = _core.Trainer([_core.Turn([executable])], [X], 10)
    steps = len(X) // 10
    scalars = {"s": np.ones(steps)}

    def forget(steps_done: int, loss: float) -> None:
        scalars.clear()

    trainer.start_epoch(None, 0)
    assert trainer.run(steps, 0, 0, [scalars], False, forget) == (steps, True)
    assert trainer.sums[0]["loss"] == X.size * 10


def test_listing_of_a_layer_named_beyond_ascii() -> None:
    builder = _core.Builder()
    builder.label = "ä" * 30
    builder.output("y", emit(builder, "exp", builder.input("x", (None, 3))))
    header, row, total, *_ = builder.finish().listing(32).split("\n")
    assert len(header) == len(row) == len(total) and row.startswith("ä" * 23 + "… exp")


def test_negative_zero_is_a_constant_of_its_own() -> None:
    builder = _core.Builder()
    assert number(builder, 0.0) != number(builder, -0.0)
    assert number(builder, 1.0) == number(builder, 1.0)


def test_an_operation_without_a_known_gradient_says_so() -> None:
    builder = _core.Builder()
    w = builder.parameter("w", (16,), 0)
    packed = emit(builder, "pack", emit(builder, "square", w))
    with pytest.raises(ValueError, match="no gradient is known of the operation 'pack'"):
        builder.gradient(packed, [w])


@pytest.mark.parametrize("given", [1.5, "ab", [1.5], [2**70]], ids=str)
def test_attributes_that_are_no_integers_are_named(given: object) -> None:
    builder = _core.Builder()
    x = builder.input("x", (None, 2))
    with pytest.raises(TypeError, match=r"\[Builder\] shape must be an integer"):
        builder.apply("reshape", [x], {"shape": given, "batched": 0})
