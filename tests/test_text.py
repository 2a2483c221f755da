"""Texts become rows of token numbers, and come back from them."""

from __future__ import annotations

import pickle
import re

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks

from ganglion import NeuralClassifier, Sequential, TextVectorization, layers

TEXTS = ["The cat sat.", "The dog, the cat!", "A bird"]
VOCABULARY = ["", "[UNK]", "the", "cat", "sat", "dog", "bird", "a"]


@pytest.mark.parametrize(
    "check",
    [
        "check_parameters_default_constructible",
        "check_no_attributes_set_in_init",
        "check_get_params_invariance",
        "check_set_params",
        "check_estimator_cloneable",
        "check_estimator_repr",
    ],
)
def test_scikit_learns_checks_that_need_no_table(check):
    if hasattr(estimator_checks, check):
        getattr(estimator_checks, check)("TextVectorization", TextVectorization())


def test_numbers_go_by_frequency_and_equal_ones_as_in_keras():
    text = TextVectorization().fit(TEXTS)
    assert text.vocabulary_ == VOCABULARY
    assert text.sequence_length_ == 4
    numbers = text.transform(["the bird saw a dog and ran", "", "CAT"])
    assert numbers.tolist() == [[2, 6, 1, 7], [0, 0, 0, 0], [3, 0, 0, 0]]
    assert numbers.dtype == np.int32


@pytest.mark.parametrize(
    ("settings", "tokens"),
    [
        ({"standardize": None}, ["The", "cat", "sat."]),
        ({"standardize": "lower"}, ["the", "cat", "sat."]),
        ({"standardize": "strip_punctuation"}, ["The", "cat", "sat"]),
        ({"standardize": str.upper}, ["THE", "CAT", "SAT."]),
        ({"split": "character"}, list("the cat sat")),
        ({"split": None}, ["the cat sat"]),
        ({"split": lambda text: text.split("a")}, ["the c", "t s", "t"]),
    ],
    ids=str,
)
def test_what_a_token_is(settings, tokens):
    text = TextVectorization(**settings).fit(TEXTS[:1])
    assert sorted(text.vocabulary_[2:]) == sorted(set(tokens))
    numbers = text.transform(TEXTS[:1])[0]
    assert [text.vocabulary_[number] for number in numbers] == tokens


def test_characters_come_back_as_they_were():
    text = TextVectorization(split="character", standardize=None).fit(TEXTS)
    assert text.inverse_transform(text.transform(TEXTS)) == TEXTS


def test_words_come_back_joined_by_spaces_and_without_padding():
    text = TextVectorization().fit(TEXTS)
    numbers = text.transform(["A cat!", "the mouse"])
    assert text.inverse_transform(numbers) == ["a cat", "the [UNK]"]
    assert text.inverse_transform(numbers.astype(np.float32)) == ["a cat", "the [UNK]"]
    assert text.inverse_transform([np.array([2, 3]), np.array([7])]) == ["the cat", "a"]


def test_the_rarest_tokens_are_unknown_where_the_vocabulary_is_full():
    text = TextVectorization(max_tokens=4).fit(TEXTS)
    assert text.vocabulary_ == VOCABULARY[:4]
    assert text.transform(["the dog"]).tolist() == [[2, 1, 0, 0]]


def test_ragged_rows_have_the_lengths_of_their_texts():
    text = TextVectorization(ragged=True, output_sequence_length=3).fit(TEXTS)
    rows = text.transform([*TEXTS, ""])
    assert [row.tolist() for row in rows] == [[2, 3, 4], [2, 5, 2], [7, 6], []]
    assert text.sequence_length_ is None
    with pytest.raises(AttributeError):
        text.get_feature_names_out()


@pytest.mark.parametrize("given", [VOCABULARY, VOCABULARY[2:], tuple(VOCABULARY[2:])])
def test_a_vocabulary_that_is_given_is_kept(given):
    text = TextVectorization(vocabulary=given, output_sequence_length=2).fit(["another text"])
    assert text.vocabulary_ == VOCABULARY
    assert text.transform(["the text"]).tolist() == [[2, 1]]


@pytest.mark.parametrize("kind", ["array", "objects", "column", "series", "frame"])
def test_texts_come_in_whatever_holds_them(kind):
    expected = TextVectorization().fit(TEXTS)
    if kind in ("series", "frame"):
        pandas = pytest.importorskip("pandas")
        given = pandas.Series(TEXTS) if kind == "series" else pandas.DataFrame({"text": TEXTS})
    else:
        given = np.array(TEXTS, dtype=object if kind == "objects" else None)
        given = given[:, np.newaxis] if kind == "column" else given
    text = TextVectorization().fit(given)
    assert text.vocabulary_ == expected.vocabulary_
    np.testing.assert_array_equal(text.transform(given), expected.transform(TEXTS))


def test_columns_have_names_and_become_a_frame():
    pytest.importorskip("pandas")
    text = TextVectorization(output_sequence_length=2).set_output(transform="pandas").fit(TEXTS)
    names = ["textvectorization0", "textvectorization1"]
    assert text.get_feature_names_out().tolist() == names
    assert list(text.transform(TEXTS).columns) == names


def shapes(count):
    """Texts of two kinds, told apart by a word."""
    random = np.random.default_rng(0)
    words = np.array(["red", "green", "blue", "round", "flat"])
    labels = np.arange(count) % 2
    texts = [" ".join([*random.choice(words, 4), "ball" if label else "box"]) for label in labels]
    return texts, labels


def test_in_a_pipeline_before_a_network():
    texts, labels = shapes(120)
    model = make_pipeline(
        TextVectorization(output_sequence_length=5),
        StandardScaler(),
        NeuralClassifier([32], epochs=60, learning_rate=0.01, random_state=0),
    )
    assert cross_val_score(model, texts, labels, cv=3).min() > 0.9
    model.fit(texts, labels)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(texts), model.predict_proba(texts))


def test_the_vocabulary_is_saved_with_the_network(tmp_path):
    texts, labels = shapes(20)
    text = TextVectorization(max_tokens=6, split="whitespace").fit(texts)
    X = text.transform(texts)
    net = Sequential([layers.Dense(1)], loss="mse", random_state=0).fit(X, labels, verbose=0)
    net.save(tmp_path / "net.safetensors", vectorization=text)
    loaded = TextVectorization.load(tmp_path / "net.safetensors")
    np.testing.assert_array_equal(loaded.transform(texts), X)
    assert loaded.vocabulary_ == text.vocabulary_
    assert loaded.get_config() == text.get_config()
    np.testing.assert_array_equal(
        Sequential.load(tmp_path / "net.safetensors").predict(X), net.predict(X)
    )


def test_ragged_rows_stay_ragged_in_a_file(tmp_path):
    text = TextVectorization(ragged=True).fit(TEXTS)
    net = Sequential([layers.Input((2,)), layers.Dense(1)])
    net.save(tmp_path / "net.safetensors", vectorization=text)
    rows = TextVectorization.load(tmp_path / "net.safetensors").transform(TEXTS)
    assert [row.tolist() for row in rows] == [row.tolist() for row in text.transform(TEXTS)]


def test_what_a_file_cannot_hold_is_said(tmp_path):
    net = Sequential([layers.Input((2,)), layers.Dense(1)])
    path = tmp_path / "net.safetensors"
    with pytest.raises(TypeError, match=r"\[TextVectorization\] standardize is a function"):
        net.save(path, vectorization=TextVectorization(standardize=str.upper).fit(TEXTS))
    assert not path.exists()
    net.save(path)
    with pytest.raises(ValueError, match="was saved without a vectorization"):
        TextVectorization.load(path)
    with pytest.raises(FileNotFoundError):
        TextVectorization.load(tmp_path / "nowhere.safetensors")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_tokens": 2}, "max_tokens must be more than 2"),
        ({"max_tokens": "many"}, "max_tokens must be a positive integer, got 'many'"),
        ({"output_sequence_length": 0}, "output_sequence_length must be a positive integer, got 0"),
        ({"split": "whitespaces"}, "unknown split 'whitespaces'; did you mean 'whitespace'?"),
        ({"standardize": "lowr"}, "unknown standardize 'lowr'; did you mean 'lower'?"),
        ({"ragged": 1}, "ragged must be True or False, got 1"),
        ({"vocabulary": ["a", "b", "a"]}, "vocabulary has 'a' more than once"),
        ({"vocabulary": "abc"}, "vocabulary must be a list of tokens or None, got 'abc'"),
        ({"vocabulary": [1, 2]}, "vocabulary must be a list of tokens or None, got [1, 2]"),
        ({"vocabulary": list("abc"), "max_tokens": 4}, "vocabulary has 5 entries with those for"),
    ],
)
def test_settings_that_are_wrong_are_named(settings, message):
    text = TextVectorization(**settings)
    with pytest.raises((TypeError, ValueError), match=re.escape(f"[TextVectorization] {message}")):
        text.fit(TEXTS)
    assert not hasattr(text, "vocabulary_")


def test_arguments_of_keras_that_scikit_learn_has_point_there():
    with pytest.raises(TypeError, match="CountVectorizer and TfidfVectorizer"):
        TextVectorization(output_mode="count")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("one text", "X must be a list of texts, got one text, 'one text': put it into a list"),
        ([], "X is empty"),
        (["a", None], "X must hold text, got None at row 1"),
        (["a", 3.5], "X must hold text, got 3.5 at row 1"),
        (np.zeros((3, 2)), "X must hold text, got "),
    ],
)
def test_what_is_no_text_is_named(given, message):
    text = TextVectorization().fit(TEXTS)
    for method in (clone(text).fit, text.transform):
        with pytest.raises((TypeError, ValueError), match=re.escape(message)):
            method(given)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[2, 8]], "whole numbers from 0 to 7, got 8 at row 0, position 1"),
        ([[2], [-1]], "whole numbers from 0 to 7, got -1 at row 1, position 0"),
        ([[0.5]], "whole numbers from 0 to 7, got 0.5 at row 0, position 0"),
        ([2, 3], "a row of numbers for each text, got 2 at row 0"),
        (["the"], "a row of numbers for each text, got 'the' at row 0"),
    ],
)
def test_numbers_outside_the_vocabulary_are_named(rows, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        TextVectorization().fit(TEXTS).inverse_transform(rows)


def test_before_fit():
    for method in ("transform", "inverse_transform"):
        with pytest.raises(NotFittedError):
            getattr(TextVectorization(), method)(TEXTS)
