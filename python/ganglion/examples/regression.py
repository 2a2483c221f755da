"""Predict how far diabetes advances in a year, and see how descent and optimizer matter.

The data ships with scikit-learn: 442 patients, 10 measurements each. The same network is trained by
batch, mini-batch and stochastic gradient descent, and by six optimizers; one table and one picture
show what each reached in the same number of epochs.
"""

# ruff: noqa: E402  the libraries are looked for before they are imported

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ganglion.examples.command import Command, require_libraries

require_libraries(__name__)

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score, root_mean_squared_error
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ganglion import NeuralRegressor, optimizers


@dataclass(frozen=True)
class Method:
    """One way to train: a row of the table and a curve of the picture."""

    name: str
    optimizer: optimizers.Optimizer
    batch_size: int | None = 32


METHODS = [
    Method("SGD, batch", optimizers.SGD(0.1), None),
    Method("SGD, stochastic", optimizers.SGD(0.001), 1),
    Method("SGD, mini-batch", optimizers.SGD(0.02)),
    Method("Momentum", optimizers.SGD(0.005, momentum=0.9)),
    Method("Adagrad", optimizers.Adagrad(0.02)),
    Method("Adadelta", optimizers.Adadelta(1.0)),
    Method("RMSprop", optimizers.RMSprop(0.002)),
    Method("Adam", optimizers.Adam(0.002)),
]
# The two panels of the picture: by batch size, and by optimizer at the same batch size.
DESCENTS, OPTIMIZERS = slice(0, 3), slice(2, None)


@dataclass(frozen=True)
class Outcome:
    """What a method reached."""

    method: Method
    losses: list[float]
    updates: int
    seconds: float
    rmse: float
    r2: float


def main(arguments: Sequence[str] | None = None) -> list[Outcome]:
    """Train by every method, print the table, save the picture.

    Parameters
    ----------
    arguments : sequence of str, optional
        Command line; that of the process by default.

    Returns
    -------
    list of Outcome
        In the order of the table.
    """
    command = Command("regression", __doc__)
    command.add_output("regression.png")
    command.add_epochs(40)
    command.add_seed()
    options = command.parse_args(arguments)

    X, y = load_diabetes(return_X_y=True)
    data = train_test_split(X, y, test_size=0.25, random_state=0)
    outcomes = [_train(method, data, options.epochs, options.seed) for method in METHODS]
    _print_table(outcomes, options.epochs)
    _print_yardstick(data)
    _draw(outcomes, options.output)
    print(f"\nLoss curves: {options.output.resolve()}")
    return outcomes


def _train(method: Method, data: Sequence[np.ndarray], epochs: int, seed: int) -> Outcome:
    X_train, X_test, y_train, y_test = data
    network = NeuralRegressor(
        [16, 8],
        optimizer=method.optimizer,
        batch_size=method.batch_size,
        epochs=epochs,
        random_state=seed,
    )
    # Inputs and target are both brought to mean 0 and deviation 1; predictions are brought back.
    model = TransformedTargetRegressor(
        make_pipeline(StandardScaler(), network), transformer=StandardScaler()
    )
    started = time.perf_counter()
    model.fit(X_train, y_train)
    seconds = time.perf_counter() - started
    predicted = model.predict(X_test)
    return Outcome(
        method=method,
        losses=model.regressor_[-1].history_["loss"],
        updates=epochs * int(np.ceil(len(X_train) / (method.batch_size or len(X_train)))),
        seconds=seconds,
        rmse=float(root_mean_squared_error(y_test, predicted)),
        r2=float(r2_score(y_test, predicted)),
    )


def _print_table(outcomes: Sequence[Outcome], epochs: int) -> None:
    print(f"Diabetes data, network 10-16-8-1, {epochs} epochs, tested on a quarter\n")
    print(
        f"{'method':<20}{'rate':>7}{'batch':>7}{'updates':>9}{'seconds':>9}"
        f"{'loss':>8}{'RMSE':>8}{'R2':>7}"
    )
    for outcome in outcomes:
        method = outcome.method
        print(
            f"{method.name:<20}{method.optimizer.learning_rate:>7g}{method.batch_size or 'all':>7}"
            f"{outcome.updates:>9}{outcome.seconds:>9.3f}{outcome.losses[-1]:>8.3f}"
            f"{outcome.rmse:>8.1f}{outcome.r2:>7.3f}"
        )
    print("\nloss: of training, target scaled; RMSE and R2: of the test, in the target's own unit")


def _print_yardstick(data: Sequence[np.ndarray]) -> None:
    X_train, X_test, y_train, y_test = data
    predicted = LinearRegression().fit(X_train, y_train).predict(X_test)
    rmse, r2 = root_mean_squared_error(y_test, predicted), r2_score(y_test, predicted)
    print(f"For comparison, linear regression: RMSE {rmse:.1f}, R2 {r2:.3f}")


def _draw(outcomes: Sequence[Outcome], path: Path) -> None:
    figure = Figure(figsize=(12, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for panel, title, shown in (
        (left, "how many samples an update sees", outcomes[DESCENTS]),
        (right, "which optimizer (batches of 32)", outcomes[OPTIMIZERS]),
    ):
        for outcome in shown:
            epochs = range(1, len(outcome.losses) + 1)
            color = f"C{METHODS.index(outcome.method)}"  # the same in both panels
            panel.plot(epochs, outcome.losses, color=color, label=outcome.method.name)
        panel.set(title=title, xlabel="epoch", yscale="log")
        panel.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 3.0, 4.0, 6.0)))
        panel.yaxis.set_major_formatter("{x:g}")
        panel.yaxis.set_minor_locator(NullLocator())
        panel.grid(alpha=0.25)
        panel.spines[["top", "right"]].set_visible(False)
        panel.legend(frameon=False)
    left.set_ylabel("training loss (mean squared error, target scaled)")
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
