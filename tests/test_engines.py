"""Every engine computes what the reference computes: each operation, and whole training runs.

One suite for all: an engine that cannot be used is skipped with the reason. Numba-CUDA runs in its
simulator with ``NUMBA_ENABLE_CUDASIM=1 pytest tests/test_engines.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import reference
from engine_runs import MOST_SIMULATED, engine_named, is_slow, train_by_reference
from fuzz import Writer
from op_cases import CASES
from programs import Case, write
from tolerances import (
    FORWARD,
    NORMAL,
    TRAINING,
    assert_elementwise,
    assert_near,
)

from ganglion import Sequential, _core, engines, layers, optimizers

Array = np.ndarray
ENGINES = [pytest.param(name, id=name) for name in engines.ENGINES]


def cases_for(name: str, kind: str, dtype: str) -> list[tuple[Case, int]]:
    """Cases of a kind and their numbers of rows: for the simulator fewer, and smaller."""
    if not is_slow(name):
        return [(case, rows) for case in CASES[kind] for rows in case.rows]
    cases = CASES[kind] if dtype == "float32" else CASES[kind][:3]
    return [(case, case.rows[min(1, len(case.rows) - 1)]) for case in cases]


def check_case(engine: Any, kind: str, case: Case, rows: int, dtype: str) -> None:
    generator = np.random.default_rng(7)
    written = write(case)
    arrays = [operand.draw(generator, rows).astype(dtype) for operand in case.operands]
    if is_slow(engine.name) and sum(array.size for array in arrays) > MOST_SIMULATED:
        return
    key = {"seed": 2**40 + 11, "step": 5} if kind in reference.RANDOM else {}
    store = _core.Store(max(written.size, 16), dtype)
    executable = engine.executable(written.program, dtype, store, None)
    actual = executable.run(written.fill(store.array, arrays), rows, **key)
    expected = written.refer(arrays, rows, dtype=dtype, **key)
    for got, wanted in zip(actual, expected, strict=True):
        assert got.dtype == dtype
        if kind == "random_uniform":
            np.testing.assert_array_equal(got, wanted)  # so are the masks of dropout
        elif kind == "random_normal":
            assert_near(got, wanted, NORMAL[dtype], name=case.name)
        elif kind in reference.ELEMENTWISE:
            assert_elementwise(got, wanted, dtype, name=case.name)
        else:
            assert_near(got, wanted, FORWARD[dtype], name=case.name)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", list(CASES))
@pytest.mark.parametrize("name", ENGINES)
def test_every_operation(name: str, kind: str, dtype: str) -> None:
    engine = engine_named(name)
    for case, rows in cases_for(name, kind, dtype):
        check_case(engine, kind, case, rows, dtype)


SPECIAL = [0.0, -0.0, 1e-30, 30.0, -30.0, 87.0, -87.0, 1e3, -1e3, np.inf, -np.inf, np.nan, 1e30]


@pytest.mark.parametrize("name", ENGINES)
def test_special_values(name: str) -> None:
    engine = engine_named(name)
    x = np.resize(np.array(SPECIAL, np.float32), (1, 17))
    for kind in reference.ELEMENTWISE:
        if len(CASES[kind][0].operands) == 1:
            written = write(CASES[kind][1])  # (None, 17)
            executable = engine.executable(written.program, "float32", None, None)
            with np.errstate(all="ignore"):
                expected = written.refer([x], 1)[0]
            assert_elementwise(executable.run([x], 1)[0], expected, "float32", name=kind)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("name", ENGINES)
def test_random_programs(name: str, seed: int) -> None:
    """Chains that are fused, written weights that are read, views of them, several runs."""
    engine = engine_named(name)
    written = Writer(seed).write(5 + 3 * seed, seed % 3 > 0)
    draw = np.random.default_rng(seed)
    sizes = (written.parameters, written.states)
    stores = [_core.Store(max(size, 16), "float64") for size in sizes]
    for store in stores:
        store.array[:] = draw.normal(scale=0.5, size=store.array.size)
    parameters, states = (store.array.copy() for store in stores)
    inputs = [draw.normal(size=(3, *shape[1:])) for shape in written.inputs]
    executable = engine.executable(written.program, "float64", *stores)
    scalars = {"rate": 0.25} if "rate" in written.program.scalars else {}
    description = written.program.describe()
    for step in (1, 2):
        outputs = executable.run(inputs, 3, scalars, seed, step)
        expected = reference.run(
            description, inputs, rows=3, parameters=parameters, states=states,
            scalars=scalars, seed=seed, step=step,
        )  # fmt: skip
        parameters, states = expected.parameters, expected.states
        for got, wanted in zip(outputs, expected.values, strict=True):
            assert_near(got, wanted, 1e-10, absolute=1e-12)
    assert_near(stores[0].array, parameters, 1e-10)
    assert_near(stores[1].array, states, 1e-10)


# Whole training runs.

draw = np.random.default_rng(0)
TABLE = draw.normal(size=(21, 6))
IMAGES = draw.normal(size=(10, 6, 6, 2))
SERIES = draw.normal(size=(9, 4, 3))
IDS = draw.integers(0, 9, size=(9, 4))


def dense(**settings: Any) -> tuple[Sequential, Array, Array]:
    chain = [
        layers.Dense(7, activation="gelu", kernel_regularizer="l2"),
        layers.BatchNormalization(),
        layers.Dropout(0.4),
        layers.GaussianNoise(0.1),
        layers.Dense(3, activation="softmax"),
    ]
    net = Sequential(chain, loss="sparse_categorical_crossentropy", optimizer="adam", **settings)
    return net, TABLE, np.arange(21) % 3


def convolutional(**settings: Any) -> tuple[Sequential, Array, Array]:
    chain = [
        layers.Conv2D(4, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(2),
        layers.DepthwiseConv2D(2),
        layers.GroupNormalization(2),
        layers.GlobalAveragePooling2D(),
        layers.Dense(1),
    ]
    optimizer = optimizers.SGD(0.05, momentum=0.9, clipnorm=0.5)
    net = Sequential(chain, loss="mse", optimizer=optimizer, **settings)
    return net, IMAGES, IMAGES.sum(axis=(1, 2, 3)) / 10


def recurrent(**settings: Any) -> tuple[Sequential, Array, Array]:
    chain = [
        layers.Bidirectional(layers.GRU(3, return_sequences=True, dropout=0.3)),
        layers.LSTM(4),
        layers.Dense(1),
    ]
    optimizer = optimizers.RMSprop(0.01, gradient_accumulation_steps=2)
    net = Sequential(chain, loss="huber", optimizer=optimizer, **settings)
    return net, SERIES, SERIES[:, :, 0].sum(axis=1)


def embedded(**settings: Any) -> tuple[Sequential, Array, Array]:
    chain = [
        layers.Embedding(9, 4, mask_zero=True),
        layers.MultiHeadAttention(2, 2),
        layers.GlobalAveragePooling1D(),
        layers.Dense(2),
    ]
    net = Sequential(chain, loss="mse", optimizer="adamw", **settings)
    return net, IDS, draw.normal(size=(9, 2))


NETWORKS: list[Callable[..., tuple[Sequential, Array, Array]]] = [
    dense,
    convolutional,
    recurrent,
    embedded,
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("make", NETWORKS)
@pytest.mark.parametrize("name", ENGINES)
def test_training(name: str, make: Any, dtype: str) -> None:
    engine_named(name)
    if is_slow(name) and dtype == "float32" and make is recurrent:
        pytest.skip("too slow in the simulator")
    net, X, y = make(random_state=3, dtype=dtype, device=name)
    net.build((None, *X.shape[1:]))
    net._built.executable("train")
    X, y = X.astype(dtype), np.asarray(y, dtype)
    weights, losses = train_by_reference(net, [X, y], epochs=2, batch_size=8)
    net.fit(X, y, epochs=2, batch_size=8)
    assert_near(net._built.parameters.array, weights, TRAINING[dtype])
    np.testing.assert_allclose(net.history_["loss"], losses, rtol=TRAINING[dtype])


@pytest.mark.parametrize("name", ENGINES)
def test_the_same_seed_gives_the_same_bits(name: str) -> None:
    engine_named(name)
    trained = []
    for _ in range(2):
        net, X, y = dense(random_state=1, device=name)
        net.fit(X, y, batch_size=8)
        trained.append(np.concatenate([weight.ravel() for weight in net.get_weights()]))
    np.testing.assert_array_equal(*trained)


@pytest.mark.parametrize("name", ENGINES)
def test_dropout_drops_what_it_drops_on_the_processor(name: str) -> None:
    engine_named(name)
    X = np.ones((5, 40), np.float32)
    kept = []
    for device in ("cpu", name):
        net = Sequential([layers.Dropout(0.5)], random_state=9, device=device)
        kept.append(net.forward(X, training=True))
    np.testing.assert_array_equal(*kept)
