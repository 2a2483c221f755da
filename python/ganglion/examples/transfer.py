"""Learn from few X-rays, with and without having seen sixty thousand clothes before.

A small convolutional network is trained on Fashion-MNIST, gets a new head, and learns to tell
pneumonia from healthy chests on 50, 200 and 1000 X-rays of PneumoniaMNIST: once with the body
frozen, once unfrozen layer by layer. Beside them the same network learns from scratch, with as many
updates. Without ``--fashion`` and ``--data`` it is handwritten digits, which ship with
scikit-learn: eight of them to begin with, then the other two. Not for clinical use.

Fashion-MNIST: https://github.com/zalandoresearch/fashion-mnist. PneumoniaMNIST: Yang et al. (2023),
https://medmnist.com.
"""

# ruff: noqa: E402  the libraries are looked for before they are imported

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganglion.examples.command import Command, require_libraries

require_libraries(__name__)

import numpy as np
from matplotlib import pyplot
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

from ganglion import Sequential, datasets, layers, optimizers
from ganglion.callbacks import GradualUnfreezing

Array = NDArray[Any]
METHODS = ("from scratch", "new head alone", "unfrozen layer by layer")
SEEDS, QUICK_SEEDS = 5, 2
# On the second task, whatever the number of its samples.
UPDATES, QUICK_UPDATES = 400, 100
BATCH_SIZE = 32


@dataclass(frozen=True)
class Tasks:
    """A first task with many samples, and a second of two classes that has few.

    The first is passed over `epochs` times; pixels are multiplied with `scale`.
    """

    X_first: Array
    y_first: Array
    X: Array
    y: Array
    X_test: Array
    y_test: Array
    sizes: Sequence[int]
    scale: float
    epochs: int


def clothes_and_chests(fashion: Path, chests: Path) -> Tasks:
    """Read Fashion-MNIST and PneumoniaMNIST."""
    first, second = datasets.read_mnist(fashion), datasets.read_npz(chests)
    parts = ("train_images", "train_labels", "test_images", "test_labels")
    missing = [part for part in parts if part not in second]
    if missing:
        raise ValueError(f"{chests} has no array {missing[0]!r}: it is no set of MedMNIST")
    X, y, X_test, y_test = (second[part] for part in parts)
    sizes = (50, 200, 1000)
    labels, tested = y.ravel(), y_test.ravel()
    return Tasks(first.X_train, first.y_train, X, labels, X_test, tested, sizes, 1 / 255, 3)


def digits() -> Tasks:
    """Digits 0 to 7 first; then 8 and 9, half of them for the test."""
    data = load_digits()
    images, labels = data.images, data.target
    first = labels < 8
    X, X_test, y, y_test = train_test_split(
        images[~first], labels[~first] == 9, test_size=0.5, random_state=0
    )
    seen, known, sizes = images[first], labels[first], (10, 30, 100)
    return Tasks(seen, known, X, y.astype(int), X_test, y_test, sizes, 1 / 16, 20)


def network(tasks: Tasks, head: layers.Layer, loss: str, seed: int) -> Sequential:
    """Return three convolutions and a dense layer, with a head."""
    return Sequential(
        [
            layers.Input(tasks.X.shape[1:]),
            layers.Reshape((*tasks.X.shape[1:], 1)),
            layers.Rescaling(tasks.scale),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            head,
        ],
        loss=loss,
        optimizer=optimizers.Adam(1e-3),
        random_state=seed,
    )


def first_network(tasks: Tasks, seed: int) -> Sequential:
    """Return the network for the first task."""
    head = layers.Dense(int(tasks.y_first.max()) + 1, activation="softmax")
    return network(tasks, head, "sparse_categorical_crossentropy", seed)


def learn(method: str, tasks: Tasks, trained: Sequential, size: int, updates: int) -> float:
    """Learn the second task on some of its samples; return the area under the ROC curve."""
    seed = trained.seed_
    X, _, y, _ = train_test_split(
        tasks.X, tasks.y, train_size=size, stratify=tasks.y, random_state=seed
    )
    epochs = -(-updates // -(-size // BATCH_SIZE))
    head, loss = layers.Dense(1, activation="sigmoid", name="head"), "binary_crossentropy"
    callbacks = []
    if method == "from scratch":
        net = network(tasks, head, loss, seed)
    else:
        net = copy.deepcopy(trained)
        net.replace_head([head], loss=loss)
        net.freeze()
    if method == "new head alone":
        net.learning_rate = 1e-2  # one layer has nothing to spoil
    if method == "unfrozen layer by layer":
        net.discriminate(0.5)
        callbacks = [GradualUnfreezing(every=max(1, epochs // 6))]
    net.fit(X, y, epochs=epochs, batch_size=BATCH_SIZE, callbacks=callbacks, verbose=0)
    return float(roc_auc_score(tasks.y_test, net.predict(tasks.X_test)[:, 0]))


def compare(tasks: Tasks, seeds: int, updates: int) -> dict[str, Array]:
    """Return each method's areas under the ROC curve, (seeds, sizes)."""
    scores = {method: np.zeros((seeds, len(tasks.sizes))) for method in METHODS}
    for seed in range(seeds):
        trained = first_network(tasks, seed)
        trained.fit(tasks.X_first, tasks.y_first, epochs=tasks.epochs, batch_size=64, verbose=0)
        for method, areas in scores.items():
            for column, size in enumerate(tasks.sizes):
                areas[seed, column] = learn(method, tasks, trained, size, updates)
    return scores


def draw(scores: dict[str, Array], sizes: Sequence[int], path: Path) -> None:
    """Draw every result, and the mean of each method."""
    figure, axes = pyplot.subplots(figsize=(6.4, 4.2), layout="constrained")
    for offset, (method, areas) in enumerate(scores.items()):
        at = np.array(sizes) * 1.05 ** (offset - 1)  # side by side
        axes.plot(at, areas.mean(axis=0), marker="o", label=method, color=f"C{offset}")
        axes.plot(at, areas.T, ".", alpha=0.4, color=f"C{offset}")
    axes.set(xscale="log", xlabel="samples", ylabel="area under the ROC curve, test")
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.minorticks_off()
    axes.grid(alpha=0.25)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def main(arguments: Sequence[str] | None = None) -> dict[str, Array]:
    """Compare, print the table and write the picture.

    Parameters
    ----------
    arguments : sequence of str, optional
        Command line; that of the process by default.

    Returns
    -------
    dict of str to ndarray, shape (seeds, sizes)
        Areas under the ROC curve on the test samples, by method.
    """
    command = Command("transfer", __doc__)
    command.add_argument("--fashion", type=Path, help="folder of the four files of Fashion-MNIST")
    command.add_argument("--data", type=Path, help="the file of PneumoniaMNIST")
    command.add_argument("--quick", action="store_true", help="two seeds, and fewer updates")
    command.add_output("transfer.png")
    options = command.parse_args(arguments)
    if (options.fashion is None) != (options.data is None):
        command.error("arguments --fashion and --data: give both, or none for digits")
    try:
        tasks = (
            digits() if options.data is None else clothes_and_chests(options.fashion, options.data)
        )
    except (OSError, ValueError) as error:
        command.error(str(error))

    seeds, updates = (QUICK_SEEDS, QUICK_UPDATES) if options.quick else (SEEDS, UPDATES)
    scores = compare(tasks, seeds, updates)
    print(f"Area under the ROC curve on {len(tasks.X_test)} test samples, {seeds} seeds")
    print(f"{'samples':<24}" + "".join(f"{size:>16,}" for size in tasks.sizes))
    for method, areas in scores.items():
        cells = zip(areas.mean(axis=0), areas.std(axis=0), strict=True)
        print(f"{method:<24}" + "".join(f"{mean:>9.3f} ± {std:.3f}" for mean, std in cells))
    for column, size in enumerate(tasks.sizes):
        best = max(scores, key=lambda method: scores[method][:, column].mean())
        print(f"Best with {size:,} samples: {best}")
    draw(scores, tasks.sizes, options.output)
    print(f"Picture: {options.output.resolve()}")
    return scores


if __name__ == "__main__":
    main()
