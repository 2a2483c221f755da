"""Recognise handwritten digits: a network as the last step of a scikit-learn pipeline.

The data ships with scikit-learn: 1797 images of 8 x 8 pixels. A quarter is kept for the test, and
the network stops when a tenth of the rest, held out, is predicted no better.
"""

# ruff: noqa: E402  the libraries are looked for before they are imported

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ganglion.examples.command import Command, require_libraries

require_libraries(__name__)

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler

from ganglion import NeuralClassifier, plot


def main(arguments: Sequence[str] | None = None) -> dict[str, float]:
    """Train, print a report, save the learning curves.

    Parameters
    ----------
    arguments : sequence of str, optional
        Command line; that of the process by default.

    Returns
    -------
    dict of str to float
        Accuracy, and precision, recall and F1 averaged over the classes, on the test images.
    """
    command = Command("digits", __doc__)
    command.add_output("digits.png")
    command.add_seed()
    options = command.parse_args(arguments)

    images, digits = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(
        images, digits, test_size=0.25, stratify=digits, random_state=0
    )
    model = Pipeline(
        [
            ("scale", MinMaxScaler()),
            (
                "network",
                NeuralClassifier(
                    [256, 128],
                    dropout=0.4,
                    epochs=100,
                    early_stopping=True,
                    patience=25,
                    metrics=["accuracy"],
                    random_state=options.seed,
                    verbose="auto",
                ),
            ),
        ]
    )
    model.fit(X_train, y_train)

    scores = _report(y_test, model.predict(X_test))
    _draw(model, X_test, y_test, options.output)
    print(f"\nLearning curves: {options.output.resolve()}")
    return scores


def _report(y_true: np.ndarray, y_predicted: np.ndarray) -> dict[str, float]:
    accuracy = float(accuracy_score(y_true, y_predicted))
    precision, recall, f1, _ = precision_recall_fscore_support(y_true, y_predicted, average="macro")
    scores = {
        "accuracy": accuracy,
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(f1),
    }
    print(f"\nTest images: {len(y_true)}")
    for name, value in scores.items():
        print(f"{name:>10}  {value:.4f}")
    print("\nConfusion matrix (rows: true digit, columns: predicted)\n")
    print("     " + "".join(f"{digit:4d}" for digit in range(10)))
    for digit, row in enumerate(confusion_matrix(y_true, y_predicted)):
        print(f"{digit:4d} " + "".join(f"{count or '.':>4}" for count in row))
    return scores


def _draw(model: Pipeline, X_test: np.ndarray, y_test: np.ndarray, path: Path) -> None:
    figure = Figure(figsize=(15, 4.4), layout="constrained")
    loss, accuracy, matrix = figure.subplots(1, 3)
    plot.learning_curves(model["network"], ["loss", "accuracy"], ax=[loss, accuracy])
    plot.confusion_matrix(model, X_test, y_test, ax=matrix)
    matrix.set_title("test images", fontsize="medium")
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
