"""Networks of your own: five parts written in a few lines each, checked, and trained on real data.

An activation with a learned slope, focal loss, squeeze-and-excite, capsules with routing by
agreement, and a regression that predicts its own variance; the data ships with scikit-learn. They
stand in ``ganglion/examples/custom_parts.py``. Each is held against central differences, and beside
what it stands in for.
"""

# ruff: noqa: E402  the libraries are looked for before they are imported

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ganglion.examples.command import Command, require_libraries

require_libraries(__name__)

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.datasets import load_diabetes, load_digits
from sklearn.metrics import average_precision_score, precision_recall_curve
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from ganglion import Sequential, check_gradient, layers, optimizers, schedules
from ganglion.examples.custom_parts import (
    Capsules,
    GaussianLikelihood,
    LearnedSwish,
    Lengths,
    Margin,
    SqueezeExcite,
    focal_loss,
    squash,
)

Array = NDArray[Any]
BATCH_SIZE = 32


class Data(NamedTuple):
    """What is learned from, and what is tested on."""

    X: Array
    X_test: Array
    y: Array
    y_test: Array


class Found(NamedTuple):
    """What a part reached, beside what it stands in for, in some measure."""

    part: str
    measure: str
    own: float
    other: float


def digits(images: bool) -> Data:
    """Return the digits of scikit-learn, as rows or as images (8, 8, 1)."""
    X, y = load_digits(return_X_y=True)
    X = (X / 16.0).reshape(-1, 8, 8, 1) if images else X / 16.0
    return Data(*train_test_split(X, y, test_size=0.4, stratify=y, random_state=0))


def trained(chain: list[Any], loss: Any, data: Data, epochs: int, seed: int) -> Sequential:
    """Return a network that was trained with Adam, whose rate falls as a cosine."""
    steps = epochs * -(-len(data.X) // BATCH_SIZE)
    net = Sequential(
        chain,
        loss=loss,
        optimizer=optimizers.Adam(schedules.CosineDecay(5e-3, steps)),
        random_state=seed,
    )
    return net.fit(data.X, data.y, epochs=epochs, batch_size=BATCH_SIZE, verbose=0)


def error_rate(net: Sequential, data: Data) -> float:
    """Return the share of test samples whose class is not the one with the largest output."""
    return float((net.predict(data.X_test).argmax(axis=-1) != data.y_test).mean())


def learn_slopes(panel: Axes, epochs: int, seed: int) -> Found:
    """Train with learned slopes, and with the SiLU; draw the functions that were learned."""
    data = digits(images=False)
    nets = [
        trained(
            [layers.Dense(48), activation, layers.Dense(10, activation="softmax")],
            "sparse_categorical_crossentropy",
            data,
            epochs,
            seed,
        )
        for activation in (LearnedSwish(), layers.Activation("silu"))
    ]
    slopes = nets[0].get_weights()[nets[0].weight_names.index("learned_swish/slope")]
    x = np.linspace(-4.0, 3.0, 200)
    for slope in np.sort(slopes):
        panel.plot(x, x / (1.0 + np.exp(-slope * x)), color="C0", lw=0.7, alpha=0.5)
    panel.plot(x, x / (1.0 + np.exp(-x)), color="C1", lw=2, label="SiLU, slope 1")
    panel.plot([], [], color="C0", label=f"learned, {slopes.min():.1f} to {slopes.max():.1f}")
    panel.legend(frameon=False)
    panel.set(title="Activation with a learned slope", xlabel="x")
    return Found("LearnedSwish", "error on digits", *(error_rate(net, data) for net in nets))


def learn_few(panel: Axes, epochs: int, seed: int) -> Found:
    """Find the eights, one digit in ten: with focal loss, and with cross-entropy."""
    data = digits(images=False)
    eights = data._replace(y=data.y == 8, y_test=data.y_test == 8)
    precisions = []
    for gamma, label in ((2.0, "focal loss"), (0.0, "cross-entropy")):
        chain = [layers.Dense(16, activation="relu"), layers.Dense(1)]
        net = trained(chain, focal_loss(gamma=gamma), eights, epochs, seed)  # type: ignore[call-arg]
        logits = net.predict(eights.X_test)[:, 0]
        precision, recall, _ = precision_recall_curve(eights.y_test, logits)
        precisions.append(float(average_precision_score(eights.y_test, logits)))
        panel.step(recall, precision, where="post", label=label)
    panel.legend(frameon=False, loc="lower left")
    panel.set(title="Focal loss", xlabel="recall of eights", ylabel="precision")
    panel.set(xlim=(0.0, 1.02), ylim=(0.4, 1.02))
    return Found("focal loss", "average precision", *precisions)


def learn_channels(panel: Axes, epochs: int, seed: int) -> Found:
    """Train with channels that are scaled by what the image shows, and without; draw the shares."""
    data = digits(images=True)
    nets = []
    for scaling in ([SqueezeExcite()], []):
        chain = [
            layers.Conv2D(16, 3, activation="relu"),
            *scaling,
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
        loss = "sparse_categorical_crossentropy"
        nets.append(trained(chain, loss, data, epochs, seed))
    outputs = nets[0].layer_outputs(data.X_test)
    before, after = (outputs[name].sum(axis=(1, 2)) for name in ("conv2d", "squeeze_excite"))
    shares = np.divide(after, before, out=np.zeros_like(after), where=before > 0)
    means = np.array([shares[data.y_test == digit].mean(axis=0) for digit in range(10)])
    shown = panel.imshow(means, cmap="viridis", aspect="auto")
    panel.figure.colorbar(shown, ax=panel, label="share let through")
    panel.set(title="Squeeze-and-excite", xlabel="channel", ylabel="digit")
    panel.set(xticks=range(0, 16, 3), yticks=range(10))
    return Found("SqueezeExcite", "error on digits", *(error_rate(net, data) for net in nets))


def learn_capsules(panel: Axes, epochs: int, seed: int) -> Found:
    """Train capsules, and a dense network of as many outputs; draw how long the capsules are."""
    data = digits(images=True)
    below = [layers.Conv2D(32, 3, activation="relu"), layers.Conv2D(32, 3, strides=2)]
    capsules = [
        *below,
        layers.Reshape((-1, 8)),
        layers.Activation(squash),
        Capsules(10, 8),
        Lengths(),
    ]
    dense = [*below, layers.ReLU(), layers.Flatten(), layers.Dense(10, activation="softmax")]
    nets = [
        trained(chain, loss, data, epochs, seed)
        for chain, loss in ((capsules, Margin()), (dense, "sparse_categorical_crossentropy"))
    ]
    lengths = nets[0].predict(data.X_test)
    right = np.take_along_axis(lengths, data.y_test[:, np.newaxis], axis=1)[:, 0]
    others = lengths[np.arange(10) != data.y_test[:, np.newaxis]]
    bins = [0.025 * edge for edge in range(41)]
    panel.hist(right, bins, density=True, alpha=0.7, label="of the digit there")
    panel.hist(others, bins, density=True, alpha=0.7, label="of all others")
    panel.legend(frameon=False)
    panel.set(title="Capsules", xlabel="length", ylabel="density")
    return Found("Capsules", "error on digits", *(error_rate(net, data) for net in nets))


def learn_variance(panel: Axes, epochs: int, seed: int) -> Found:
    """Predict mean and variance of diabetes, and the mean alone; draw intervals of 90 %."""
    X, y = load_diabetes(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.4, random_state=0)
    inputs, targets = StandardScaler().fit(X), StandardScaler().fit(y[:, np.newaxis])
    columns = (targets.transform(part[:, np.newaxis])[:, 0] for part in (y, y_test))
    data = Data(inputs.transform(X), inputs.transform(X_test), *columns)
    chain = [layers.Dense(16, activation="tanh", kernel_regularizer="l2"), layers.Dense(2)]
    net = trained(chain, GaussianLikelihood(), data, epochs, seed)
    mean, log_variance = net.predict(data.X_test).T
    half = 1.645 * np.exp(0.5 * log_variance)
    order = np.argsort(half)
    place = np.arange(len(order))
    panel.fill_between(place, -half[order], half[order], color="C0", alpha=0.25, label="90 %")
    panel.plot(place, (data.y_test - mean)[order], "k.", ms=3, label="patient")
    panel.legend(frameon=False, ncols=2)
    panel.set(title="Predicted variance", xlabel="test patients, by width", ylabel="off by")
    spread = float(np.square(data.y - net.predict(data.X)[:, 0]).mean())
    errors = np.square(data.y_test - mean)
    own = 0.5 * (errors * np.exp(-log_variance) + log_variance + np.log(2 * np.pi)).mean()
    constant = 0.5 * (errors / spread + np.log(2 * np.pi * spread)).mean()
    return Found("GaussianLikelihood", "-log density", float(own), float(constant))


# What is learned, and the parts whose gradients are checked, on samples of a shape.
LEARNED: dict[Callable[[Axes, int, int], Found], list[tuple[Any, tuple[int, ...]]]] = {
    learn_slopes: [(LearnedSwish(), (5,))],
    learn_few: [(focal_loss(), (1,))],
    learn_channels: [(SqueezeExcite(2), (3, 4, 6))],
    learn_capsules: [(Capsules(3, 5), (6, 4)), (Margin(), (4,))],
    learn_variance: [(GaussianLikelihood(), (2,))],
}


def main(arguments: Sequence[str] | None = None) -> list[Found]:
    """Check the gradient of each part, train with it and without, draw what it learned.

    Parameters
    ----------
    arguments : sequence of str, optional
        Command line; that of the process by default.

    Returns
    -------
    list of Found
        A line of the table for each part.
    """
    command = Command("custom", __doc__)
    command.add_epochs(40)
    command.add_count("--networks", 5, "networks trained for each mean, with seeds from --seed on")
    command.add_output("custom.png")
    command.add_seed()
    options = command.parse_args(arguments)

    figure = Figure(figsize=(13, 7.4), layout="constrained")
    panels = figure.subplot_mosaic([[0, 0, 1, 1, 2, 2], [3, 3, 3, 4, 4, 4]])
    print(f"{'part':<20}{'gradient off by':>16}  {'measure':<19}{'own':>8}{'without':>9}{'s':>6}")
    table = []
    for index, (learn, checked) in enumerate(LEARNED.items()):
        off = max(check_gradient(part, shape) for part, shape in checked)
        started = time.perf_counter()
        every = []
        for number in range(options.networks):
            panel = Figure().subplots() if number else panels[index]  # the first is shown
            every.append(learn(panel, options.epochs, options.seed + number))
        seconds = time.perf_counter() - started
        own, other = np.mean([(found.own, found.other) for found in every], axis=0)
        found = every[0]._replace(own=float(own), other=float(other))
        print(
            f"{found.part:<20}{off:>16.0e}  {found.measure:<19}{found.own:>8.3f}"
            f"{found.other:>9.3f}{seconds:>6.1f}"
        )
        panels[index].spines[["top", "right"]].set_visible(False)
        table.append(found)
    figure.savefig(options.output, dpi=110)
    print(f"\nPicture: {options.output.resolve()}")
    return table


if __name__ == "__main__":
    main()
