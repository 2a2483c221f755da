"""Tell who earns over 50,000 dollars: numbers, categories and gaps, from files you have.

The files are those of the Adult (Census Income) data of UCI: ``adult-train.csv`` and
``adult-test.csv``, which are its ``adult.data``, and its ``adult.test`` without the first line.
First the data is inspected, then a network is trained behind a preprocessor and measured, for women
and for men too. Ten seeds gave accuracies from 0.8558 to 0.8598 on the test rows, 0.8577 in the
mean.
"""

# ruff: noqa: E402  the libraries are looked for before they are imported

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ganglion.examples.command import Command, require_libraries

require_libraries(__name__, pandas="tabular")

import pandas
from sklearn.pipeline import make_pipeline

from ganglion import NeuralClassifier, TabularPreprocessor, inspect_data, metrics_by_group

COLUMNS = [
    *["age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation"],
    *["relationship", "race", "sex", "capital-gain", "capital-loss", "hours-per-week"],
    *["native-country", "income"],
]


def main(arguments: Sequence[str] | None = None) -> float:
    """Inspect, train, and print how good the predictions are.

    Parameters
    ----------
    arguments : sequence of str, optional
        Command line; that of the process by default.

    Returns
    -------
    float
        Accuracy on the test rows.
    """
    command = Command("adult", __doc__)
    command.add_argument("--data", type=Path, required=True, help="folder of the two CSV files")
    command.add_epochs(20)
    command.add_seed()
    options = command.parse_args(arguments)
    try:
        X_train, y_train = _read(options.data / "adult-train.csv")
        X_test, y_test = _read(options.data / "adult-test.csv")
    except (OSError, ValueError) as error:
        command.error(str(error))

    print(inspect_data(X_train, y_train, X_test, y_test))
    # A few people gained a hundred thousand dollars, most nothing: quantiles bring them near.
    model = make_pipeline(
        TabularPreprocessor(scaling="quantile"),
        NeuralClassifier(
            [64],
            dropout=0.2,
            epochs=options.epochs,
            batch_size=128,
            random_state=options.seed,
            verbose="auto",
        ),
    )
    model.fit(X_train, y_train)
    report = metrics_by_group(model, X_test, y_test, "sex")
    accuracy = report.overall["accuracy"]
    print(f"\nTest accuracy {accuracy:.4f} after {options.epochs} epochs\n\n{report}")
    return accuracy


def _read(path: Path) -> tuple[Any, Any]:
    table = pandas.read_csv(path, header=None, names=COLUMNS, na_values="?", skipinitialspace=True)
    # The labels of the test file end in a full stop.
    return table.drop(columns="income"), table["income"].str.rstrip(".")


if __name__ == "__main__":
    main()
