"""When operations run: stages, ranges of samples, and updates joined with their gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ganglion
from ganglion import Sequential, _core, layers, ops, optimizers
from ganglion.threads import threads

Array = np.ndarray
X = np.random.default_rng(0).normal(size=(200, 12)).astype(np.float32)
Y = np.random.default_rng(1).integers(0, 3, 200)


def network(optimizer: Any, *more: Any) -> Sequential:
    hidden = layers.Dense(20, activation="relu")
    return Sequential(
        [*more, hidden, layers.Dense(3, activation="softmax")],
        loss="sparse_categorical_crossentropy",
        optimizer=optimizer,
        random_state=0,
    ).fit(X[:8], Y[:8])


def listing(net: Sequential, capsys: pytest.CaptureFixture[str]) -> str:
    net.program("train")
    return capsys.readouterr().out


def test_update_follows_the_product_of_its_gradient(capsys: pytest.CaptureFixture[str]) -> None:
    text = listing(network(optimizers.SGD(0.1)), capsys)
    updated = [line for line in text.splitlines() if "matmul + multiply subtract" in line]
    assert [line.split()[0] for line in updated] == ["dense", "dense_1"]
    assert "pack" not in text


@pytest.mark.parametrize("settings", [{"global_clipnorm": 1.0}, {"gradient_accumulation_steps": 2}])
def test_gradient_that_others_need_is_kept(
    settings: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    text = listing(network(optimizers.SGD(0.1, **settings)), capsys)
    assert "pack" in text
    assert "matmul + multiply subtract" not in text


def test_value_that_is_not_finite_is_named_whatever_batch_it_is_in() -> None:
    net = network(optimizers.SGD(0.1))
    many = np.zeros((3000, 12), np.float32)
    many[2222, 5] = np.nan
    with pytest.raises(ValueError, match=r"\[predict\] X .*2222"):
        net.predict(many)
    assert np.isfinite(net.predict(many[:2222])).all()


def test_loss_that_is_not_finite_updates_nothing() -> None:
    net = network(optimizers.Adam(0.1))
    before = net.get_weights()
    with pytest.warns(ganglion.errors.DivergenceWarning):
        net.train_on_batch(np.full((20, 12), 3e38, np.float32), np.zeros(20, int))
    for old, new in zip(before, net.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("batch_size", [1, 7, 15, 16, 17, 64, 200])
@pytest.mark.parametrize("count", [2, 3])
def test_samples_are_the_same_in_any_range(batch_size: int, count: int) -> None:
    """Few rows, ranges of two sizes, a last batch that is smaller: all with the bits of one thread.

    Batch normalisation first: the batch is read as a whole before any sample can go its way.
    """
    results = []
    for number in (1, count):
        with threads(number):
            net = network(optimizers.Adam(0.01), layers.BatchNormalization(), layers.Dropout(0.3))
            # Wide enough that several threads take part.
            wide = Sequential(
                [layers.Dense(4000, activation="gelu"), layers.LayerNormalization(), *net.layers],
                loss="sparse_categorical_crossentropy",
                random_state=1,
            )
            wide.fit(X, Y, epochs=2, batch_size=batch_size)
            results.append([*wide.get_weights(), wide.predict(X, batch_size=batch_size)])
    for one, several in zip(*results, strict=True):
        np.testing.assert_array_equal(one, several)


class Langevin(optimizers.Optimizer, registered=False):
    """Noise in each update."""

    def update(self, parameter: Any, gradient: Any, slot: Any, rate: Any, iteration: Any) -> Any:
        return parameter - rate * gradient + ops.random_normal(parameter.shape)


def test_each_weight_has_noise_of_its_own() -> None:
    net = network(Langevin(0.0))
    before = net.get_weights()
    net.train_on_batch(X[:8], Y[:8])
    moved = [new - old for old, new in zip(before, net.get_weights(), strict=True)]
    assert len({round(float(change.ravel()[0]), 4) for change in moved}) == len(moved)


class Trust(optimizers.Optimizer, registered=False):
    """An operand of one element beside the vectors."""

    def update(self, parameter: Any, gradient: Any, slot: Any, rate: Any, iteration: Any) -> Any:
        return parameter - rate * gradient * ops.sum(parameter * parameter, axis=0, keepdims=True)


class Scale(layers.Layer):
    """A weight that is a single number."""

    def build(self, x: Any) -> Any:
        return x * self.add_weight("scale", (), initializer="ones")


def test_weight_of_one_number_is_updated() -> None:
    net = network(Trust(0.01), Scale())
    net.fit(X, Y, epochs=2)
    assert np.isfinite(net.history_["loss"]).all()
    assert net.get_weights()[0] != 1


def test_long_sums_of_one_stage_do_not_meet() -> None:
    """Each is summed in parts; they run at once."""
    builder = _core.Builder()
    values = [builder.parameter(f"w{i}", (100_000,), 100_000 * i) for i in range(3)]
    totals = [builder.apply("reduce_sum", [v], {"first": 0, "last": 0})[0] for v in values]
    both = builder.apply("add", totals[:2], {})[0]
    builder.output("all", builder.apply("add", [both, totals[2]], {})[0])
    store = _core.Store(300_000, "float64")
    store.array[:] = np.random.default_rng(0).normal(size=300_000)
    with threads(2):
        executable = _core.Executable(builder.finish(), "float64", store, None)
        for _ in range(50):
            np.testing.assert_allclose(executable.run([], 1)[0], store.array.sum(), rtol=1e-12)


def test_first_value_that_is_not_finite_is_found_by_several_threads() -> None:
    array = np.zeros((100_000, 20), np.float32)
    array[[7_001, 52_000, 99_999], [3, 0, 19]] = [np.nan, np.inf, -np.inf]
    with threads(3):
        for _ in range(20):
            assert _core.first_not_finite(array) == 7_001
