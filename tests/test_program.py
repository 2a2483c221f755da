"""What a program promises: the same numbers fused and unfused, and a true description."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import reference
from fuzz import Random, Writer
from tolerances import assert_near

from ganglion import _core

Array = np.ndarray


def run_random(
    written: Random, rows: int, dtype: str, seed: int
) -> tuple[list[Array], Array, Array, reference.Result]:
    """Two runs in a row on one executable, and the same by the reference."""
    draw = np.random.default_rng(seed)
    stores = [_core.Store(max(size, 16), dtype) for size in (written.parameters, written.states)]
    for store in stores:
        store.array[:] = draw.normal(scale=0.5, size=store.array.size)
    parameters, states = (np.array(store.array, np.float64) for store in stores)
    inputs = [draw.normal(size=(rows, *shape[1:])).astype(dtype) for shape in written.inputs]
    executable = _core.Executable(written.program, dtype, *stores)
    description = written.program.describe()
    for step in (1, 2):
        scalars = {"rate": 0.25 * step} if "rate" in written.program.scalars else {}
        outputs = list(executable.run(inputs, rows, scalars, seed, step))
        expected = reference.run(
            description, inputs, rows=rows, parameters=parameters, states=states,
            scalars=scalars, seed=seed, step=step,
        )  # fmt: skip
        parameters, states = expected.parameters, expected.states
    return outputs, stores[0].array.copy(), stores[1].array.copy(), expected


@pytest.mark.parametrize("seed", range(150))
def test_random_programs_agree_fused_unfused_and_with_the_reference(seed: int) -> None:
    length = 5 + seed % 60
    rows = [1, 2, 5, 33, 64][seed % 5]
    fused, plain = (Writer(seed).write(length, fuse) for fuse in (True, False))
    left = run_random(fused, rows, "float64", seed)
    right = run_random(plain, rows, "float64", seed)
    names = [name for name, _ in fused.program.outputs]
    for name, a, b in zip(names, left[0], right[0], strict=True):
        np.testing.assert_array_equal(a, b, err_msg=f"{name}, fused against unfused")
    for part in (1, 2):
        np.testing.assert_array_equal(left[part], right[part], err_msg="buffers")
    for outputs, parameters, states, expected in (left, right):
        for name, got in zip(names, outputs, strict=True):
            assert_near(got, expected.outputs[name], 1e-10, name=name, absolute=1e-12)
        assert_near(parameters, expected.parameters, 1e-10)
        assert_near(states, expected.states, 1e-10)


@pytest.mark.parametrize("seed", range(0, 150, 10))
def test_a_random_program_gives_the_same_bits_for_any_reserve_and_batch(seed: int) -> None:
    written = Writer(seed).write(30, True)
    draw = np.random.default_rng(seed)
    inputs = [draw.normal(size=(8, *shape[1:])) for shape in written.inputs]
    scalars = {"rate": 0.5} if "rate" in written.program.scalars else {}
    results = []
    for reserve in (8, 100):
        stores = [_core.Store(max(n, 16), "float32") for n in (written.parameters, written.states)]
        for store in stores:
            store.array[:] = np.linspace(-1, 1, store.array.size)
        executable = _core.Executable(written.program, "float32", *stores)
        executable.reserve(reserve)
        if reserve == 100:  # another batch size in between leaves no trace but the assignments
            kept = [store.array.copy() for store in stores]
            executable.run([np.repeat(x, 5, axis=0) for x in inputs], 40, scalars)
            for store, before in zip(stores, kept, strict=True):
                store.array[:] = before
        results.append(executable.run(inputs, 8, scalars, 3, 4))
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("seed", range(100))
def test_a_random_program_gives_the_same_bits_on_any_number_of_threads(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANGLION_SHARE_ALL", "1")
    rows = [1, 2, 5, 33, 64, 700][seed % 6]
    written = Writer(seed).write(10 + seed % 60, seed % 7 > 0)
    draw = np.random.default_rng(seed)
    inputs = [draw.normal(size=(rows, *shape[1:])) for shape in written.inputs]
    scalars = {"rate": 0.5} if "rate" in written.program.scalars else {}
    before = _core.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 5):
            _core.set_num_threads(threads)
            sizes = (written.parameters, written.states)
            stores = [_core.Store(max(size, 16), "float32") for size in sizes]
            for store in stores:
                store.array[:] = np.linspace(-1, 1, store.array.size)
            executable = _core.Executable(written.program, "float32", *stores)
            for step in (1, 2, 3):
                outputs = executable.run(inputs, rows, scalars, seed, step)
            results.append([*outputs, *(store.array.copy() for store in stores)])
    finally:
        _core.set_num_threads(before)
    for alone, *shared in zip(*results, strict=True):
        for other in shared:
            np.testing.assert_array_equal(alone, other)


def test_what_lives_in_one_stage_takes_memory_for_a_few_samples_alone() -> None:
    builder = _core.Builder()
    x = builder.input("x", (None, 64))
    shares = apply(builder, "softmax", apply(builder, "tanh", x))
    builder.output("sum", apply(builder, "reduce_sum", shares, first=1, last=1))
    executable = _core.Executable(builder.finish(True), "float32", None, None)
    rows = 1 << 16
    executable.reserve(rows)
    stays = rows * (64 + 1) * 4
    assert stays <= executable.arena_bytes < 1.2 * stays


class Net:
    """One short program for a fusion test, written twice."""

    def __init__(self, emit: Callable[[Any], None]) -> None:
        self.programs = []
        for fuse in (True, False):
            builder = _core.Builder()
            emit(builder)
            self.programs.append(builder.finish(fuse))
        self.fused, self.plain = self.programs

    def operations(self) -> list[dict[str, Any]]:
        return list(self.fused.describe()["operations"])

    def kinds(self) -> list[str]:
        return [operation["kind"] for operation in self.operations()]

    def check_agreement(self, inputs: list[Array], size: int = 4096, **options: Any) -> None:
        rows = len(inputs[0])
        results = []
        for program in self.programs:
            stores = [_core.Store(size, "float32") for _ in range(2)]
            for store in stores:
                store.array[:] = np.sin(np.arange(size))
            executable = _core.Executable(program, "float32", *stores)
            outputs = list(executable.run(inputs, rows, **options))
            results.append([*outputs, *(store.array.copy() for store in stores)])
        for fused, plain in zip(*results, strict=True):
            np.testing.assert_array_equal(fused, plain)


def apply(builder: Any, kind: str, *inputs: int, **attributes: Any) -> int:
    return int(builder.apply(kind, list(inputs), attributes)[0])


def product(builder: Any, x: int, w: int) -> int:
    return apply(builder, "matmul", x, w, transpose_a=0, transpose_b=0)


def test_a_chain_of_elementwise_operations_becomes_one_expression() -> None:
    def emit(builder: Any) -> None:
        x = builder.input("x", (None, 20))
        scale = builder.parameter("scale", (20,), 0)
        y = apply(builder, "tanh", apply(builder, "multiply", x, scale))
        builder.output("y", apply(builder, "add", y, apply(builder, "sigmoid", y)))

    net = Net(emit)
    assert net.kinds() == ["expression"]
    opcodes = [step[0] for step in net.operations()[0]["expression"]["instructions"]]
    assert sorted(opcodes) == ["add", "multiply", "sigmoid", "tanh"]
    assert len(net.plain.describe()["operations"]) == 4
    net.check_agreement([np.random.default_rng(0).normal(size=(7, 20))])


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", "softplus"])
def test_bias_and_activation_join_the_product(activation: str) -> None:
    def emit(builder: Any) -> None:
        x = builder.input("x", (None, 20))
        w, b = builder.parameter("w", (20, 33), 0), builder.parameter("b", (33,), 672)
        y = apply(builder, "add", product(builder, x, w), b)
        builder.output("y", apply(builder, activation, y))

    net = Net(emit)
    assert net.kinds() == ["matmul"]
    expression = net.operations()[0]["expression"]
    assert [step[0] for step in expression["instructions"]] == ["add", activation]
    net.check_agreement([np.random.default_rng(0).normal(size=(7, 20))])


def test_what_follows_pooling_is_a_part_of_it() -> None:
    windows = {"window": [2, 2], "strides": [2, 2], "before": [0, 0], "after": [0, 0]}

    def emit(builder: Any) -> None:
        x = builder.input("x", (None, 8, 8, 5))
        largest = apply(builder, "max_pool", apply(builder, "relu", x), **windows)
        mean = apply(builder, "window_sum", largest, **windows)
        y = apply(
            builder, "tanh", apply(builder, "multiply", mean, builder.constant(np.array(0.25)))
        )
        builder.output("y", y)
        builder.output("d_x", builder.gradient(y, [x], y)[0])

    net = Net(emit)
    assert net.kinds() == [
        *("expression", "max_pool", "window_sum", "expression"),
        *("window_spread", "max_pool_gradient"),
    ]
    net.check_agreement([np.random.default_rng(0).normal(size=(7, 8, 8, 5))])


def test_an_epilogue_can_store_the_product_too() -> None:
    def emit(builder: Any) -> None:
        x = builder.input("x", (None, 20))
        y = product(builder, x, builder.parameter("w", (20, 33), 0))
        builder.output("y", y)
        builder.output("activated", apply(builder, "tanh", y))

    net = Net(emit)
    net.check_agreement([np.random.default_rng(0).normal(size=(7, 20))])


def test_two_products_and_their_sum_stay_right() -> None:
    """A sum of two products can join only one of them."""

    def emit(builder: Any) -> None:
        x, z = builder.input("x", (None, 20)), builder.input("z", (None, 9))
        left = product(builder, x, builder.parameter("w", (20, 33), 0))
        right = product(builder, z, builder.parameter("v", (9, 33), 672))
        builder.output("y", apply(builder, "relu", apply(builder, "add", left, right)))

    draw = np.random.default_rng(0)
    net = Net(emit)
    assert len(net.kinds()) == 2
    net.check_agreement([draw.normal(size=(7, 20)), draw.normal(size=(7, 9))])


def test_an_optimizer_update_is_one_pass_over_memory() -> None:
    """Momentum: two assignments over the flat vector in one expression."""

    def emit(builder: Any) -> None:
        theta, gradient = (
            builder.parameter("theta", (1000,), 0),
            builder.state("gradient", (1000,), 0),
        )
        velocity, rate = builder.state("velocity", (1000,), 1008), builder.scalar("rate")
        builder.section = "update"
        decayed = apply(builder, "multiply", velocity, builder.constant(np.array(0.9)))
        new = apply(builder, "subtract", decayed, apply(builder, "multiply", gradient, rate))
        apply(builder, "assign", velocity, new)
        apply(builder, "assign", theta, apply(builder, "add", theta, new))

    net = Net(emit)
    assert net.kinds() == ["expression"]
    assert len(net.operations()[0]["outputs"]) == 2
    for program in net.programs:
        stores = [_core.Store(2048, "float64") for _ in range(2)]
        for store in stores:
            store.array[:] = np.sin(np.arange(2048))
        theta, gradient = stores[0].array[:1000].copy(), stores[1].array[:1000].copy()
        velocity = 0.9 * stores[1].array[1008:2008] - 0.1 * gradient
        _core.Executable(program, "float64", *stores).run([], 1, {"rate": 0.1})
        assert_near(stores[1].array[1008:2008], velocity, 1e-15)
        assert_near(stores[0].array[:1000], theta + velocity, 1e-15)


def test_a_read_before_an_assignment_keeps_the_old_value() -> None:
    def emit(builder: Any) -> None:
        x = builder.input("x", (None, 16))
        w = builder.parameter("w", (16,), 0)
        old = apply(builder, "tanh", w)
        view = builder.apply("reshape", [w], {"shape": [4, 4], "batched": 0})[0]
        flat = apply(builder, "reduce_sum", view, first=0, last=1)
        apply(builder, "assign", w, apply(builder, "add", old, apply(builder, "square", w)))
        builder.output("old", apply(builder, "multiply", x, old))
        builder.output("new", apply(builder, "multiply", x, w))
        builder.output("sum", flat)

    net = Net(emit)
    net.check_agreement([np.ones((3, 16))])
    store = _core.Store(16, "float64")
    store.array[:] = start = np.linspace(-1, 1, 16)
    old, new, total = _core.Executable(net.fused, "float64", store, None).run([np.ones((1, 16))], 1)
    assert_near(old[0], np.tanh(start), 1e-15)
    assert_near(new[0], np.tanh(start) + start**2, 1e-15)
    assert_near(total, start.sum(), 1e-15, absolute=1e-15)


def test_equal_operations_are_emitted_once() -> None:
    builder = _core.Builder()
    x = builder.input("x", (None, 3))
    assert builder.apply("exp", [x], {}) == builder.apply("exp", [x], {})
    one = builder.constant(np.array(1.0))
    assert builder.apply("multiply", [x, one], {}) == [x]
    assert builder.apply("add", [x, builder.constant(np.array(0.0))], {}) == [x]


def test_dead_operations_are_dropped() -> None:
    builder = _core.Builder()
    x = builder.input("x", (None, 3))
    builder.apply("exp", [x], {})
    builder.output("y", builder.apply("square", [x], {})[0])
    for fuse in (True, False):
        kinds = [operation["kind"] for operation in builder.finish(fuse).describe()["operations"]]
        assert len(kinds) == 1 and "exp" not in kinds


def test_the_update_section_can_be_left_out() -> None:
    builder = _core.Builder()
    w = builder.parameter("w", (16,), 0)
    builder.output("y", apply(builder, "square", w))
    builder.section = "update"
    apply(builder, "assign", w, apply(builder, "add", w, builder.constant(np.array(1.0))))
    program = builder.finish()
    sections = {operation["section"] for operation in program.describe()["operations"]}
    assert sections == {"gradient", "update"}
    store = _core.Store(16, "float32")
    executable = _core.Executable(program, "float32", store, None)
    executable.run([], 1, update=False)
    np.testing.assert_array_equal(store.array, np.zeros(16))
    executable.run([], 1)
    np.testing.assert_array_equal(store.array, np.ones(16))


def test_labels_and_shapes_are_described() -> None:
    builder = _core.Builder()
    x = builder.input("x", (None, 3))
    builder.label = "first"
    y = builder.apply("exp", [x], {})[0]
    assert tuple(builder.shape(y)) == (None, 3)
    assert builder.producer(x) is None
    kind, inputs, _ = builder.producer(y)
    assert (kind, list(inputs)) == ("exp", [x])
    builder.output("y", y)
    description = builder.finish().describe()
    assert description["operations"][0]["label"] == "first"
    value = description["values"][description["inputs"][0]]
    assert (value["shape"], value["batched"]) == ([1, 3], True)


def test_listing_flops_and_bytes() -> None:
    builder = _core.Builder()
    x, w = builder.input("x", (None, 20)), builder.parameter("w", (20, 30), 0)
    builder.label = "dense"
    builder.output("y", product(builder, x, w))
    program = builder.finish()
    assert program.flops(32) == 2 * 32 * 20 * 30
    assert program.bytes(32, 4) == 4 * (32 * 20 + 20 * 30 + 32 * 30)
    text = program.listing(32)
    assert "matmul" in text and "dense" in text and "30)" in text


WRONG: list[tuple[str, str, list[tuple[int | None, ...]], dict[str, Any]]] = [
    ("unknown kind", "no_such_kind", [(None, 3)], {}),
    ("arity", "add", [(None, 3)], {}),
    ("broadcast", "add", [(None, 3), (4,)], {}),
    ("inner sizes", "matmul", [(None, 3), (4, 5)], {"transpose_a": 0, "transpose_b": 0}),
    ("no matrix", "matmul", [(None,), (4, 5)], {"transpose_a": 0, "transpose_b": 0}),
    ("axes", "reduce_sum", [(None, 3)], {"first": 0, "last": 2}),
    ("missing attribute", "reduce_sum", [(None, 3)], {"first": 0}),
    ("reshape", "reshape", [(None, 6)], {"shape": [1, 4], "batched": 1}),
    ("batch moved", "transpose", [(None, 3)], {"permutation": [1, 0]}),
    ("permutation", "transpose", [(3, 4)], {"permutation": [0, 0]}),
    ("slice", "slice", [(None, 3)], {"axis": 1, "start": 2, "stop": 5}),
    ("slice the batch", "slice", [(None, 3)], {"axis": 0, "start": 0, "stop": 1}),
    ("pad", "pad", [(None, 3)], {"axis": 1, "before": -1, "after": 0}),
    ("concat", "concat", [(None, 3, 2), (None, 4, 3)], {"axis": 1}),
    ("softmax of nothing", "softmax", [(None,)], {}),
    ("target shape", "crossentropy", [(None, 3), (None, 4)], {}),
    ("assign to an input", "assign", [(None, 3), (None, 3)], {}),
    ("pack a batch", "pack", [(None, 3)], {}),
]


@pytest.mark.parametrize(
    ("kind", "shapes", "attributes"), [pytest.param(*w[1:], id=w[0]) for w in WRONG]
)
def test_what_does_not_fit_is_an_error_that_names_the_place(
    kind: str, shapes: list[tuple[int | None, ...]], attributes: dict[str, Any]
) -> None:
    builder = _core.Builder()
    values = [
        builder.input(f"x{i}", shape) if shape[0] is None else builder.parameter(f"x{i}", shape, 0)
        for i, shape in enumerate(shapes)
    ]
    with pytest.raises(ValueError, match=r"^\[\w+\] "):
        builder.apply(kind, values, attributes)
