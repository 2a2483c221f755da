"""Texts as sequences of token numbers, and back."""

from __future__ import annotations

import os
import string
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ganglion import files, tensors
from ganglion.arguments import names_arguments
from ganglion.errors import check_boolean, check_choice, check_count
from ganglion.estimators.failing import left_whole

PADDING, UNKNOWN = 0, 1
# What these two numbers are in a vocabulary, as in Keras.
_SPECIAL = ["", "[UNK]"]
_WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)
_STANDARDIZE: dict[str | None, Callable[[str], str]] = {
    None: str,
    "lower": str.lower,
    "strip_punctuation": lambda text: text.translate(_WITHOUT_PUNCTUATION),
    "lower_and_strip_punctuation": lambda text: text.lower().translate(_WITHOUT_PUNCTUATION),
}
_SPLIT: dict[str | None, Callable[[str], list[str]]] = {
    None: lambda text: [text],
    "whitespace": str.split,
    "character": list,
}
_COUNTING = "scikit-learn's CountVectorizer and TfidfVectorizer count and weigh tokens"
_ELSEWHERE = {
    "output_mode": f"numbers in the order of the text; {_COUNTING}",
    "ngrams": f"single tokens; {_COUNTING}, ngram_range among their settings",
    "idf_weights": f"left to others: {_COUNTING}",
}


class TextVectorization(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Turn texts into rows of token numbers, which `layers.Embedding` takes.

    Tokens are words or characters. Number 0 pads, 1 stands for every token that is not in the
    vocabulary; the others go by how often a token is in the texts that ``fit`` saw, the most
    frequent first, and of equally frequent ones the last in the alphabet, as in Keras.

    For bags of words take scikit-learn's ``CountVectorizer`` or ``TfidfVectorizer``: networks read
    their sparse matrices as they are. So of Keras's settings ``output_mode`` and ``ngrams`` are
    missing.

    Parameters
    ----------
    max_tokens : int or None, default=None
        Most entries of the vocabulary, those for padding and unknown tokens among them.
    standardize : str, callable or None, default="lower_and_strip_punctuation"
        What is done to each text first: that, ``"lower"``, ``"strip_punctuation"``, nothing, or a
        function from text to text.
    split : {"whitespace", "character"}, callable or None, default="whitespace"
        What tokens are; a function returns the list of a text's tokens. None has each text be one.
    output_sequence_length : int or None, default=None
        Tokens of a row: longer texts lose their end, shorter ones are padded with 0. None for the
        length of the longest text that ``fit`` saw (Keras: of each call, so that the columns of
        training and test would differ).
    vocabulary : sequence of str or None, default=None
        The tokens, when they are known; ``fit`` then learns the length alone.
    ragged : bool, default=False
        Whether to return a list of arrays, each as long as its text, in the place of padded rows.

    Attributes
    ----------
    vocabulary_ : list of str
        The token of each number, from ``""`` for 0 and ``"[UNK]"`` for 1 on. ``len(vocabulary_)``
        is the ``input_dim`` of the embedding.
    sequence_length_ : int or None
        Tokens of a row; None when ``ragged``.

    Examples
    --------
    >>> from ganglion import TextVectorization
    >>> text = TextVectorization().fit(["A good film.", "Good, but long"])
    >>> text.vocabulary_
    ['', '[UNK]', 'good', 'long', 'film', 'but', 'a']
    >>> numbers = text.transform(["A long, long night!", "Good"])
    >>> numbers.tolist()
    [[6, 3, 3], [2, 0, 0]]
    >>> text.inverse_transform(numbers)
    ['a long long', 'good']
    """

    @names_arguments("TextVectorization", _ELSEWHERE)
    def __init__(
        self,
        max_tokens: int | None = None,
        *,
        standardize: str | Callable[[str], str] | None = "lower_and_strip_punctuation",
        split: str | Callable[[str], Sequence[str]] | None = "whitespace",
        output_sequence_length: int | None = None,
        vocabulary: Sequence[str] | None = None,
        ragged: bool = False,
    ) -> None:
        self.max_tokens = max_tokens
        self.standardize = standardize
        self.split = split
        self.output_sequence_length = output_sequence_length
        self.vocabulary = vocabulary
        self.ragged = ragged

    def fit(self, X: Any, y: Any = None) -> TextVectorization:
        """Learn the vocabulary, and how long the texts are.

        Parameters
        ----------
        X : sequence of str, shape (n_texts,)
            A list, an array, a column of a frame.
        y : ignored
            For pipelines.

        Returns
        -------
        TextVectorization
            Itself, fitted.

        Raises
        ------
        TypeError
            For what is no text, naming its row.
        ValueError
            For no texts, and settings out of range.
        """
        self._check_settings()
        counts: Counter[str] = Counter()
        longest = 0
        with left_whole(self):
            for tokens in map(self._tokens, _texts(X)):
                counts.update(tokens)
                longest = max(longest, len(tokens))
            vocabulary = self._given_vocabulary()
            if vocabulary is None:
                counts.pop("", None)
                counts.pop(_SPECIAL[UNKNOWN], None)
                found = sorted(counts, key=lambda token: (counts[token], token), reverse=True)
                vocabulary = [*_SPECIAL, *found][: self.max_tokens]
            self._learn(vocabulary, self.output_sequence_length or max(longest, 1))
        return self

    def transform(self, X: Any) -> Any:
        """Return texts as the numbers of their tokens.

        Parameters
        ----------
        X : sequence of str, shape (n_texts,)
            A list, an array, a column of a frame.

        Returns
        -------
        ndarray of int32, shape (n_texts, sequence_length_), or list of ndarray
            The list, of arrays of shape (n_tokens,), when ``ragged``.

        Raises
        ------
        NotFittedError
            Before `fit`.
        TypeError, ValueError
            As `fit`.
        """
        check_is_fitted(self, "vocabulary_")
        number = self._numbers
        rows = [[number.get(token, UNKNOWN) for token in self._tokens(text)] for text in _texts(X)]
        length = self.sequence_length_
        if length is None:
            limit = self.output_sequence_length
            return [np.array(row[:limit], dtype=np.int32) for row in rows]
        padded = np.full((len(rows), length), PADDING, dtype=np.int32)
        for numbers, row in zip(padded, rows, strict=True):
            numbers[: len(row)] = row[:length]
        return padded

    def inverse_transform(self, X: ArrayLike | Iterable[ArrayLike]) -> list[str]:
        """Return the texts that rows of numbers stand for, as far as these know them.

        Words are joined by spaces; padding is left out.

        Parameters
        ----------
        X : array_like of shape (n_texts, n_tokens), or list of arrays of shape (n_tokens,)
            Whole numbers of any type.

        Returns
        -------
        list of str

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            For a number outside the vocabulary, naming row and position.
        """
        check_is_fitted(self, "vocabulary_")
        between = "" if self.split == "character" else " "
        texts = []
        for position, row in enumerate(X):  # type: ignore[arg-type]
            numbers = self._whole_numbers(position, row)
            tokens = [self.vocabulary_[number] for number in numbers if number != PADDING]
            texts.append(between.join(tokens))
        return texts

    def get_config(self) -> dict[str, Any]:
        """Return settings for one that does the same without ``fit``, as a dict fit for JSON.

        `Sequential.save` puts it into the network's file, `load` takes it from there.

        Raises
        ------
        NotFittedError
            Before `fit`.
        TypeError
            When a setting is a function.
        """
        check_is_fitted(self, "vocabulary_")
        for name in ("standardize", "split"):
            if callable(getattr(self, name)):
                raise TypeError(
                    f"[TextVectorization] {name} is a function, which a file without code cannot "
                    f"hold, got {getattr(self, name)!r}"
                )
        length = self.output_sequence_length or self.sequence_length_
        return {
            **self.get_params(),
            "vocabulary": self.vocabulary_,
            "output_sequence_length": length,
        }

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> TextVectorization:
        """Return what ``network.save(path, vectorization=...)`` kept beside the network.

        Parameters
        ----------
        path : str or path
            The network's file.

        Raises
        ------
        OSError
            When there is no such file.
        ValueError
            When it is damaged, something else, or was saved without; the message names the file.

        Examples
        --------
        >>> from ganglion import Sequential, TextVectorization, layers
        >>> text = TextVectorization().fit(["A good film.", "Good, but long"])
        >>> net = Sequential([layers.Input((text.sequence_length_,)), layers.Dense(1)])
        >>> net.save("film.safetensors", vectorization=text)
        >>> TextVectorization.load("film.safetensors").vocabulary_ == text.vocabulary_
        True
        """
        kept = files.vectorization(path)
        try:
            loaded = cls(**kept)
            loaded._check_settings()
            vocabulary = loaded._given_vocabulary()
        except (TypeError, ValueError) as error:
            raise tensors.unreadable(path, f"its vectorization is damaged: {error}") from error
        loaded._learn(vocabulary or _SPECIAL, loaded.output_sequence_length)
        return loaded

    @property
    def _n_features_out(self) -> int:
        """What scikit-learn's mixin counts the names of the columns by."""
        if self.sequence_length_ is None:
            raise AttributeError("[TextVectorization] ragged rows have no columns to be named")
        return self.sequence_length_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        tags.input_tags.string = True
        return tags

    def _check_settings(self) -> None:
        for name in ("max_tokens", "output_sequence_length"):
            if getattr(self, name) is not None:
                check_count(self, name)
        if self.max_tokens is not None and self.max_tokens <= len(_SPECIAL):
            raise ValueError(
                "[TextVectorization] max_tokens must be more than 2, the numbers for padding and "
                f"unknown tokens, got {self.max_tokens}"
            )
        check_boolean(self, "ragged")
        for name, known in (("standardize", _STANDARDIZE), ("split", _SPLIT)):
            value = getattr(self, name)
            if value is not None and not callable(value):
                check_choice(self, [one for one in known if one is not None], name)

    def _tokens(self, text: str) -> Sequence[str]:
        standardize, split = self.standardize, self.split
        if not callable(standardize):
            standardize = _STANDARDIZE[standardize]
        if not callable(split):
            split = _SPLIT[split]
        return split(standardize(text))

    def _given_vocabulary(self) -> list[str] | None:
        if self.vocabulary is None:
            return None
        given = [] if isinstance(self.vocabulary, str) else list(self.vocabulary)
        if not given or not all(isinstance(token, str) for token in given):
            raise TypeError(
                "[TextVectorization] vocabulary must be a list of tokens or None, got "
                f"{self.vocabulary!r:.100}"
            )
        whole = given if given[: len(_SPECIAL)] == _SPECIAL else [*_SPECIAL, *given]
        twice = [token for token, count in Counter(whole).items() if count > 1]
        if twice:
            raise ValueError(f"[TextVectorization] vocabulary has {twice[0]!r} more than once")
        if self.max_tokens is not None and len(whole) > self.max_tokens:
            raise ValueError(
                f"[TextVectorization] vocabulary has {len(whole)} entries with those for padding "
                f"and unknown tokens, more than max_tokens {self.max_tokens}"
            )
        return whole

    def _learn(self, vocabulary: list[str], length: int | None) -> None:
        self.vocabulary_ = vocabulary
        self.sequence_length_ = None if self.ragged else length
        self._numbers = {token: number for number, token in enumerate(vocabulary)}

    def _whole_numbers(self, position: int, row: ArrayLike) -> NDArray[np.int64]:
        values = np.asarray(row)
        if values.ndim != 1 or values.dtype.kind not in "biuf":
            raise ValueError(
                "[TextVectorization] X must hold a row of numbers for each text, got "
                f"{row!r:.100} at row {position}"
            )
        numbers = values.astype(np.int64)
        wrong = (numbers != values) | (numbers < 0) | (numbers >= len(self.vocabulary_))
        if wrong.any():
            at = int(wrong.argmax())
            raise ValueError(
                f"[TextVectorization] X must hold whole numbers from 0 to "
                f"{len(self.vocabulary_) - 1}, got {values[at]} at row {position}, position {at}"
            )
        return numbers


def _texts(X: Any) -> list[str]:
    """Return texts as a list, or say what is none."""
    if isinstance(X, (str, bytes)):
        raise TypeError(
            f"[TextVectorization] X must be a list of texts, got one text, {X!r:.50}: put it "
            "into a list"
        )
    values = X.to_numpy() if hasattr(X, "to_numpy") else X
    if isinstance(values, np.ndarray) and values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    texts = list(values)
    if not texts:
        raise ValueError("[TextVectorization] X is empty")
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"[TextVectorization] X must hold text, got {text!r:.50} at row {row}")
    return texts
