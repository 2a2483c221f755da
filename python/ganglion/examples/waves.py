"""Draw a wave from three numbers: one vector goes in, a sequence comes out.

A recurrent network is told the frequency, the phase and the shape of a wave (from a sine to a
square), and puts out its hundred steps. It is tested on numbers it was not trained on, beside a
dense network of about as many weights that puts out all steps at once.
"""

# ruff: noqa: E402  the libraries are looked for before they are imported

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ganglion.examples.command import Command, require_libraries

require_libraries(__name__)

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ganglion import Sequential, layers, optimizers, schedules

Array = NDArray[Any]
STEPS, BATCH_SIZE = 100, 32
TRAIN, TEST = 2000, 300


def waves(count: int, seed: int) -> tuple[Array, Array]:
    """Return frequency, phase (as sine and cosine) and shape (n, 4), and waves (n, STEPS, 1)."""
    random = np.random.default_rng(seed)
    frequency, phase, shape = random.uniform(size=(3, count))
    angle = 2 * np.pi * phase
    time = np.arange(STEPS) / STEPS
    sine = np.sin(2 * np.pi * np.outer(1 + 3 * frequency, time) + angle[:, np.newaxis])
    steepness = 1 + 9 * shape[:, np.newaxis]
    drawn = np.tanh(steepness * sine) / np.tanh(steepness)
    inputs = np.column_stack([2 * frequency - 1, np.sin(angle), np.cos(angle), 2 * shape - 1])
    return inputs, drawn[:, :, np.newaxis]


def networks(epochs: int, seed: int) -> dict[str, Sequential]:
    """Return networks that are not trained yet, by their names."""
    steps = epochs * -(-TRAIN // BATCH_SIZE)
    chains: dict[str, list[layers.Layer]] = {
        "step by step": [
            layers.Dense(32, activation="tanh"),
            layers.RepeatVector(STEPS),
            layers.GRU(48, return_sequences=True),
            layers.Dense(1),
        ],
        "all at once": [
            layers.Dense(110, activation="relu"),
            layers.Dense(STEPS),
            layers.Reshape((STEPS, 1)),
        ],
    }
    return {
        name: Sequential(
            chain,
            loss="mse",
            optimizer=optimizers.Adam(schedules.CosineDecay(5e-3, steps), clipnorm=1.0),
            random_state=seed,
        )
        for name, chain in chains.items()
    }


def main(arguments: Sequence[str] | None = None) -> dict[str, float]:
    """Train, print how far the waves are off, and draw some of them.

    Parameters
    ----------
    arguments : sequence of str, optional
        Command line; that of the process by default.

    Returns
    -------
    dict of str to float
        Mean squared error on the test waves, by network.
    """
    command = Command("waves", __doc__)
    command.add_epochs(40)
    command.add_output("waves.png")
    command.add_seed()
    options = command.parse_args(arguments)

    X, y = waves(TRAIN, seed=1)
    X_test, y_test = waves(TEST, seed=2)
    print(f"{TRAIN:,} waves to learn from, {TEST:,} to test on\n")
    print(f"{'network':<16}{'weights':>8}{'MSE':>10}")
    found, drawn = {}, {}
    for name, net in networks(options.epochs, options.seed).items():
        net.fit(X, y, epochs=options.epochs, batch_size=BATCH_SIZE)
        drawn[name] = net.predict(X_test)
        found[name] = float(np.square(drawn[name] - y_test).mean())
        print(f"{name:<16}{sum(w.size for w in net.get_weights()):>8,}{found[name]:>10.4f}")
    print(f"{'(always 0)':<24}{np.square(y_test).mean():>10.4f}")

    figure = Figure(figsize=(10, 4.4), layout="constrained")
    for index, panel in enumerate(figure.subplots(2, 3, sharex=True, sharey=True).flat):
        panel.plot(y_test[index], color="0.75", lw=4, label="wave")
        for name, predicted in drawn.items():
            panel.plot(predicted[index], lw=1.2, label=name)
        panel.spines[["top", "right"]].set_visible(False)
    figure.legend(*panel.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    figure.savefig(options.output, dpi=110)
    print(f"\nPicture: {options.output.resolve()}")
    return found


if __name__ == "__main__":
    main()
