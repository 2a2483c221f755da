"""Read a text character by character until one can go on with it: a model of its language.

With ``--data`` a text file of your own, such as Shakespeare's plays in one (1.1 MB) of
https://github.com/karpathy/char-rnn; without, what scikit-learn says of its data sets. The last
tenth of the text is not trained on. The loss is in nats a character: the mean of -log of the
probability that the model gave to the one that came.

Of Shakespeare 1.434 were left after 18 minutes on two processors that others used too (seed 0).
"""

# ruff: noqa: E402  the libraries are looked for before they are imported

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ganglion.examples.command import Command, require_libraries

require_libraries(__name__)

from matplotlib.figure import Figure
from sklearn import datasets

from ganglion import Sequential, TextVectorization, layers, losses, optimizers, plot, schedules

STEPS = 128  # characters through which the gradient goes back
LONG = 512  # characters read on end when the loss of held-out text is taken
LARGE = 500_000  # characters of a text that is worth a large network
SPECIAL = 2  # first ids, which are no characters: padding, and what was not in the text


def network(vocabulary: int, units: int, dropout: float) -> list[layers.Layer]:
    """Return two LSTMs over embedded characters, and a prediction at each step."""
    return [
        layers.Input((None,)),
        layers.Embedding(vocabulary, 64),
        layers.LSTM(units, return_sequences=True),
        layers.Dropout(dropout),
        layers.LSTM(units, return_sequences=True),
        layers.Dropout(dropout),
        layers.Dense(vocabulary),
    ]


class Losses(NamedTuple):
    """Nats a character of the held-out text, of the model and by how often each character comes."""

    model: float
    by_frequency: float


def main(arguments: Sequence[str] | None = None) -> Losses:
    """Train, report the loss of held-out text, and print what the model goes on with.

    Parameters
    ----------
    arguments : sequence of str, optional
        Command line; that of the process by default.

    Returns
    -------
    Losses
        Of the held-out text.
    """
    command = Command("characters", __doc__)
    command.add_argument("--data", type=Path, help="text file")
    command.add_count("--units", None, "of each LSTM")
    command.add_epochs(None)
    command.add_seed()
    command.add_output("characters.png")
    options = command.parse_args(arguments)
    try:
        text = _descriptions() if options.data is None else options.data.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        command.error(str(error))
    if len(text) < 20 * STEPS:
        command.error(f"the text has {len(text)} characters, at least {20 * STEPS} are needed")

    large = len(text) >= LARGE
    units = options.units or (512 if large else 96)
    epochs = options.epochs or (16 if large else 40)
    end = len(text) * 9 // 10
    vectorization = TextVectorization(standardize=None, split="character", ragged=True).fit(
        [text[:end]]
    )
    ids = vectorization.transform([text])[0]
    X, y = _pieces(ids[:end], STEPS)
    batch_size, rate = (32, 2e-3) if large else (8, 5e-3)
    steps = epochs * -(-len(X) // batch_size)
    net = Sequential(
        network(len(vectorization.vocabulary_), units, 0.4 if large else 0.2),
        loss=losses.SparseCategoricalCrossentropy(from_logits=True),
        optimizer=optimizers.Adam(schedules.CosineDecay(rate, decay_steps=steps), clipnorm=1.0),
        random_state=options.seed,
    )
    held_out = _pieces(ids[end:], min(LONG, (len(ids) - end) // 4))
    started = time.perf_counter()
    net.fit(X, y, batch_size=batch_size, epochs=epochs, validation_data=held_out)
    seconds = time.perf_counter() - started
    found = Losses(net.evaluate(*held_out)["loss"], _by_frequency(ids[:end], ids[end:]))
    print(f"{len(text)} characters, {len(vectorization.vocabulary_) - SPECIAL} different ones")
    print(f"Held-out text: {found.model:.4f} nats a character, {epochs} epochs in {seconds:.0f} s")
    print(f"By how often each character comes it would be {found.by_frequency:.4f}")

    begin = slice(end, end + 40)
    following = net.generate(ids[begin], 400, temperature=0.8, random_state=options.seed)
    said = "".join(vectorization.vocabulary_[i] for i in following if i >= SPECIAL)
    print(f"\n{text[begin]}|{said}")
    _draw(net, options.output)
    print(f"\nLearning curve: {options.output.resolve()}")
    return found


def _descriptions() -> str:
    """Return some 20,000 characters of plain text that scikit-learn brings."""
    loaders = (
        datasets.load_iris,
        datasets.load_wine,
        datasets.load_diabetes,
        datasets.load_breast_cancer,
        datasets.load_digits,
        datasets.load_linnerud,
    )
    return "\n".join(loader().DESCR for loader in loaders)


def _pieces(ids: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Return text in pieces, (n, steps), and for each character the one that follows it."""
    count = (len(ids) - 1) // steps
    return ids[: count * steps].reshape(count, steps), ids[1 : count * steps + 1].reshape(
        count, steps
    )


def _by_frequency(ids: np.ndarray, held_out: np.ndarray) -> float:
    counts = np.bincount(ids, minlength=int(held_out.max()) + 1) + 1
    return float(-np.log(counts / counts.sum())[held_out].mean())


def _draw(net: Sequential, path: Path) -> None:
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    plot.learning_curves(net, ["loss"], ax=[axes])
    axes.set_ylabel("nats a character")
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
