"""Optimizers: each step against its formula, with every option, and against the reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import reference
from optimizer_formulas import OPTIMIZERS, Descent
from registry import classes, examples, names
from tolerances import TRAINING, assert_near

from ganglion import Sequential, _core, layers, ops, optimizers, schedules
from ganglion.initializers import Zeros
from ganglion.tracing import Trace
from ganglion.variables import Variables

Array = np.ndarray
SHAPES = [(5, 3), (3,), (4, 17)]
STEPS = 12


class Harness:
    """An update program whose gradients are given from outside: one row of each input.

    Each weight learns `multipliers` times as fast, from update number `first_update` on.
    """

    def __init__(
        self,
        optimizer: Any,
        dtype: str,
        *,
        fuse: bool = True,
        multipliers: Sequence[float] = (1.0, 1.0, 1.0),
        first_update: int = 0,
    ) -> None:
        self.optimizer, self.dtype = optimizer, dtype
        self.variables = Variables()
        for i, (shape, multiplier) in enumerate(zip(SHAPES, multipliers, strict=True)):
            weight = self.variables.get_or_add(
                f"w{i}", shape, Zeros(), learning_rate_multiplier=multiplier
            )
            weight.first_update = first_update
        self.variables.lay_out()
        trace = Trace(training=True, variables=self.variables)
        with trace:
            weights = [trace.add_weight(v.name, v.shape, Zeros()) for v in self.variables]
            inputs = [trace.input(f"g{i}", (None, *shape)) for i, shape in enumerate(SHAPES)]
            loss = sum(
                (ops.sum(w * g) for w, g in zip(weights, inputs, strict=True)), ops.constant(0.0)
            )
            self.slots = optimizer.apply(trace, self.variables, trace.gradient(loss, weights))
        self.program = trace.finish(fuse)
        self.parameters = _core.Store(self.variables.size, dtype)
        self.states = _core.Store(max(self.slots.size, 16), dtype)
        self.slots.fill(self.states.array[: self.slots.size])
        self.executable = _core.Executable(self.program, dtype, self.parameters, self.states)

    def set(self, weights: list[Array]) -> None:
        for variable, weight in zip(self.variables, weights, strict=True):
            self.parameters.array[variable.span] = weight.ravel()

    def get(self, buffer: Array) -> list[Array]:
        return [buffer[variable.span].reshape(variable.shape) for variable in self.variables]

    def scalars(self, step: int) -> dict[str, float]:
        given = self.optimizer.scalars([step])
        return {name: float(given[name][0]) for name in self.program.scalars}

    def step(self, gradients: list[Array], number: int) -> None:
        every = self.optimizer.batches_per_update
        self.executable.run(
            [g[None] for g in gradients], 1, self.scalars(number), 0, number,
            update=(number + 1) % every == 0,
        )  # fmt: skip


def start(seed: int = 0) -> list[Array]:
    draw = np.random.default_rng(seed)
    return [draw.normal(size=shape) for shape in SHAPES]


def gradients(step: int) -> list[Array]:
    """Some small, some large, some exactly zero."""
    draw = np.random.default_rng(100 + step)
    arrays = [draw.normal(size=shape) * 10.0 ** draw.integers(-3, 2) for shape in SHAPES]
    arrays[0][0] = 0.0
    return arrays


def check_against_formula(optimizer: Any, dtype: str, steps: int = STEPS) -> None:
    harness = Harness(optimizer, dtype)
    weights = [w.astype(dtype).astype(float) for w in start()]
    harness.set(weights)
    descent = Descent(optimizer, weights)
    for step in range(steps):
        given = [g.astype(dtype).astype(float) for g in gradients(step)]
        harness.step(given, step)
        descent.step(given, float(optimizer.scalars([step])["learning_rate"][0]))
    for got, wanted in zip(harness.get(harness.parameters.array), descent.weights, strict=True):
        assert_near(got, wanted, TRAINING[dtype], name=repr(optimizer))


def test_every_optimizer_has_a_formula() -> None:
    assert set(classes("optimizer")) == set(OPTIMIZERS)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", examples("optimizer"))
def test_update_follows_its_formula(optimizer: Any, dtype: str) -> None:
    check_against_formula(optimizer, dtype)


OPTIONS: list[dict[str, Any]] = [
    {"weight_decay": 0.05},
    {"clipnorm": 0.5},
    {"clipvalue": 0.1},
    {"global_clipnorm": 1.0},
    {"use_ema": True, "ema_momentum": 0.8},
    {"use_ema": True, "ema_momentum": 0.8, "ema_overwrite_frequency": 3},
    {"gradient_accumulation_steps": 4},
    {"gradient_accumulation_steps": 3, "clipnorm": 0.5, "weight_decay": 0.01},
    {"gradient_accumulation_steps": 2, "use_ema": True, "ema_overwrite_frequency": 2},
    {"learning_rate": schedules.ExponentialDecay(0.1, 2, 0.5)},
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "-".join(o))
@pytest.mark.parametrize("cls", names("optimizer"))
def test_options_of_every_optimizer(cls: Any, options: dict[str, Any]) -> None:
    check_against_formula(cls(**options), "float64")


@pytest.mark.parametrize("options", [{}, *OPTIONS], ids=lambda o: "-".join(o) or "none")
@pytest.mark.parametrize("cls", names("optimizer"))
def test_weights_learn_at_their_own_rates_and_from_their_own_first_update(
    cls: Any, options: dict[str, Any]
) -> None:
    optimizer, multipliers, first = cls(**options), [0.1, 0.1, 3.0], 6
    harness = Harness(optimizer, "float64", multipliers=multipliers, first_update=first)
    assert len(harness.slots.groups) == 2
    harness.set(start())
    descent = Descent(optimizer, start(), multipliers)
    for step in range(STEPS):
        number = step + first * optimizer.batches_per_update
        harness.step(gradients(step), number)
        descent.step(gradients(step), float(optimizer.scalars([number])["learning_rate"][0]))
    for got, wanted in zip(harness.get(harness.parameters.array), descent.weights, strict=True):
        assert_near(got, wanted, TRAINING["float64"], name=repr(optimizer))


@pytest.mark.parametrize("optimizer", examples("optimizer"))
def test_update_runs_in_the_reference_and_unfused(optimizer: Any) -> None:
    fused, plain = Harness(optimizer, "float64"), Harness(optimizer, "float64", fuse=False)
    for harness in (fused, plain):
        harness.set(start())
    parameters, states = (x.array.copy() for x in (fused.parameters, fused.states))
    for step in range(4):
        for harness in (fused, plain):
            harness.step(gradients(step), step)
        result = reference.run(
            fused.program.describe(), [g[None] for g in gradients(step)], rows=1,
            parameters=parameters, states=states, scalars=fused.scalars(step),
        )  # fmt: skip
        parameters, states = result.parameters, result.states
        np.testing.assert_array_equal(fused.parameters.array, plain.parameters.array)
        np.testing.assert_array_equal(fused.states.array, plain.states.array)
        assert_near(fused.parameters.array, parameters, 1e-13)
        assert_near(fused.states.array, states, 1e-13)


@pytest.mark.parametrize("cls", names("optimizer"))
def test_every_optimizer_lowers_a_loss(cls: Any) -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(256, 4))
    y = x @ draw.normal(size=(4, 2)) + 0.5
    rate = {"adadelta": 10.0, "adagrad": 0.3, "lion": 0.01}.get(cls.registered_name, 0.03)
    net = Sequential([layers.Dense(2)], loss="mse", optimizer=cls(rate), random_state=0)
    net.fit(x, y, epochs=30, batch_size=32, verbose=0)
    assert net.history_["loss"][-1] < 0.1 * net.history_["loss"][0]


def test_average_of_weights_is_taken_over_when_training_ends() -> None:
    def trained(**options: Any) -> list[Array]:
        optimizer = optimizers.SGD(0.1, **options)
        net = Sequential(
            [layers.Dense(1, use_bias=False, kernel_initializer="zeros")],
            loss="mean_absolute_error", optimizer=optimizer, random_state=0, dtype="float64",
        )  # fmt: skip
        net.fit(np.ones((3, 1)), np.full((3, 1), 100.0), epochs=3, batch_size=3, verbose=0)
        return list(net.get_weights())

    assert trained()[0].item() == pytest.approx(0.3)
    average = 0.5 * (0.5 * 0.1 + 0.5 * 0.2) + 0.5 * 0.3
    assert trained(use_ema=True, ema_momentum=0.5)[0].item() == pytest.approx(average)


def test_accumulation_equals_a_larger_batch() -> None:
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(24, 4)), draw.normal(size=(24, 2))

    def trained(batch: int, **options: Any) -> list[Array]:
        net = Sequential(
            [layers.Dense(2)], loss="mse", optimizer=optimizers.Adam(0.1, **options),
            random_state=0, dtype="float64",
        )  # fmt: skip
        net.fit(x, y, epochs=4, batch_size=batch, shuffle=False, verbose=0)
        return list(net.get_weights())

    small = trained(4, gradient_accumulation_steps=3)
    for left, right in zip(small, trained(12), strict=True):
        assert_near(left, right, 1e-11)
