"""Several networks trained together: what a step does, and what it leaves alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ganglion import Joint, Objective, Sequential, callbacks, layers, ops, optimizers

Array = np.ndarray


def networks(dtype: str = "float64", seed: int = 0) -> dict[str, Sequential]:
    """A line from 2 numbers to 3, and one from 3 to 1; without activations."""
    return {
        "generator": Sequential([layers.Dense(3)], random_state=seed, dtype=dtype),
        "discriminator": Sequential([layers.Dense(1)], random_state=seed + 1, dtype=dtype),
    }


def judge(networks: Any, x: Any, z: Any) -> Any:
    """What the discriminator minimises: its mean on made samples less that on true ones."""
    made = networks.discriminator(networks.generator(z))
    return {"judge": ops.mean(made) - ops.mean(networks.discriminator(x)), "made": ops.mean(made)}


def deceive(networks: Any, x: Any, z: Any) -> Any:
    return -ops.mean(networks["discriminator"](networks["generator"](z)))


def data(rows: int = 40) -> tuple[Array, Array]:
    generator = np.random.default_rng(0)
    return generator.normal(size=(rows, 3)) + 1, generator.normal(size=(rows, 2))


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


def joint(nets: dict[str, Sequential], every: int = 1, **settings: Any) -> Joint:
    return Joint(
        nets,
        [
            Objective(judge, "discriminator", optimizers.SGD(0.1)),
            Objective(deceive, "generator", optimizers.SGD(0.2), every=every),
        ],
        random_state=0,
        **settings,
    )


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
