"""Going on with sequences: what is chosen, how often, from what, and what is refused."""

from __future__ import annotations

import _thread
import threading
from typing import Any

import numpy as np
import pytest
from scipy import special, stats

from ganglion import NotFittedError, Sequential, _core, activations, layers, losses, ops

Array = np.ndarray
CLASSES = 6


def moved(net: Sequential) -> Sequential:
    """With products large enough that predictions differ."""
    draw = np.random.default_rng(0)
    for name, weight in zip(net.weight_names, net.weights, strict=True):
        if name.endswith(("kernel", "embeddings")):
            weight += draw.normal(scale=1.0, size=weight.shape)
    return net


def embedded(*inner: Any, steps: int = 7) -> Sequential:
    chain = [layers.Input((steps,)), layers.Embedding(CLASSES, 5), *inner, layers.Dense(CLASSES)]
    return moved(Sequential(chain, random_state=0))


# Networks whose layers go step by step.
STEPPING = {
    "dense": lambda: embedded(layers.Dense(4, "tanh")),
    "simple_rnn": lambda: embedded(layers.SimpleRNN(9, return_sequences=True)),
    "gru": lambda: embedded(layers.GRU(9, return_sequences=True)),
    "lstm": lambda: embedded(layers.LSTM(9, return_sequences=True)),
    "last": lambda: embedded(layers.LSTM(9, return_sequences=True), layers.GRU(7)),
    "stack": lambda: embedded(
        layers.LSTM(9, return_sequences=True),
        layers.LayerNormalization(),
        layers.Residual([layers.GRU(9, return_sequences=True), layers.Dropout(0.5)]),
        layers.BatchNormalization(),
    ),
    "one_hot": lambda: moved(
        Sequential(
            [layers.Input((7, CLASSES)), layers.LSTM(9), layers.Dense(CLASSES, "softmax")],
            random_state=0,
        )
    ),
}
# Networks with a layer that looks at whole sequences, of 7 ids.
LOOKING = {
    "flatten": lambda: embedded(layers.Flatten()),
    "convolution": lambda: embedded(
        layers.Conv1D(4, 3, padding="causal"), layers.GlobalAveragePooling1D()
    ),
    "backwards": lambda: embedded(layers.LSTM(4, go_backwards=True)),
    "normalised": lambda: embedded(layers.LayerNormalization(axis=(1, 2)), layers.LSTM(5)),
    "attention": lambda: embedded(
        layers.PositionalEncoding(), layers.MultiHeadAttention(2, 3, causal=True)
    ),
    "positions": lambda: embedded(layers.PReLU(), layers.SimpleRNN(5, return_sequences=True)),
}


def followed(net: Sequential, seed: list[int], n: int, window: int | None) -> list[int]:
    """The likeliest ids, by predictions of all that was read, or of a window."""
    ids = list(seed)
    one_hot = len(net.input_shape) == 3
    for _ in range(n):
        read = np.array([ids if window is None else ids[-window:]])
        part = Sequential(net.layers[1:])
        x = np.eye(CLASSES)[read] if one_hot else read
        part.build((None, *x.shape[1:]))
        part.set_weights(net.get_weights())
        prediction = part.predict(x)[0]
        ids.append(int(prediction.reshape(-1, CLASSES)[-1].argmax()))
    return ids[len(seed) :]


SEEDS = [[3, 1, 4, 1, 5, 2, 0, 5, 3], [0, 2, 5, 3, 1, 4, 4, 2, 1], [2, 2, 0, 5, 4, 1, 3, 0, 0]]


@pytest.mark.parametrize("name", STEPPING)
def test_states_are_carried_on_as_if_all_was_read(name: str) -> None:
    net = STEPPING[name]()
    expected = [followed(net, seed, 6, None) for seed in SEEDS]
    assert len(np.unique(expected)) > 1
    np.testing.assert_array_equal(net.generate(SEEDS, 6, temperature=0), expected)
    np.testing.assert_array_equal(net.generate([4], 1, temperature=0), followed(net, [4], 1, None))


@pytest.mark.parametrize("name", LOOKING)
def test_a_window_is_moved_where_whole_sequences_are_looked_at(name: str) -> None:
    net = LOOKING[name]()
    expected = [followed(net, seed, 9, 7) for seed in SEEDS]
    assert len(np.unique(expected)) > 1
    np.testing.assert_array_equal(net.generate(SEEDS, 9, temperature=0), expected)


@pytest.mark.parametrize("steps", [1, 2, 63, 64, 65, 130])
def test_any_number_of_ids_and_any_length_of_the_seed(steps: int) -> None:
    net = STEPPING["lstm"]()
    all_of_it = net.generate([2, 3], 140, temperature=0)
    np.testing.assert_array_equal(net.generate([2, 3], steps, temperature=0), all_of_it[:steps])
    longer = [2, 3, *all_of_it[:steps]]
    np.testing.assert_array_equal(net.generate(longer, 9, temperature=0),
                                  all_of_it[steps : steps + 9])  # fmt: skip


def test_rows_go_on_by_themselves() -> None:
    net = STEPPING["stack"]()
    seeds = np.random.default_rng(0).integers(0, CLASSES, size=(5, 4))
    ids = net.generate(seeds, 70, temperature=0)
    assert ids.shape == (5, 70) and ids.dtype == np.int64
    for seed, row in zip(seeds, ids, strict=True):
        np.testing.assert_array_equal(net.generate(seed, 70, temperature=0), row)


def probabilities(net: Sequential, seed: list[int], temperature: float) -> Array:
    read = np.array([[*seed, *[0] * 7]])[:, :7]
    logits = net.predict(read)[0, len(seed) - 1].astype(float)
    return np.asarray(special.softmax(logits / temperature))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_ids_are_as_frequent_as_they_are_likely(temperature: float) -> None:
    net = STEPPING["lstm"]()
    likely = probabilities(net, [4], temperature)
    rows, key = 6_000, int(10 * temperature)
    ids = net.generate(np.full((rows, 1), 4), 1, temperature=temperature, random_state=key)
    found = np.bincount(ids[:, 0], minlength=CLASSES)
    assert stats.chisquare(found, rows * likely).pvalue > 1e-4


def test_the_likeliest_ids_alone_are_chosen_from() -> None:
    net = STEPPING["lstm"]()
    likely = probabilities(net, [4], 1.0)
    best = np.argsort(likely)[-3:]
    ids = net.generate(np.full((6_000, 1), 4), 1, top_k=3, random_state=0)[:, 0]
    assert set(ids) == set(best)
    found = np.bincount(ids, minlength=CLASSES)[best]
    assert stats.chisquare(found, 6_000 * likely[best] / likely[best].sum()).pvalue > 1e-4
    np.testing.assert_array_equal(
        net.generate([4], 30, top_k=1, temperature=5.0), net.generate([4], 30, temperature=0)
    )
    many, all_of_them = (
        net.generate([4], 30, top_k=top_k, random_state=1) for top_k in (CLASSES, None)
    )
    np.testing.assert_array_equal(many, all_of_them)


def test_later_ids_are_drawn_anew() -> None:
    """A network that forgets at once: ids are independent of each other."""
    net = moved(Sequential([layers.Input((1,)), layers.Embedding(2, 2)]))
    net.set_weights([np.zeros((2, 2))])
    ids = net.generate([0], 40_000, random_state=2)
    pairs = np.bincount(2 * ids[:-1] + ids[1:], minlength=4)
    assert stats.chisquare(pairs).pvalue > 1e-4
    distant = np.bincount(2 * ids[:-64] + ids[64:], minlength=4)
    assert stats.chisquare(distant).pvalue > 1e-4


def test_the_same_number_gives_the_same_ids() -> None:
    net = STEPPING["gru"]()
    seeds = [[1, 2], [3, 4]]
    first, again, other = (net.generate(seeds, 100, random_state=s) for s in (7, 7, 8))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert (net.generate(seeds, 100) != net.generate(seeds, 100)).any()
    before = _core.get_num_threads()
    try:
        for threads in (1, 3):
            _core.set_num_threads(threads)
            np.testing.assert_array_equal(net.generate(seeds, 100, random_state=7), first)
    finally:
        _core.set_num_threads(before)


@pytest.mark.parametrize("last", ["softmax", None, "function"])
def test_logits_and_probabilities_are_told_apart(last: Any) -> None:
    def share(x: Any) -> Any:
        return ops.softmax(x) * 1.0

    def network(activation: Any) -> Sequential:
        loss = losses.SparseCategoricalCrossentropy(from_logits=activation is None)
        chain = [layers.Input((3,)), layers.Embedding(4, 4), layers.Dense(4, activation)]
        return moved(Sequential(chain, loss=loss, random_state=0))

    chosen = [
        network(activation).generate([1], 50, random_state=3)
        for activation in ("softmax", activations.get(share) if last == "function" else last)
    ]
    np.testing.assert_array_equal(*chosen)


def test_a_network_that_learned_goes_on_with_what_it_learned() -> None:
    text = np.arange(400) % 5
    X = np.lib.stride_tricks.sliding_window_view(text[:-1], 10)
    y = np.lib.stride_tricks.sliding_window_view(text[1:], 10)
    net = Sequential(
        [layers.Embedding(5, 8), layers.GRU(16, return_sequences=True), layers.Dense(5)],
        loss=losses.SparseCategoricalCrossentropy(from_logits=True),
        optimizer="adam",
        random_state=0,
    )
    net.fit(X, y, epochs=20)
    np.testing.assert_array_equal(net.generate([2, 3], 50, temperature=0.1), np.arange(4, 54) % 5)


def test_what_is_wrong_is_refused_before_any_work() -> None:
    net, looking = STEPPING["lstm"](), LOOKING["convolution"]()
    for call, message in [
        (lambda: net.generate([], 5), r"seed must have at least one id, got shape \(0,\)"),
        (lambda: net.generate(3, 5), r"seed must be ids of shape .* got \(\)"),
        (lambda: net.generate([1, 6], 5), "seed has 6 at position 1: ids are .* from 0 to 5"),
        (lambda: net.generate([[1, 2], [-1, 0]], 5), "seed has -1 at row 1, position 0"),
        (lambda: net.generate([0.5], 5), "seed has 0.5 at position 0"),
        (lambda: net.generate([np.nan], 5), "seed has nan at position 0"),
        (lambda: net.generate([1], 0), "n must be a whole number of at least 1, got 0"),
        (lambda: net.generate([1], 5, temperature=-1.0), "temperature must be .* got -1.0"),
        (lambda: net.generate([1], 5, temperature=np.inf), "temperature must be .* got inf"),
        (lambda: net.generate([1], 5, top_k=7), "top_k must be .* less than 7, got 7"),
        (lambda: net.generate([1], 5, random_state=-1), "random_state must be"),
        (
            lambda: looking.generate([1, 2], 5),
            "seed must have at least 7 ids, got 2: the network looks at",
        ),
    ]:
        with pytest.raises(ValueError, match=rf"\[generate\] {message}"):
            call()
    with pytest.raises(TypeError, match=r"\[generate\] seed must hold .* TextVectorization"):
        net.generate("text", 5)
    with pytest.raises(NotFittedError, match="generate"):
        Sequential([layers.Embedding(3, 3)]).generate([1], 2)


@pytest.mark.parametrize(
    ("chain", "message"),
    [
        ([layers.Input((3,)), layers.Dense(3)], "needs a network that reads ids"),
        ([layers.Input((4, 3)), layers.Dense(5)], "reads vectors of 3, and predicts 5 classes"),
        ([layers.Input((4,)), layers.Embedding(3, 5)], "vocabulary of 3, and predicts 5 classes"),
        (
            [layers.Input((4,)), layers.Embedding(3, 6), layers.Reshape((2, 12))],
            r"predicts the next id, .* got \(None, 2, 12\)",
        ),
        (
            [
                layers.Input((4,), batch_size=2),
                layers.Embedding(3, 2),
                layers.LSTM(3, stateful=True),
            ],
            "layer 'lstm' is stateful, and keeps states of its own",
        ),
    ],
)
def test_networks_that_cannot_go_on_are_refused(chain: Any, message: str) -> None:
    with pytest.raises(ValueError, match=rf"\[generate\] .*{message}"):
        Sequential(chain).generate([1, 1, 1, 1], 5)


def test_ctrl_c_ends_it() -> None:
    net = STEPPING["lstm"]()
    timer = threading.Timer(0.5, _thread.interrupt_main)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        net.generate([1], 10**9)
    assert net.generate([1], 5).shape == (5,)
