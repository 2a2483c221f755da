"""Several networks trained together: what a step does, and what it leaves alone."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from joint_networks import Array, data, deceive, joint, judge, networks

from ganglion import (
    Joint,
    Objective,
    Sequential,
    callbacks,
    layers,
    ops,
    optimizers,
)


def rounds(X: Array, Z: Array, weights: list[list[Array]], batch: int, every: int = 1) -> Any:
    """Both objectives with plain descent by hand: rates 0.1 and 0.2, in this order."""
    (A, a), (B, b) = weights
    for number, start in enumerate(range(0, len(X), batch), 1):
        x, z = X[start : start + batch], Z[start : start + batch]
        made = z @ A + a
        B = B - 0.1 * (made.mean(0) - x.mean(0))[:, np.newaxis]
        if number % every == 0:
            a_step = -B[:, 0]
            A, a = A - 0.2 * np.outer(z.mean(0), a_step), a - 0.2 * a_step
    return [A, a], [B, b]


@pytest.mark.parametrize("every", [1, 2, 3])
def test_each_objective_sees_what_the_one_before_left(every: int) -> None:
    X, Z = data()
    nets = networks()
    for net, width in zip(nets.values(), (2, 3), strict=True):
        net.build((None, width))
    expected = rounds(X, Z, [net.get_weights() for net in nets.values()], 8, every)
    joint(nets, every).fit((X, Z), batch_size=8, shuffle=False)
    for net, weights in zip(nets.values(), expected, strict=True):
        for found, wanted in zip(net.get_weights(), weights, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-13, atol=1e-15)


def test_reports_are_means_over_the_rows() -> None:
    X, Z = data(37)
    nets = networks()
    trained = Joint(nets, [Objective(judge, "discriminator", optimizers.SGD(0.0))], random_state=0)
    trained.fit((X, Z), batch_size=10)
    net = nets["discriminator"]
    made, true = net.predict(nets["generator"].predict(Z)).mean(), net.predict(X).mean()
    expected = {"judge": made - true, "made": made}
    for found in ({k: v[0] for k, v in trained.history_.items()}, trained.evaluate((X, Z), None)):
        assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", ["generator", "discriminator"])
def test_networks_that_are_not_trained_stay_bit_for_bit(name: str) -> None:
    normalized = [layers.Dense(3), layers.BatchNormalization(), layers.Dropout(0.3)]
    nets = networks("float32") | {"generator": Sequential(normalized, random_state=0)}
    function = judge if name == "discriminator" else deceive
    nets["generator"].build((None, 2))
    nets["discriminator"].build((None, 3))
    before = {key: net.get_weights() for key, net in nets.items()}
    Joint(nets, [Objective(function, name)], random_state=0).fit(data(), epochs=2)
    for key, net in nets.items():
        same = [np.array_equal(a, b) for a, b in zip(net.get_weights(), before[key], strict=True)]
        assert all(same) if key != name else not any(same[:1])
    # Its moving statistics follow in the objective that trains it.
    moved = not np.array_equal(nets["generator"].get_weights()[4], before["generator"][4])
    assert moved == (name == "generator")


def test_fits_go_on_and_take_the_weights_that_networks_have() -> None:
    X, Z = data()
    nets, others = networks(), networks()
    joint(nets).fit((X, Z), epochs=4)
    parts = joint(others).fit((X, Z), epochs=3)
    kept = {name: net.get_weights() for name, net in others.items()}
    others["generator"].set_weights([w * 0 for w in kept["generator"]])
    others["generator"].set_weights(kept["generator"])
    parts.fit((X, Z), epochs=1)
    assert (parts.epoch_, parts.step_, len(parts.history_["judge"])) == (4, 8, 4)
    for name, net in nets.items():
        for a, b in zip(net.get_weights(), others[name].get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


def noise_of(objective: str) -> Any:
    def function(networks: Any, x: Any) -> Any:
        return ops.mean(networks.generator(ops.random_normal((None, 2))) * x)

    return Objective(function, optimizer=optimizers.SGD(0.0), name=objective)


def test_objectives_draw_numbers_of_their_own() -> None:
    X = data()[0]
    nets = {"generator": Sequential([layers.Dense(3)], random_state=0, dtype="float64")}
    drawn = [
        Joint(nets, [noise_of("a"), noise_of(name)], random_state=seed).fit(X).history_
        for name, seed in (("b", 0), ("b", 0), ("c", 0), ("b", 1))
    ]
    assert drawn[0] == drawn[1]
    numbers = [drawn[0]["a"], drawn[0]["b"], drawn[2]["c"], drawn[3]["a"], drawn[3]["b"]]
    assert len({number for (number,) in numbers}) == 5
    assert drawn[2]["a"] == drawn[0]["a"]


def test_weights_are_written_back_after_each_epoch() -> None:
    X, Z = data()
    nets = networks()
    seen = []
    look = callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(nets["generator"].get_weights()[0])
    )
    joint(nets).fit((X, Z), epochs=3, callbacks=[look])
    assert len(seen) == 3
    assert not np.array_equal(seen[0], seen[1])
    np.testing.assert_array_equal(seen[-1], nets["generator"].get_weights()[0])


# What optimizers see of it.


def three(seed: int = 0) -> dict[str, Sequential]:
    """Three networks in a row, of which the second stands between the weights of the others."""
    return {
        name: Sequential(
            [layers.Dense(3, kernel_regularizer="l2", activation="tanh"), layers.Dense(2)],
            random_state=seed + number,
            dtype="float64",
        )
        for number, name in enumerate("abc")
    }


def in_a_row(networks: Any, x: Any, y: Any) -> Any:
    return ops.mean((networks.c(networks.b(networks.a(x))) - y) ** 2)


RULES = {
    "adam": optimizers.Adam(0.05),
    "clipnorm": optimizers.SGD(0.1, momentum=0.9, clipnorm=0.05),
    "global_clipnorm": optimizers.RMSprop(0.01, global_clipnorm=0.05),
    "accumulation": optimizers.Adam(0.05, gradient_accumulation_steps=2),
    "average": optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5),
    "decay": optimizers.AdamW(0.05, weight_decay=0.1),
}


@pytest.mark.parametrize("rule", RULES)
def test_any_optimizer_of_some_networks_does_what_it_does_of_one(rule: str) -> None:
    """Against one chain of the same layers, those of the second network frozen."""
    draw = np.random.default_rng(0)
    X, y = draw.normal(size=(24, 4)), draw.normal(size=(24, 2))
    nets, others = three(), three()
    chain = Sequential(
        [layer for net in others.values() for layer in net.layers],
        loss="mse",
        optimizer=RULES[rule],
        random_state=0,
        dtype="float64",
    )
    for layer in others["b"].layers:
        layer.trainable = False
    for layer in nets["a"].layers:
        layer.learning_rate_multiplier = 0.5
    for layer in others["a"].layers:
        layer.learning_rate_multiplier = 0.5
    trained = Joint(nets, [Objective(in_a_row, ["a", "c"], RULES[rule])], random_state=0)
    for net, width in zip(nets.values(), (4, 2, 2), strict=True):
        net.build((None, width))
    chain.build((None, 4))
    chain.set_weights(trained.get_weights())
    settings = {"epochs": 3, "batch_size": 6, "shuffle": False}
    trained.fit(X, y, **settings)
    chain.fit(X, y, **settings)
    for found, expected in zip(trained.get_weights(), chain.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(trained.history_["in_a_row"], chain.history_["loss"], rtol=1e-10)


def test_two_objectives_with_one_optimizer_keep_two_states() -> None:
    X, Z = data()
    rule = optimizers.Adam(0.05)
    shared, apart = networks(), networks()
    for nets, rules in ((shared, (rule, rule)), (apart, (rule, optimizers.Adam(0.05)))):
        objectives = [
            Objective(judge, "discriminator", rules[0]),
            Objective(deceive, "generator", rules[1]),
        ]
        Joint(nets, objectives, random_state=0).fit((X, Z), epochs=2)
    for name, net in shared.items():
        for a, b in zip(net.get_weights(), apart[name].get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_learning_rate_that_is_set_is_followed() -> None:
    X, Z = data()
    nets = networks()
    trained = joint(nets)
    trained.fit((X, Z))
    for objective in trained.objectives:
        objective.optimizer.learning_rate = 0.0
    before = trained.get_weights()
    trained.fit((X, Z))
    for a, b in zip(trained.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


# Bits.

SCRIPT = """
import hashlib
import numpy as np
from ganglion import Joint, Objective, Sequential, layers, ops

def judge(networks, x):
    made = networks.generator(ops.random_normal((None, 8)))
    true = networks.discriminator(x)
    return ops.mean(ops.softplus(-true)) + ops.mean(ops.softplus(networks.discriminator(made)))

def deceive(networks, x):
    made = networks.generator(ops.random_normal((None, 8)))
    return ops.mean(ops.softplus(-networks.discriminator(made)))

wide = [layers.Dense(64, activation="relu"), layers.BatchNormalization(), layers.Dense(96)]
judging = [layers.Dense(64, activation="leaky_relu"), layers.Dropout(0.2), layers.Dense(1)]
nets = {"generator": Sequential(wide, random_state=0),
        "discriminator": Sequential(judging, random_state=1)}
objectives = [Objective(judge, "discriminator"), Objective(deceive, "generator", every=2)]
X = np.random.default_rng(0).normal(size=(500, 96)).astype(np.float32)
joint = Joint(nets, objectives, random_state=3).fit(X, epochs=2, batch_size=64, verbose=0)
print(hashlib.sha256(b"".join(w.tobytes() for w in joint.get_weights())).hexdigest())
print(joint.history_)
"""


def test_threads_do_not_change_a_bit() -> None:
    outputs = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env={**os.environ, "GANGLION_NUM_THREADS": threads, "GANGLION_SHARE_ALL": "1"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "2", "3")
    }
    assert len(outputs) == 1 and outputs != {""}
