"""Learn to add by reading: "12+35" goes in, letter by letter, and "47" comes out.

The answer has another length than the question, so one recurrent network reads the question into
one vector, and another one writes the answer from it. Both see characters and are told no
arithmetic. Questions of the test were never seen in training, nor was the same sum with its numbers
exchanged.
"""

# ruff: noqa: E402  the libraries are looked for before they are imported

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from ganglion.examples.command import Command, require_libraries

require_libraries(__name__)

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ganglion import Sequential, TextVectorization, layers, optimizers, schedules

Array = NDArray[Any]
# Numbers are less than this; a tenth of the pairs is for the test.
LIMIT = 100
QUESTION, ANSWER = len("99+99"), len("198")
BATCH_SIZE = 64
CHARACTERS = [*"0123456789+"]


def questions() -> tuple[tuple[list[str], list[str]], tuple[list[str], list[str]]]:
    """Return questions and answers to learn from, and others to test on."""
    random = np.random.default_rng(0)
    pairs = np.array([(a, b) for a in range(LIMIT) for b in range(a, LIMIT)])
    random.shuffle(pairs)
    parts = []
    for part in (pairs[len(pairs) // 10 :], pairs[: len(pairs) // 10]):
        both = np.concatenate([part, part[part[:, 0] < part[:, 1]][:, ::-1]])
        parts.append(([f"{a}+{b}" for a, b in both], [str(a + b) for a, b in both]))
    return parts[0], parts[1]


def network(epochs: int, samples: int, seed: int) -> Sequential:
    """Return a network that reads into a vector, which is repeated for the one that writes."""
    steps = epochs * -(-samples // BATCH_SIZE)
    numbers = len(CHARACTERS) + 2  # padding and unknown
    return Sequential(
        [
            layers.Embedding(numbers, 16, mask_zero=True),
            layers.GRU(128),
            layers.RepeatVector(ANSWER),
            layers.GRU(128, return_sequences=True),
            layers.Dense(numbers, activation="softmax"),
        ],
        loss="sparse_categorical_crossentropy",
        optimizer=optimizers.Adam(schedules.CosineDecay(5e-3, steps), clipnorm=1.0),
        random_state=seed,
    )


def main(arguments: Sequence[str] | None = None) -> dict[str, float]:
    """Train, print some answers and how many are right to the last digit, write the picture.

    Parameters
    ----------
    arguments : sequence of str, optional
        Command line; that of the process by default.

    Returns
    -------
    dict of str to float
        Share of the test questions that are answered right, and of the digits.
    """
    command = Command("sums", __doc__)
    command.add_epochs(30)
    command.add_output("sums.png")
    command.add_seed()
    options = command.parse_args(arguments)

    (train, y_train), (test, y_test) = questions()
    reading, writing = (
        TextVectorization(
            standardize=None,
            split="character",
            vocabulary=CHARACTERS,
            output_sequence_length=length,
        )
        for length in (QUESTION, ANSWER)
    )
    X, X_test = reading.fit(train).transform(train), reading.transform(test)
    y, y_true = writing.fit(y_train).transform(y_train), writing.transform(y_test)
    print(f"{len(X):,} questions to learn from, {len(X_test):,} to test on")
    started = time.perf_counter()
    net = network(options.epochs, len(X), options.seed)
    net.fit(X, y, epochs=options.epochs, batch_size=BATCH_SIZE)
    print(f"{options.epochs} epochs in {time.perf_counter() - started:.0f} s\n")

    numbers = net.predict(X_test).argmax(axis=-1)
    answers = writing.inverse_transform(numbers)
    for question, answer, truth in zip(test[:8], answers, y_test, strict=False):
        print(f"{question:>6} = {answer:<4}{'' if answer == truth else f'(it is {truth})'}")
    right = (numbers == y_true).all(axis=1)
    found = {"answers": float(right.mean()), "digits": float((numbers == y_true).mean())}
    print(f"\n{found['answers']:.1%} of the answers are right, {found['digits']:.1%} of the digits")

    figure = Figure(figsize=(5.4, 4.6), layout="constrained")
    panel = figure.subplots()
    first, second = np.array([question.split("+") for question in test], dtype=int).T
    for shown, color, label in ((right, "0.8", "right"), (~right, "C3", "wrong")):
        panel.plot(first[shown], second[shown], ".", color=color, ms=5, label=label)
    panel.set(xlabel="first number", ylabel="second number", title="test questions", aspect="equal")
    panel.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    figure.savefig(options.output, dpi=110)
    print(f"Picture: {options.output.resolve()}")
    return found


if __name__ == "__main__":
    main()
