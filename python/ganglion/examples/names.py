"""Tell which language a name is from, letter by letter.

The names are made: three languages that there are not, each with syllables of its own from letters
that all share, so that a single letter tells little. Names of a file of yours are taken by
``--data``: a name and its class in each line, with a comma between. A fifth is kept for the test. A
recurrent network that reads the letters is set beside a regression on how often each letter, pair
and triple is there.
"""

# ruff: noqa: E402  the libraries are looked for before they are imported

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ganglion.examples.command import Command, require_libraries

require_libraries(__name__)

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline

from ganglion import NeuralClassifier, TextVectorization, layers

Array = NDArray[Any]
# Names made of each language, and letters of a name that are looked at.
MADE, LENGTH = 600, 16
# Letters that begin and end the syllables of a language; the vowels are between.
LANGUAGES = {
    "Avani": (["k", "t", "s", "m", "r"], ["", "", "n"]),
    "Borun": (["k", "b", "t", "m", "r", "s"], ["r", "n", "", "k"]),
    "Cesti": (["st", "t", "s", "k", "m"], ["", "s", "r"]),
}


def made() -> tuple[list[str], list[str]]:
    """Return names and their languages."""
    random = np.random.default_rng(0)
    names, origins = [], []
    for language, (begins, ends) in LANGUAGES.items():
        for _ in range(MADE):
            syllables = [
                random.choice(begins) + random.choice(list("aeiou")) + random.choice(ends)
                for _ in range(random.integers(2, 5))
            ]
            names.append("".join(syllables).capitalize())
            origins.append(language)
    return names, origins


def listed(path: Path) -> tuple[list[str], list[str]]:
    """Read names and their classes."""
    names, origins = [], []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        name, comma, origin = line.rpartition(",")
        if not comma:
            raise ValueError(f"{path}, line {number}: must be a name, a comma, a class: {line!r}")
        names.append(name.strip())
        origins.append(origin.strip())
    return names, origins


def network(epochs: int, seed: int) -> Pipeline:
    """Return letters, their vectors, a network that reads them from both ends."""
    return make_pipeline(
        TextVectorization(100, split="character", output_sequence_length=LENGTH),
        NeuralClassifier(
            [
                layers.Embedding(100, 16, mask_zero=True),
                layers.Bidirectional(layers.GRU(32)),
                layers.Dropout(0.3),
            ],
            learning_rate=3e-3,
            epochs=epochs,
            random_state=seed,
        ),
    )


def regression() -> Pipeline:
    """Return a regression on letters, pairs and triples."""
    counts = CountVectorizer(analyzer="char_wb", ngram_range=(1, 3))
    return make_pipeline(counts, LogisticRegression(max_iter=1000))


def main(arguments: Sequence[str] | None = None) -> dict[str, float]:
    """Train, print the accuracies and some names that were mistaken, and write the picture.

    Parameters
    ----------
    arguments : sequence of str, optional
        Command line; that of the process by default.

    Returns
    -------
    dict of str to float
        Accuracy on the test names of the network and of the regression.
    """
    command = Command("names", __doc__)
    command.add_argument("--data", type=Path, help="a file of names and classes (made without)")
    command.add_epochs(20)
    command.add_output("names.png")
    command.add_seed()
    options = command.parse_args(arguments)
    try:
        names, origins = made() if options.data is None else listed(options.data)
        train, test, y_train, y_test = train_test_split(
            names, origins, test_size=0.2, stratify=origins, random_state=0
        )
    except (OSError, ValueError) as error:
        command.error(str(error))

    print(f"{len(train):,} names to learn from, {len(test):,} to test on\n")
    models = {"network": network(options.epochs, options.seed), "regression": regression()}
    found = {}
    for name, model in models.items():
        found[name] = float(model.fit(train, y_train).score(test, y_test))
        print(f"{name:<12}{found[name]:>8.3f}")
    predicted = models["network"].predict(test)
    mistaken = [row for row, answer in enumerate(predicted) if answer != y_test[row]]
    print("\nMistaken:")
    for row in mistaken[:5]:
        print(f"  {test[row]:<16} is {y_test[row]}, taken for {predicted[row]}")

    figure = Figure(figsize=(5, 4.4), layout="constrained")
    panel = figure.subplots()
    ConfusionMatrixDisplay.from_predictions(
        y_test, predicted, ax=panel, cmap="Blues", colorbar=False
    )
    panel.set(xlabel="taken for", ylabel="is")
    figure.savefig(options.output, dpi=110)
    print(f"\nPicture: {options.output.resolve()}")
    return found


if __name__ == "__main__":
    main()
