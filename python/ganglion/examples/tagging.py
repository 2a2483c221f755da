"""Name the part of speech of every word: a tag for each step of a sequence.

The sentences come from a small grammar in which most words can be two things: "light" is a noun,
an adjective or a verb, as the words around it have it. So the tag that a word has most often is
often wrong. A recurrent network that reads a sentence from both ends is set beside that yardstick,
and beside a network that sees each word alone. Sentences are padded, and padding counts nowhere.
"""

# ruff: noqa: E402  the libraries are looked for before they are imported

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ganglion.examples.command import Command, require_libraries

require_libraries(__name__)

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ganglion import Sequential, TextVectorization, layers, optimizers

Array = NDArray[Any]
WORDS = {
    "determiner": ["the", "a", "this", "that"],
    "adjective": ["light", "fast", "cold", "plain", "old", "round"],
    "noun": ["light", "cold", "plain", "run", "walk", "round", "dog", "that"],
    "verb": ["light", "run", "walk", "round", "fast", "saw"],
    "adverb": ["fast", "round", "now", "old"],
}
TAGS = list(WORDS)
# Sentences to learn from and to test on.
TRAIN, TEST = 3000, 1000


def sentence(random: np.random.Generator) -> list[tuple[str, str]]:
    """Return words and tags: a noun phrase, a verb, at times another phrase and an adverb."""
    tags = phrase(random) + ["verb"]
    if random.random() < 0.6:
        tags += phrase(random)
    if random.random() < 0.5:
        tags.append("adverb")
    return [(str(random.choice(WORDS[tag])), tag) for tag in tags]


def phrase(random: np.random.Generator) -> list[str]:
    """Return the tags of a noun phrase."""
    return ["determiner", *["adjective"] * int(random.integers(0, 3)), "noun"]


def sentences(count: int, seed: int) -> tuple[list[str], list[list[str]]]:
    """Return sentences as texts, and their tags."""
    random = np.random.default_rng(seed)
    drawn = [sentence(random) for _ in range(count)]
    return [" ".join(word for word, _ in one) for one in drawn], [[t for _, t in o] for o in drawn]


def padded(tags: Sequence[Sequence[str]], length: int) -> Array:
    """Return the numbers of tags (n, length), 0 where a sentence has ended."""
    numbers = np.zeros((len(tags), length), dtype=int)
    for row, of_one in zip(numbers, tags, strict=True):
        row[: len(of_one)] = [TAGS.index(tag) for tag in of_one]
    return numbers


def network(vocabulary: int, in_context: bool, seed: int) -> Sequential:
    """Return a network of word vectors, with or without what is around a word."""
    around = [layers.Bidirectional(layers.GRU(24, return_sequences=True))] if in_context else []
    return Sequential(
        [
            layers.Embedding(vocabulary, 16, mask_zero=True),
            *around,
            layers.Dense(len(TAGS), activation="softmax"),
        ],
        loss="sparse_categorical_crossentropy",
        optimizer=optimizers.Adam(5e-3),
        random_state=seed,
    )


def most_frequent(texts: Sequence[str], tags: Sequence[Sequence[str]]) -> dict[str, str]:
    """Return the tag that each word has most often."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for text, of_one in zip(texts, tags, strict=True):
        for word, tag in zip(text.split(), of_one, strict=True):
            counts[word][tag] += 1
    return {word: found.most_common(1)[0][0] for word, found in counts.items()}


def draw(text: str, probabilities: Array, path: Path) -> None:
    """Draw what the network says of each word of a sentence; probabilities (steps, tags)."""
    words = text.split()
    figure = Figure(figsize=(0.8 * len(words) + 2, 3.2), layout="constrained")
    panel = figure.subplots()
    image = panel.imshow(probabilities[: len(words)].T, vmin=0, vmax=1, cmap="Blues", aspect="auto")
    panel.set_xticks(range(len(words)), words)
    panel.set_yticks(range(len(TAGS)), TAGS)
    figure.colorbar(image, ax=panel, label="probability")
    figure.savefig(path, dpi=110)


def main(arguments: Sequence[str] | None = None) -> dict[str, float]:
    """Train, print the share of words that are tagged right, and write the picture.

    Parameters
    ----------
    arguments : sequence of str, optional
        Command line; that of the process by default.

    Returns
    -------
    dict of str to float
        Share of the test words tagged right, by method.
    """
    command = Command("tagging", __doc__)
    command.add_epochs(8)
    command.add_output("tagging.png")
    command.add_seed()
    options = command.parse_args(arguments)

    texts, tags = sentences(TRAIN, seed=1)
    test_texts, test_tags = sentences(TEST, seed=2)
    text = TextVectorization().fit(texts)
    X, X_test = text.transform(texts), text.transform(test_texts)
    y, y_test = (padded(part, X.shape[1]) for part in (tags, test_tags))
    spoken = X_test > 0

    usual = most_frequent(texts, tags)
    guesses = [[usual[word] for word in one.split()] for one in test_texts]
    answers = {"most frequent tag": padded(guesses, X.shape[1])}
    for name, in_context in (("network, word alone", False), ("network, in context", True)):
        net = network(len(text.vocabulary_), in_context, options.seed)
        net.fit(X, y, epochs=options.epochs)
        probabilities = net.predict(X_test)
        answers[name] = probabilities.argmax(axis=-1)
    print(f"\n{spoken.sum():,} words of {TEST:,} sentences, tagged right")
    found = {}
    for name, answer in answers.items():
        found[name] = float((answer == y_test)[spoken].mean())
        print(f"{name:<22}{found[name]:>8.3f}")
    longest = int(spoken.sum(axis=1).argmax())
    draw(test_texts[longest], probabilities[longest], options.output)
    print(f"\nPicture: {options.output.resolve()}")
    return found


if __name__ == "__main__":
    main()
