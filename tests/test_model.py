"""Graphs of layers: several inputs and outputs, shared layers, files, and what is refused."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tolerances import FORWARD, assert_near

from ganglion import Model, Sequential, callbacks, layers, losses, metrics, ops
from ganglion.graph import Graph

RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 4))
IMAGE = RNG.normal(size=(24, 2, 3))
SIZE = RNG.normal(size=(24, 1))
KIND = RNG.integers(0, 3, 24)


def two_heads(**settings: Any) -> Model:
    x = layers.Input((4,))
    hidden = layers.Dense(8, activation="tanh")(x)
    size = layers.Dense(1, name="size")(hidden)
    kind = layers.Dense(3, activation="softmax", name="kind")(hidden)
    given: dict[str, Any] = {
        "loss": ["mse", "sparse_categorical_crossentropy"],
        "metrics": {"kind": ["accuracy"]},
        "random_state": 0,
    }
    return Model(x, [size, kind], **{**given, **settings})


def two_inputs(**settings: Any) -> Model:
    x, image = layers.Input((4,), name="x"), layers.Input((2, 3), name="image")
    flat = layers.Flatten()(image)
    joined = layers.Concatenate()([layers.Dense(5, activation="relu")(x), flat])
    settings = {"loss": "mse", "random_state": 0, **settings}
    return Model([x, image], layers.Dense(1)(joined), **settings)


def equal(left: list[np.ndarray], right: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))


# The same as a chain.


def test_a_chain_drawn_as_a_graph_gives_the_bits_of_sequential() -> None:
    def stack() -> list[layers.Layer]:
        return [
            layers.Dense(8, activation="relu"),
            layers.Dropout(0.2),
            layers.BatchNormalization(),
            layers.Dense(3, activation="softmax", kernel_regularizer="l2"),
        ]

    settings: dict[str, Any] = {
        "loss": "sparse_categorical_crossentropy",
        "optimizer": "adam",
        "metrics": ["accuracy"],
        "random_state": 3,
    }
    chain = Sequential([layers.Input((4,)), *stack()], **settings)
    x = y = layers.Input((4,))
    for layer in stack():
        y = layer(y)
    graph = Model(x, y, **settings)
    assert graph.weight_names == chain.weight_names
    for net in (chain, graph):
        net.fit(X, KIND, epochs=3, batch_size=7, validation_split=0.25)
    assert graph.history_ == chain.history_
    assert equal(graph.get_weights(), chain.get_weights())
    assert np.array_equal(graph.predict(X), chain.predict(X))
    assert (graph.input_shape, graph.output_shape) == (chain.input_shape, chain.output_shape)


def test_residual_drawn_by_hand() -> None:
    x = layers.Input((4,))
    inner = layers.Dense(4, activation="tanh")(x)
    drawn = Model(x, inner + x)
    chain = Sequential([layers.Input((4,)), layers.Residual([layers.Dense(4, activation="tanh")])])
    chain.set_weights(drawn.get_weights())
    assert np.array_equal(drawn.predict(X), chain.predict(X))


def test_operations_on_inputs_and_nodes() -> None:
    a, b = layers.Input((3,)), layers.Input((3,))
    y = ops.concat([ops.exp(-a), 2.0 * b - a, ops.sum(a * b, axis=-1, keepdims=True), b[:, 1:]])
    y = ops.where(y > np.float64(0.5), y, ops.constant([0.25]) * y) / 2 + np.ones(9)
    net = Model([a, b], y, dtype="float64")
    p, q = RNG.normal(size=(2, 5, 3))
    z = np.concatenate([np.exp(-p), 2 * q - p, (p * q).sum(1, keepdims=True), q[:, 1:]], axis=1)
    expected = np.where(z > 0.5, z, 0.25 * z) / 2 + 1
    assert_near(net.predict((p, q)), expected, FORWARD["float64"])


# Several outputs.


def test_the_loss_is_the_weighted_sum_and_each_is_reported() -> None:
    net = two_heads(loss_weights=[1.0, 0.5], dtype="float64")
    logs = net.evaluate(X, (SIZE, KIND))
    size, kind = net.predict(X)
    mse = ((size - SIZE) ** 2).mean()
    entropy = -np.log(kind[np.arange(24), KIND]).mean()
    assert list(logs) == ["loss", "size_loss", "kind_loss", "kind_accuracy"]
    assert logs["size_loss"] == pytest.approx(mse, rel=1e-12)
    assert logs["kind_loss"] == pytest.approx(entropy, rel=1e-12)
    assert logs["loss"] == pytest.approx(mse + 0.5 * entropy, rel=1e-12)
    assert logs["kind_accuracy"] == (kind.argmax(1) == KIND).mean()


def test_losses_over_batches_of_unequal_size_are_those_of_all() -> None:
    net = two_heads(dtype="float64")
    whole = net.evaluate(X, (SIZE, KIND), batch_size=24)
    for name, value in net.evaluate(X, (SIZE, KIND), batch_size=7).items():
        assert value == pytest.approx(whole[name], rel=1e-12), name


def test_sample_weights_count_in_every_output() -> None:
    net = two_heads(dtype="float64")
    weight = RNG.uniform(size=24)
    size, kind = net.predict(X)
    mse = (weight * ((size - SIZE) ** 2)[:, 0]).mean()
    entropy = (-weight * np.log(kind[np.arange(24), KIND])).mean()
    logs = net.evaluate(X, (SIZE, KIND), sample_weight=weight)
    assert logs["loss"] == pytest.approx(mse + entropy, rel=1e-12)
    assert logs["size_loss"] == pytest.approx(mse, rel=1e-12)


def test_penalties_count_once_whatever_the_weights() -> None:
    x = layers.Input((4,))
    hidden = layers.Dense(3, kernel_regularizer="l2")(x)
    outputs = [layers.Dense(1)(hidden), layers.Dense(1)(hidden)]
    net = Model(x, outputs, loss="mse", loss_weights=[0.25, 0.0], dtype="float64")
    logs = net.evaluate(X, (SIZE, SIZE))
    penalty = 0.01 * (net.get_weights()[0] ** 2).sum()
    assert logs["loss"] == pytest.approx(0.25 * logs["dense_1_loss"] + penalty, rel=1e-12)


def test_gradients_of_the_sum_are_the_sum_of_the_gradients() -> None:
    nets = [two_heads(loss_weights=w, dtype="float64") for w in ([1, 0.5], [1, 0], [0, 0.5])]
    both, first, second = (net.loss_and_gradients(X, (SIZE, KIND))[1] for net in nets)
    for total, a, b in zip(both, first, second, strict=True):
        assert_near(total, a + b, FORWARD["float64"])


def test_dicts_of_inputs_and_outputs() -> None:
    a, b = layers.Input((4,)), layers.Input((2, 3))
    hidden = layers.Concatenate()([a, layers.Flatten()(b)])
    outputs = {"one": layers.Dense(1)(hidden), "two": layers.Dense(2)(hidden)}
    net = Model({"left": a, "right": b}, outputs, loss={"two": "mae", "one": "mse"})
    net.fit({"right": IMAGE, "left": X}, {"one": SIZE, "two": np.ones((24, 2))}, epochs=2)
    predicted = net.predict((X, IMAGE))
    assert {name: part.shape for name, part in predicted.items()} == {
        "one": (24, 1),
        "two": (24, 2),
    }
    assert [type(loss) for loss in net.loss] == [
        losses.MeanSquaredError,
        losses.MeanAbsoluteError,
    ]


def test_one_output_of_a_dict_is_a_dict_for_one_row_too() -> None:
    x = layers.Input((4,))
    net = Model(x, {"out": layers.Dense(2)(x)})
    for _ in range(2):
        assert net.predict(X[:1])["out"].shape == (1, 2)


def test_ids_are_checked_in_every_place_of_a_shared_layer() -> None:
    a, b = layers.Input((2,), name="a"), layers.Input((2,), name="b")
    embedding = layers.Embedding(10, 3)
    net = Model([a, b], layers.Flatten()(layers.Add()([embedding(a), embedding(b)])))
    known, unknown = np.zeros((3, 2)), np.full((3, 2), 50)
    for given in ((unknown, known), (known, unknown)):
        with pytest.raises(ValueError, match="has the id 50 at row 0"):
            net.predict(given)


def test_validation_callbacks_and_split() -> None:
    net = two_heads()
    stopping = callbacks.EarlyStopping(monitor="val_kind_loss", patience=2)
    net.fit(X, (SIZE, KIND), epochs=6, validation_split=0.25, callbacks=[stopping])
    assert {"val_loss", "val_size_loss", "val_kind_accuracy"} <= set(net.history_)
    net.fit(X, (SIZE, KIND), validation_data=(X[:5], (SIZE[:5], KIND[:5])))


# Several inputs, and layers used again.


def test_shared_layers_have_one_set_of_weights_and_summed_gradients() -> None:
    a, b = layers.Input((4,)), layers.Input((4,))
    shared = layers.Dense(3, activation="tanh", name="shared")
    y = layers.Dense(1, name="last")(layers.Subtract()([shared(a), shared(b)]))
    net = Model([a, b], y, loss="mse", dtype="float64", random_state=0)
    assert net.weight_names == ["shared/kernel", "shared/bias", "last/kernel", "last/bias"]
    left, right = RNG.normal(size=(2, 6, 4))
    kernel, bias, last, offset = net.get_weights()
    p, q = np.tanh(left @ kernel + bias), np.tanh(right @ kernel + bias)
    out = (p - q) @ last + offset
    assert_near(net.predict((left, right)), out, FORWARD["float64"])
    d_out = 2 * (out - 1.0) / 6
    d_hidden = d_out @ last.T
    expected = left.T @ (d_hidden * (1 - p**2)) - right.T @ (d_hidden * (1 - q**2))
    gradient = net.loss_and_gradients((left, right), np.ones((6, 1)))[1][0]
    assert_near(gradient, expected, 1e-12)
    assert net.layer_outputs((left, right))["shared"].shape == (6, 3)
    assert [row.name for row in net.layer_rows].count("shared") == 1


def test_two_inputs_train_and_any_number_of_threads_gives_the_same_bits() -> None:
    first = two_inputs(optimizer="adam").fit((X, IMAGE), SIZE, epochs=3, batch_size=5)
    again = two_inputs(optimizer="adam").fit({"image": IMAGE, "x": X}, SIZE, epochs=3, batch_size=5)
    assert equal(first.get_weights(), again.get_weights())
    assert first.history_["loss"][-1] < first.history_["loss"][0]


def test_forward_and_backward() -> None:
    net = two_inputs(dtype="float64")
    seed = RNG.normal(size=(24, 1))
    net.forward((X, IMAGE))
    d_x, d_image = net.backward(seed)
    assert d_x.shape == X.shape and d_image.shape == IMAGE.shape
    step = 1e-6
    moved = IMAGE.copy()
    moved[3, 1, 2] += step
    change = ((net.predict((X, moved)) - net.predict((X, IMAGE))) * seed).sum() / step
    assert d_image[3, 1, 2] == pytest.approx(change, rel=1e-5)
    heads = two_heads(dtype="float64")
    size, kind = heads.forward(X)
    d_x = heads.backward((np.ones_like(size), np.zeros_like(kind)))
    heads.forward(X)
    both = heads.backward((np.ones_like(size), np.ones_like(kind)))
    assert_near(both, d_x, 1e-9)  # a softmax sums to 1 whatever the input


def test_a_graph_has_the_arrays_as_they_were() -> None:
    shift = np.ones(4)
    x = layers.Input((4,))
    net = Model(x, layers.Dense(1)(x - shift + ops.constant(shift)), random_state=0)
    predicted = net.predict(X)
    shift[:] = 100.0
    np.testing.assert_array_equal(net.forward(X, training=True), predicted)


def test_a_column_named_node_is_no_input() -> None:
    frame = pytest.importorskip("pandas").DataFrame({"node": [1.0, 2.0], "other": [3.0, 4.0]})
    assert ops.evaluate(lambda x: 2.0 * x, frame).shape == (2, 2)


def test_compile_changes_nothing_that_it_refuses() -> None:
    net = two_heads(loss_weights=[1.0, 2.0])
    for wrong in ({"loss": ["mse", "nothing"]}, {"loss": "mse", "metrics": ["nothing"]}):
        with pytest.raises((TypeError, ValueError)):
            net.compile(loss_weights=[5.0, 5.0], **wrong)
        assert net.loss_weights == [1.0, 2.0] and net.loss[0] == losses.MeanSquaredError()


def test_every_output_is_looked_at_for_its_loss() -> None:
    x = layers.Input((4,))
    kind, size = layers.Dense(3, activation="softmax")(x), layers.Dense(1)(x)
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    net = Model(x, [kind, size], loss=[loss, "mse"])
    with pytest.warns(UserWarning, match="softmax"):
        net.fit(X, (KIND, SIZE))


# Keeping.


@pytest.mark.parametrize("make", [two_heads, two_inputs])
def test_files_pickles_and_copies_predict_the_same_bits(make: Any, tmp_path: Path) -> None:
    net = make(optimizer="adam")
    given = X if make is two_heads else (X, IMAGE)
    wanted = (SIZE, KIND) if make is two_heads else SIZE
    net.fit(given, wanted, epochs=2)
    net.save(tmp_path / "net", training_state=True)
    loaded = Model.load(tmp_path / "net")
    for other in (loaded, pickle.loads(pickle.dumps(net)), copy.deepcopy(net)):
        predicted, expected = other.predict(given), net.predict(given)
        pairs = (
            zip(predicted, expected, strict=True) if make is two_heads else [(predicted, expected)]
        )
        assert all(np.array_equal(a, b) for a, b in pairs)
        other.fit(given, wanted, epochs=1)
    net.fit(given, wanted, epochs=1)
    assert equal(loaded.get_weights(), net.get_weights())
    with pytest.raises(ValueError, match="it is a Model: ganglion.Model.load reads it"):
        Sequential.load(tmp_path / "net")


def test_a_file_of_every_kind_of_argument(tmp_path: Path) -> None:
    a = layers.Input((3,))
    y = ops.where(a > 0.5, a, ops.constant([1.0, 2.0, 3.0])) @ ops.constant(np.eye(3)) - np.ones(3)
    net = Model({"a": a}, {"y": ops.transpose(ops.reshape(y, (None, 3, 1)), (0, 2, 1))})
    net.save(tmp_path / "net")
    x = RNG.normal(size=(4, 3))
    loaded = Model.load(tmp_path / "net")
    np.testing.assert_array_equal(loaded.predict(x)["y"], net.predict(x)["y"])
    chain = Sequential([layers.Input((3,)), layers.Dense(1)])
    chain.save(tmp_path / "chain")
    with pytest.raises(ValueError, match="it is a Sequential: ganglion.Sequential.load reads it"):
        Model.load(tmp_path / "chain")


def test_compile_again_freeze_and_reset() -> None:
    net = two_heads()
    net.fit(X, (SIZE, KIND))
    weights = net.get_weights()
    net.compile("sgd", loss="mse", loss_weights={"size": 1.0, "kind": 0.0})
    assert equal(net.get_weights(), weights)
    net.get_layer("size").trainable = False
    net.fit(X, (SIZE, np.ones((24, 3))))
    assert "size/kernel" not in net.trainable_weight_names
    net.reset()
    assert net.history_ == {}


def test_summary_shows_every_layer_once_and_what_it_reads(
    capsys: pytest.CaptureFixture[str],
) -> None:
    a, b = layers.Input((4,)), layers.Input((4,), name="other")
    shared = layers.Dense(3, name="shared")
    difference = 2.0 * shared(a) - shared(b)
    net = Model([a, b], layers.Dense(1)(ops.concat([difference, a])))
    net.summary()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("Param #   Connected to")
    found = {line.split()[0]: line.split(maxsplit=2)[2] for line in lines[2:6]}
    assert found["shared"].endswith("15   input, other")
    assert found["dense"].endswith("8   shared, input")
    assert found["other"].endswith(" 0")
    assert "<td" in net._repr_html_() and "shared, input" in net._repr_html_()
    Sequential([layers.Input((4,)), layers.Dense(1)]).summary()
    assert "Connected to" not in capsys.readouterr().out


# What is refused.


def test_graphs_that_are_none() -> None:
    x, other = layers.Input((4,)), layers.Input((4,))
    y = layers.Dense(2)(x)
    with pytest.raises(ValueError, match=r"outputs need Input\(\(4,\)\), which is not in inputs"):
        Model(other, y)
    with pytest.raises(ValueError, match="no output depends on the input"):
        Model([x, other], y)
    with pytest.raises(ValueError, match="the same Input twice"):
        Model([x, x], y)
    with pytest.raises(ValueError, match="inputs must be layers.Input, got <Node"):
        Model(y, layers.Dense(1)(y))
    with pytest.raises(TypeError, match="outputs must be layers.Input and what layers make"):
        Model(x, layers.Dense(2))
    with pytest.raises(ValueError, match="inputs must not be empty"):
        Model([], y)
    with pytest.raises(ValueError, match=r"in layer 'conv2_d', input \(None, 4\)|Conv2D"):
        layers.Conv2D(3, 3)(x)
    with pytest.raises(TypeError, match=r"\[call\].*layer of your own"):
        ops.call(np.sin, y)
    with pytest.raises(TypeError, match="scan.*layer of your own"):
        ops.scan(lambda carries, steps: (carries, []), [y], [])
    with pytest.raises(RuntimeError, match=r"layers.Input and what layers make of it"):
        layers.Dropout(0.5).build(y)
    with pytest.raises(RuntimeError, match="work on the values of a program or a graph"):
        ops.exp(3.0)


def test_losses_that_do_not_fit_the_outputs() -> None:
    with pytest.raises(ValueError, match="loss must have 2 parts, for 'size' and 'kind', got 1"):
        two_heads(loss=["mse"])
    with pytest.raises(ValueError, match="each output needs a loss"):
        two_heads(loss=["mse", None])
    with pytest.raises(ValueError, match="metrics names 'colour', the outputs are"):
        two_heads(metrics={"colour": ["mae"]})
    with pytest.raises(ValueError, match="loss_weights of 'kind' must be a number of at least 0"):
        two_heads(loss_weights=[1.0, -1.0])
    x = layers.Input((4,))
    outputs = {"a": layers.Dense(1)(x), "a_b": layers.Dense(1)(x)}
    with pytest.raises(ValueError, match="two numbers would be reported as 'a_b_loss'"):
        Model(x, outputs, loss="mse", metrics={"a": [metrics.MeanSquaredError(name="b_loss")]})
    with pytest.raises(ValueError, match="loss_weights weigh losses, and there is none"):
        two_heads(loss=None, metrics=None, loss_weights=[1.0, 1.0])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            X,
            r"\[predict\] X must be a tuple or a dict of 2 parts, for 'x' and 'image', got ndarray",
        ),
        ((X,), "X must have 2 parts, for 'x' and 'image', got 1"),
        ({"x": X}, r"X must have the names 'x' and 'image', got \['x'\]"),
        ((X, IMAGE[:5]), "X has 24 rows for 'x' and 5 for 'image'"),
        ((X, IMAGE[:, :1]), r"\[predict, 'image'\] X has shape \(24, 1, 3\)"),
        ((X, np.full_like(IMAGE, np.nan)), r"\[predict, 'image'\] X has a NaN at row 0"),
        ((X[:, :2], IMAGE), r"\[predict, 'x'\] X has 2 columns, the network takes 4"),
    ],
)
def test_inputs_that_do_not_fit(given: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        two_inputs().predict(given)


def test_targets_that_do_not_fit() -> None:
    net = two_heads()
    weights = net.get_weights()
    with pytest.raises(TypeError, match=r"\[fit\] y must be a tuple or a dict of 2 parts"):
        net.fit(X, SIZE)
    with pytest.raises(ValueError, match=r"\[fit, 'size'\] X has 24 rows and y has 3"):
        net.fit(X, (SIZE[:3], KIND))
    with pytest.raises(ValueError, match=r"\[fit\] class_weight is for one output"):
        net.fit(X, (SIZE, KIND), class_weight={0: 2.0})
    with pytest.raises(ValueError, match=r"sample_weight must have shape \(24,\)"):
        net.fit(X, (SIZE, KIND), sample_weight=np.ones((24, 3)))
    assert equal(net.get_weights(), weights)


def test_a_graph_is_described_by_its_config() -> None:
    graph = two_inputs()._graph
    config = graph.get_config()
    again = Graph.from_config(config, graph.layers)
    assert again.get_config() == config
