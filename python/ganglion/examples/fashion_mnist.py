"""Tell ten kinds of clothes apart: a dense network on Fashion-MNIST, read from files you have.

The four files are those of https://github.com/zalandoresearch/fashion-mnist (or MNIST's own, which
have the same names). The pixels stay bytes: they are scaled by the network's first layer.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path

from ganglion import Sequential, datasets, layers, optimizers, schedules
from ganglion.examples.command import Command

BATCH_SIZE = 128


def main(arguments: Sequence[str] | None = None) -> float:
    """Train and print the accuracy on the test images.

    Parameters
    ----------
    arguments : sequence of str, optional
        Command line; that of the process by default.

    Returns
    -------
    float
        Share of the 10,000 test images that were recognised.
    """
    command = Command("fashion_mnist", __doc__)
    command.add_argument("--data", type=Path, required=True, help="folder of the four IDX files")
    command.add_epochs(10)
    command.add_seed()
    options = command.parse_args(arguments)

    try:
        data = datasets.read_mnist(options.data)
    except (OSError, ValueError) as error:
        command.error(str(error))
    steps = options.epochs * math.ceil(len(data.X_train) / BATCH_SIZE)
    network = Sequential(
        [
            layers.Flatten(),
            layers.Rescaling(1 / 255),
            layers.Dense(256, activation="relu"),
            layers.Dense(128, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ],
        loss="sparse_categorical_crossentropy",
        optimizer=optimizers.Adam(schedules.CosineDecay(1e-3, decay_steps=steps)),
        metrics=["accuracy"],
        random_state=options.seed,
    )
    started = time.perf_counter()
    network.fit(data.X_train, data.y_train, epochs=options.epochs, batch_size=BATCH_SIZE)
    seconds = time.perf_counter() - started
    accuracy = network.evaluate(data.X_test, data.y_test)["accuracy"]
    print(f"Test accuracy {accuracy:.4f} after {options.epochs} epochs in {seconds:.1f} s")
    return accuracy


if __name__ == "__main__":
    main()
