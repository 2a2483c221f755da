"""Random graphs: forward and gradients as the reference, fused as unfused, on any threads, kept."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference

from ganglion import Model, _core, compile, layers, ops
from ganglion.compile import Recipe
from ganglion.value import Value

Array = np.ndarray
ACTIVATIONS = (None, "relu", "tanh", "gelu")
MERGES = (
    *(layers.Add, layers.Subtract, layers.Multiply, layers.Average),
    *(layers.Maximum, layers.Minimum, layers.Concatenate),
)
NEAR = {"rtol": 1e-8, "atol": 1e-9}


class Drawing:
    """A graph that a seed draws, of one to three inputs and outputs."""

    def __init__(self, seed: int) -> None:
        self.draw = np.random.default_rng(seed)
        inputs = [layers.Input((self.count(1, 7),)) for _ in range(self.count(1, 3))]
        self.nodes: list[Any] = [1.0 * node for node in inputs]
        self.shared = layers.Dense(5, activation="tanh")
        self.shared_input = layers.Dense(6)
        kinds = [self.dense, self.dense, self.merge, self.merge, self.operation, self.share]
        for _ in range(self.count(3, 12)):
            self.nodes.append(kinds[self.count(0, len(kinds) - 1)]())
        # All inputs are needed.
        joined = layers.Concatenate()(self.nodes[: len(inputs)] + [self.nodes[-1]])
        outputs = [layers.Dense(self.count(1, 3))(joined)]
        outputs += [self.pick() for _ in range(self.count(0, 2))]
        self.inputs, self.outputs = inputs, outputs

    def count(self, least: int, most: int) -> int:
        return int(self.draw.integers(least, most + 1))

    def pick(self) -> Any:
        return self.nodes[self.count(0, len(self.nodes) - 1)]

    def dense(self) -> Value:
        activation = ACTIVATIONS[self.count(0, len(ACTIVATIONS) - 1)]
        return layers.Dense(self.count(1, 9), activation=activation)(self.pick())

    def share(self) -> Value:
        """A layer that is in several places, with one set of weights."""
        x = self.pick()
        if x.shape[-1] != 6:
            x = layers.Dense(6)(x)
        return self.shared(self.shared_input(x) if self.draw.random() < 0.3 else x)

    def alike(self, x: Value) -> list[Value]:
        return [node for node in self.nodes if node.shape == x.shape]

    def merge(self) -> Value:
        kind = MERGES[self.count(0, len(MERGES) - 1)]
        first = self.pick()
        others = self.nodes if kind is layers.Concatenate else self.alike(first)
        most = 1 if kind is layers.Subtract else self.count(1, 3)
        return kind()([first, *(others[self.count(0, len(others) - 1)] for _ in range(most))])

    def operation(self) -> Value:
        x = self.pick()
        others = self.alike(x)
        y = others[self.count(0, len(others) - 1)]
        kinds = [
            lambda: ops.tanh(x) - 0.5,
            lambda: ops.softmax(x * 2.0),
            lambda: x * ops.sigmoid(y),
            lambda: ops.where(x > 0.1, x, y) + np.linspace(0.0, 1.0, x.shape[-1]),
            lambda: x - ops.mean(x, axis=-1, keepdims=True),
            lambda: x[:, : 1 + x.shape[-1] // 2],
            lambda: layers.Dot(1)([x, y]),
        ]
        return kinds[self.count(0, len(kinds) - 1)]()

    def model(self, **settings: Any) -> Model:
        net = Model(self.inputs, self.outputs, random_state=0, dtype="float64", **settings)
        draw = np.random.default_rng(1)
        net.set_weights([w + 0.2 * draw.uniform(0.1, 1.0, w.shape) for w in net.get_weights()])
        return net


@contextmanager
def threads(count: int) -> Iterator[None]:
    before = _core.get_num_threads()
    _core.set_num_threads(count)
    try:
        yield
    finally:
        _core.set_num_threads(before)


def backward(recipe: Recipe, fuse: bool, monkeypatch: pytest.MonkeyPatch) -> _core.Program:
    """The program from inputs and gradients of the outputs to those of inputs and weights."""
    finish = compile.Trace.finish
    with monkeypatch.context() as patched:
        patched.setattr(compile.Trace, "finish", lambda trace: finish(trace, fuse))
        return compile.backward_program(recipe, training=False)


@pytest.mark.parametrize("seed", range(16))
def test_a_random_graph_is_the_same_however_it_runs(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANGLION_SHARE_ALL", "1")
    net = Drawing(seed).model()
    built = net.current("test")
    draw = np.random.default_rng(seed)
    rows = int(draw.choice([1, 2, 5, 17]))
    given = [draw.normal(size=(rows, *shape[1:])) for shape in built.recipe.input_shapes]
    seeds = [draw.normal(size=(rows, *shape[1:])) for shape in built.output_shapes]
    fused, plain = (backward(built.recipe, fuse, monkeypatch) for fuse in (True, False))
    parameters = built.parameters.array
    wanted = reference.run(
        plain.describe(), [*given, *seeds], rows=rows, parameters=parameters, dtype="float64"
    ).values

    def run(program: _core.Program, count: int) -> list[Array]:
        executable = _core.Executable(program, "float64", built.parameters, None)
        with threads(count):
            return list(executable.run([*given, *seeds], rows, {}, 0, 0))

    alone, together, unfused = run(fused, 1), run(fused, 3), run(plain, 1)
    for one, three, other, judged in zip(alone, together, unfused, wanted, strict=True):
        np.testing.assert_array_equal(one, three)
        np.testing.assert_array_equal(one, other)
        np.testing.assert_allclose(other, judged, **NEAR)
    forward = reference.run(
        compile.predict_trace(built.recipe).finish(False).describe(),
        given,
        rows=rows,
        parameters=parameters,
        dtype="float64",
    ).values
    for one, judged in zip(predicted(net, given), forward, strict=True):
        np.testing.assert_allclose(one, judged, **NEAR)


def predicted(net: Model, given: list[Array]) -> list[Array]:
    found = net.predict(given if len(given) > 1 else given[0])
    return found if isinstance(found, list) else [found]


@pytest.mark.parametrize("seed", range(16, 24))
def test_a_random_graph_is_kept_with_its_training(seed: int, tmp_path: Path) -> None:
    net = Drawing(seed).model(loss="mse", optimizer="adam")
    draw = np.random.default_rng(seed)
    given = [
        draw.normal(size=(11, *shape[1:])) for shape in net.current("test").recipe.input_shapes
    ]
    wanted = [draw.normal(size=(11, *shape[1:])) for shape in net.current("test").output_shapes]
    ends = given if len(given) > 1 else given[0], wanted if len(wanted) > 1 else wanted[0]
    net.fit(*ends, epochs=1, batch_size=4, verbose=0)
    net.save(tmp_path / "net", training_state=True)
    others = [Model.load(tmp_path / "net"), pickle.loads(pickle.dumps(net))]
    for other in others:
        assert other.weight_names == net.weight_names
        for ours, theirs in zip(predicted(net, given), predicted(other, given), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    with threads(1):
        net.fit(*ends, epochs=1, batch_size=4, verbose=0)
    for other in others:
        with threads(3):
            other.fit(*ends, epochs=1, batch_size=4, verbose=0)
        for ours, theirs in zip(net.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)
