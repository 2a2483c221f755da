"""Graphs beside Keras's functional models: outputs, losses and 30 steps from the same weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tolerances import PARITY, assert_near

import ganglion
from ganglion import layers

keras = pytest.importorskip("keras")
torch = pytest.importorskip("torch")

from mirror import numpy, tensor  # noqa: E402

pytestmark = pytest.mark.parity

RNG = np.random.default_rng(0)
STEPS, BATCH = 30, 8
X, IMAGE = RNG.normal(size=(24, 4)), RNG.normal(size=(24, 6, 3))
SIZE, KIND = RNG.normal(size=(24, 1)), RNG.integers(0, 3, 24)

Ends = tuple[list[Any], list[Any]]


def two_heads(of: Any) -> Ends:
    x = of.Input((4,))
    hidden = of.Dense(8, activation="tanh", name="w1")(x)
    return [x], [
        of.Dense(1, name="w2")(hidden),
        of.Dense(3, activation="softmax", name="w3")(hidden),
    ]


def shared(of: Any) -> Ends:
    a, b = of.Input((4,)), of.Input((6, 3))
    encode = of.Dense(5, activation="relu", name="w4")
    left = encode(a)
    right = encode(of.Dense(4, name="w5")(of.Flatten()(b)))
    joined = of.Concatenate()([left, right, of.Multiply()([left, right])])
    distance = of.Dot(axes=1, normalize=True)([left, right])
    return [a, b], [
        of.Dense(1, name="w6")(of.Concatenate()([joined, distance])),
        of.Dense(3, name="w7")(joined),
    ]


def skips(of: Any) -> Ends:
    a, b = of.Input((4,)), of.Input((6, 3))
    y = of.Conv1D(4, 3, padding="same", activation="relu", name="w8")(b)
    y = of.Add()([y, of.Conv1D(4, 1, name="w9")(b)])
    y = of.Average()([of.GlobalAveragePooling1D()(y), of.GlobalMaxPooling1D()(y), a])
    y = of.Maximum()([y, of.Subtract()([a, y])])
    return [a, b], [of.Dense(1, name="w10")(y), of.Dense(3, name="w11")(of.Minimum()([y, a]))]


def states(of: Any) -> Ends:
    a, b = of.Input((4,)), of.Input((6, 3))
    read, hidden, carry = of.LSTM(4, return_state=True, name="w12")(b)
    y = of.LSTM(4, name="w13")(b, initial_state=[of.Add()([hidden, a]), carry])
    return [a, b], [of.Dense(1, name="w14")(y), of.Dense(3, name="w15")(read)]


def of_layer(net: ganglion.Model, name: str) -> list[np.ndarray]:
    named = zip(net.weight_names, net.get_weights(), strict=True)
    return [weight for path, weight in named if path.startswith(f"{name}/")]


@pytest.mark.parametrize("draw", [two_heads, shared, skips, states])
def test_trajectory(draw: Callable[[Any], Ends]) -> None:
    inputs, outputs = draw(layers)
    logits = draw is not two_heads
    entropy = ganglion.losses.SparseCategoricalCrossentropy(from_logits=logits)
    net = ganglion.Model(
        inputs if len(inputs) > 1 else inputs[0],
        outputs,
        loss=["mse", entropy],
        loss_weights=[1.0, 0.5],
        optimizer=ganglion.optimizers.Adam(0.01),
        dtype="float64",
        random_state=0,
    )
    policy, number = keras.config.dtype_policy(), keras.backend.floatx()
    keras.backend.set_floatx("float64")
    keras.config.set_dtype_policy("float64")  # which another test may have set
    try:
        model = keras.Model(*draw(keras.layers))
    finally:
        keras.backend.set_floatx(number)
        keras.config.set_dtype_policy(policy)
    net.set_weights([w + 0.1 * RNG.uniform(size=w.shape) for w in net.get_weights()])
    for layer in model.layers:  # in another order than ours
        layer.set_weights(of_layer(net, layer.name))
    given = [X, IMAGE][: len(inputs)]
    predicted = net.predict(tuple(given) if len(given) > 1 else given[0])
    for ours, theirs in zip(
        predicted, model([tensor(part, "float64") for part in given]), strict=True
    ):
        assert_near(ours, numpy(theirs), PARITY["float64"])
    optimizer = keras.optimizers.Adam(0.01)
    losses = [
        keras.losses.MeanSquaredError(dtype="float64"),
        keras.losses.SparseCategoricalCrossentropy(from_logits=logits, dtype="float64"),
    ]
    variables = model.trainable_variables
    optimizer.build(variables)
    for step in range(STEPS):
        rows = slice(step % 3 * BATCH, step % 3 * BATCH + BATCH)
        batch = [part[rows] for part in given]
        ours = net.train_on_batch(
            tuple(batch) if len(batch) > 1 else batch[0], (SIZE[rows], KIND[rows])
        )
        for variable in variables:
            variable.value.grad = None
        results = model([tensor(part, "float64") for part in batch], training=True)
        targets = [tensor(SIZE[rows], "float64"), tensor(KIND[rows], "float64")]
        parts = [loss(y, p) for loss, y, p in zip(losses, targets, results, strict=True)]
        total = parts[0] + 0.5 * parts[1]
        total.backward()
        with torch.no_grad():
            optimizer.apply([variable.value.grad for variable in variables], variables)
        assert ours["loss"] == pytest.approx(float(total.detach()), rel=1e-7)
    for layer in model.layers:
        for mine, theirs in zip(of_layer(net, layer.name), layer.get_weights(), strict=True):
            assert_near(mine, theirs, 1e-6)
