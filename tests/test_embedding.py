"""Ids: rows of tables and their gradients, the layer Embedding, the gate that ids go through."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from traced import Traced

from ganglion import Sequential, _core, layers, losses, ops, optimizers
from ganglion.value import Value

Array = np.ndarray
IDS = np.random.default_rng(0).integers(0, 50, size=(30, 6))
Y = np.random.default_rng(1).integers(0, 3, size=30)


def classifier(**settings: Any) -> Sequential:
    return Sequential(
        [
            layers.Embedding(50, 8, name="words", **settings),
            layers.GlobalAveragePooling1D(),
            layers.Dense(3, activation="softmax"),
        ],
        loss="sparse_categorical_crossentropy",
        optimizer=optimizers.Adam(0.01),
        random_state=0,
    )


# Rows of a table.


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_names_no_row_gives_nan_and_gets_no_gradient(dtype: str) -> None:
    traced = Traced(lambda t, i: ops.take(ops.reshape(ops.sum(t, axis=0), (4, 2)), i),
                    [(None, 4, 2), (None, 7)], wrt=[0], dtype=dtype)  # fmt: skip
    table = np.arange(8.0).reshape(1, 4, 2)
    wrong = [-1.0, 4.0, np.nan, np.inf, -np.inf, 1e30]
    rows, d_table = traced.run(table, np.array([[3.0, *wrong]]), np.ones((1, 7, 2)))
    np.testing.assert_array_equal(rows[0, 0], [6.0, 7.0])
    assert np.isnan(rows[0, 1:]).all()
    np.testing.assert_array_equal(d_table[0], [[0, 0], [0, 0], [0, 0], [1, 1]])


def test_a_fraction_counts_as_the_whole_number_below() -> None:
    table = ops.evaluate(
        lambda i: ops.take(ops.constant([[1.0], [2.0]]), i), np.array([0.9, 1.5, -0.1])
    )
    np.testing.assert_array_equal(table.ravel(), [1.0, 2.0, np.nan])


def test_shapes_that_do_not_fit_are_an_error() -> None:
    builder = _core.Builder()
    batched, index = builder.input("x", (None, 3)), builder.input("i", (None, 2))
    with pytest.raises(ValueError, match=r"\[take\] needs a table \(rows, columns\), got"):
        builder.apply("take", [batched, index], {})
    with pytest.raises(ValueError, match=r"\[take_gradient\] index .* does not fit"):
        builder.apply("take_gradient", [index, batched], {"rows": 4})
    for rows in (0, -1, 2**62):
        with pytest.raises(ValueError, match="take_gradient|Builder"):
            builder.apply(
                "take_gradient", [index, builder.input("d", (None, 2, 9))], {"rows": rows}
            )


def test_the_gradient_is_summed_in_the_order_of_the_batch() -> None:
    index = np.random.default_rng(2).integers(0, 40, size=(64, 25))
    d_out = np.random.default_rng(3).normal(size=(64, 25, 33)).astype(np.float32)
    expected = np.zeros((40, 33), np.float32)
    for row, gradient in zip(index.ravel(), d_out.reshape(-1, 33), strict=True):
        expected[row] += gradient
    builder = _core.Builder()
    ids = [builder.input("i", (None, 25)), builder.input("d", (None, 25, 33))]
    builder.output("sums", builder.apply("take_gradient", ids, {"rows": 40})[0])
    executable = _core.Executable(builder.finish(), "float32", None, None)
    before = _core.get_num_threads()
    try:
        for threads in (1, 2, 3, 8):
            _core.set_num_threads(threads)
            np.testing.assert_array_equal(executable.run([index, d_out], 64)[0], expected)
    finally:
        _core.set_num_threads(before)


def test_rows_taken_at_each_step_of_a_loop_are_differentiated() -> None:
    def network(table: Value, index: Value) -> Value:
        rows = ops.reshape(ops.sum(table, axis=0), (5, 3))

        def step(carries: list[Value], slices: list[Value]) -> tuple[list[Value], list[Value]]:
            total = ops.tanh(carries[0] + ops.take(rows, slices[0]))
            return [total], [total]

        start = ops.broadcast_to(ops.constant(0.0), (None, 3))
        return ops.scan(step, [start], [index])[1][0]

    index = np.random.default_rng(0).integers(0, 5, size=(3, 4)).astype(float)
    traced = Traced(network, [(None, 5, 3), (None, 4)], wrt=[0])
    traced.check_gradients(np.random.default_rng(1).normal(size=(3, 5, 3)), index)


# Prints a hash of a training in which each part of a batch names the same and other rows.
PROGRAM = """
import hashlib, sys
import numpy as np
from ganglion import Sequential, layers, optimizers

digest = hashlib.sha256()
for clip in (None, 1.0):
    ids = np.random.default_rng(0).zipf(1.3, size=(200, 30)) % 3000
    net = Sequential(
        [layers.Embedding(3000, 40, mask_zero=True, embeddings_regularizer="l2"),
         layers.GlobalAveragePooling1D(), layers.Dense(4)],
        loss="mse", optimizer=optimizers.Adam(0.01, global_clipnorm=clip), random_state=0,
        dtype=sys.argv[1],
    )
    net.fit(ids, np.random.default_rng(1).normal(size=(200, 4)), epochs=2, batch_size=64)
    for array in [*net.get_weights(), net.predict(ids)]:
        digest.update(array.tobytes())
print(digest.hexdigest())
"""


def bits(dtype: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, dtype],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bits_depend_on_neither_threads_nor_the_instruction_set(dtype: str) -> None:
    expected = bits(dtype, GANGLION_NUM_THREADS="1")
    for threads in (2, 3, 8):
        assert bits(dtype, GANGLION_NUM_THREADS=str(threads), GANGLION_SHARE_ALL="1") == expected
    for isa in sorted({"avx2", "avx512"} & set(_core.available_isas())):
        assert bits(dtype, GANGLION_ISA=isa) == expected


# The layer.


def test_the_gradient_is_part_of_the_update(capsys: Any) -> None:
    net = classifier().fit(IDS, Y)
    net.program("train")
    listed = [line for line in capsys.readouterr().out.split("\n") if "take_gradient" in line]
    assert len(listed) == 1 and "take_gradient + " in listed[0] and "words" in listed[0]


def test_rows_that_no_id_names_are_left_as_they_are() -> None:
    net = classifier()
    net.compile(optimizer="sgd", loss=net.loss)
    net.build((None, 6))
    before = net.get_weights()[0]
    few = IDS % 7
    changed = (net.fit(few, Y, epochs=2).get_weights()[0] != before).any(axis=1)
    np.testing.assert_array_equal(np.flatnonzero(changed), np.unique(few))


def test_padding_does_not_count() -> None:
    net = classifier(mask_zero=True)
    padded = np.zeros((30, 9), int)
    padded[:, :6] = IDS % 49 + 1
    longer = classifier(mask_zero=True).forward(padded)
    np.testing.assert_allclose(net.forward(padded[:, :6]), longer, rtol=1e-6)
    deep = Sequential(
        [layers.Embedding(50, 8, mask_zero=True), layers.Dense(50)],
        loss=losses.SparseCategoricalCrossentropy(from_logits=True),
        random_state=0,
    )
    with pytest.raises(ValueError, match=r"mask_zero needs ids of shape \(None, steps\)"):
        deep.forward(IDS.reshape(30, 3, 2))
    targets = padded.copy()
    loss, (d_table, *_) = deep.loss_and_gradients(padded, targets)
    assert not d_table[0].any() and d_table[1:].any()
    targets[padded == 0] = 7
    assert deep.loss_and_gradients(padded, targets)[0] == loss


@pytest.mark.parametrize(
    "dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", ">i4"]
)
def test_ids_of_any_number_type_are_read(dtype: str) -> None:
    net = classifier()
    expected = net.forward(IDS)
    np.testing.assert_array_equal(net.predict(IDS.astype(dtype)), expected)
    spread = np.zeros((60, 12), dtype)
    spread[::2, 1::2] = IDS
    np.testing.assert_array_equal(net.predict(spread[::2, 1::2]), expected)


def test_settings_that_are_wrong_are_refused() -> None:
    for settings, message in [
        ((0, 4), "input_dim must be a positive integer, got 0"),
        ((4, -1), "output_dim must be a positive integer, got -1"),
        ((2**24 + 1, 1), r"input_dim must be at most 2\^24, got 16777217"),
    ]:
        with pytest.raises(ValueError, match=rf"\[Embedding\] {message}"):
            layers.Embedding(*settings)
    with pytest.raises(TypeError, match="input_length"):
        layers.Embedding(4, 2, input_length=3)


def test_a_network_with_ids_is_kept(tmp_path: Path) -> None:
    net = classifier().fit(IDS, Y, epochs=2)
    net.save(tmp_path / "net.safetensors")
    np.testing.assert_array_equal(
        Sequential.load(tmp_path / "net.safetensors").predict(IDS), net.predict(IDS)
    )


# The gate.

BAD = {
    "too_large": (50, "the id 50 at row 2, position 3, and the vocabulary of layer 'words' has 50"),
    "negative": (-1, "the id -1 at row 2, position 3, and the vocabulary of layer 'words' has 50"),
    "huge": (2**40, "the id 1099511627776 at row 2, position 3"),
    "fraction": (2.5, "2.5 at row 2, position 3: layer 'words' takes ids, which are whole numbers"),
    "close": (2 + 2**-40, "2.0000000000009095 at row 2, position 3: layer 'words' takes ids"),
    "nan": (np.nan, "a NaN at row 2, column 3"),
    "infinite": (np.inf, "the infinite value inf at row 2, column 3"),
}
USES = {
    "fit": lambda net, X: net.fit(X, Y),
    "partial_fit": lambda net, X: net.partial_fit(X, Y),
    "train_on_batch": lambda net, X: net.train_on_batch(X, Y),
    "validation_data": lambda net, X: net.fit(IDS, Y, validation_data=(X, Y)),
    "evaluate": lambda net, X: net.evaluate(X, Y),
    "loss_and_gradients": lambda net, X: net.loss_and_gradients(X, Y),
    "predict": lambda net, X: net.predict(X),
    "predict_one": lambda net, X: net.predict(X[2:3]),
    "forward": lambda net, X: net.forward(X),
    "layer_outputs": lambda net, X: net.layer_outputs(X),
    "profile": lambda net, X: net.profile(X),
}


@pytest.mark.parametrize("case", BAD)
def test_an_id_that_is_none_is_found(case: str) -> None:
    value, message = BAD[case]
    ids = IDS.astype(np.result_type(type(value)))
    ids[2, 3] = value
    net = classifier()
    with pytest.raises(ValueError, match=rf"\[fit\] X has {message}"):
        net.fit(ids, Y)
    assert not net.built


@pytest.mark.parametrize("built", [False, True])
@pytest.mark.parametrize("use", USES)
def test_every_use_checks_ids_first(use: str, built: bool) -> None:
    ids = IDS.copy()
    ids[2, 3] = 50
    net = classifier()
    if built or use in ("predict", "predict_one", "evaluate", "layer_outputs"):
        net.build((None, 6))
        net.predict(IDS[:1].astype(np.float32))  # a row that predict serves in a shorter way
    weights = net.get_weights() if net.built else None
    row = "0" if use == "predict_one" else "2"
    with pytest.raises(ValueError, match=rf"X has the id 50 at row {row}, position 3"):
        USES[use](net, ids if use != "predict_one" else ids.astype(np.float32))
    assert net.built == (weights is not None) and net.step_ == 0
    for now, then in zip(net.get_weights() if weights else [], weights or [], strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize(
    "first",
    [
        [layers.Input((6,)), layers.Embedding(40, 4)],
        [layers.Residual([layers.Embedding(40, 4)], shortcut=[layers.Embedding(60, 4)])],
        [layers.Branches([[layers.Embedding(60, 4)], [layers.Embedding(40, 3)]])],
        [layers.Residual([layers.Residual([layers.Embedding(40, 4)], [layers.Embedding(60, 4)])],
                         [layers.Embedding(70, 4)])],
    ],
    ids=["input", "residual", "branches", "nested"],
)  # fmt: skip
def test_ids_are_checked_through_what_stands_around(first: Any) -> None:
    net = Sequential(first)
    assert net.forward(IDS % 40).shape[:2] == (30, 6)
    with pytest.raises(ValueError, match=r"the vocabulary of layer '.*embedding(_1)?' has 40"):
        net.forward(np.where(np.arange(30) == 29, 40, IDS.T % 40).T)


def test_ids_computed_by_layers_before_are_not_looked_at() -> None:
    net = Sequential([layers.Rescaling(0.5), layers.Embedding(25, 2)])
    assert np.isfinite(net.forward(IDS)).all()


def test_ids_of_a_sparse_matrix_are_checked() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    net = classifier()
    ids = IDS * (IDS > 30)
    np.testing.assert_array_equal(net.forward(ids), net.predict(sparse.csr_matrix(ids)))
    ids[4, 5] = 51
    with pytest.raises(ValueError, match=r"\[predict\] X has the id 51 at row 4, position 5, and"):
        net.predict(sparse.csr_matrix(ids))


def test_ids_with_more_axes_name_their_position() -> None:
    net = Sequential([layers.Embedding(5, 2)])
    ids = np.zeros((3, 2, 4), int)
    ids[1, 0, 2] = 9
    with pytest.raises(ValueError, match=r"the id 9 at row 1, position \(0, 2\)"):
        net.forward(ids)


def test_empty_sequences_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\[fit\] X has no features: shape \(30, 0\)"):
        classifier().fit(IDS[:, :0], Y)


def test_the_first_row_without_an_index_is_found() -> None:
    array = np.zeros((5000, 70), np.int32)
    assert _core.first_not_index(array, 1) == -1
    array[4321, 69] = 8
    assert _core.first_not_index(array, 9) == -1
    assert _core.first_not_index(array, 8) == 4321
    assert _core.first_not_index(array[:, :69], 1) == -1
    for size in (0, 2**24 + 1):
        with pytest.raises(ValueError, match="size must be from 1 to 2\\^24"):
            _core.first_not_index(array, size)


MEMORY = """
import sys
import numpy as np
from ganglion import Sequential, layers


def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024

ids = np.load(sys.argv[1], mmap_mode="r")
net = Sequential([layers.Embedding(9, 1), layers.GlobalAveragePooling1D()])
net.build((None, ids.shape[1]))
net.predict(ids[:512])
before = peak()
net.predict(ids)
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the mapping itself is read")
def test_ids_of_a_memory_mapped_file_are_checked_without_filling_memory(tmp_path: Path) -> None:
    ids = np.lib.format.open_memmap(tmp_path / "ids.npy", "w+", np.int64, (140_000, 128))
    ids[:] = 8
    ids.flush()
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(tmp_path / "ids.npy")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(done.stdout) < 20  # MB, of 143


# Other libraries.


def test_the_table_of_pytorch_is_taken_over() -> None:
    net, table = classifier(), np.random.default_rng(0).normal(size=(50, 8))
    net.build((None, 6))
    kernel, bias = np.ones((3, 8)), np.zeros(3)
    net.load_state_dict({"0.weight": table, "2.weight": kernel, "2.bias": bias})
    np.testing.assert_allclose(net.get_weights()[0], table, rtol=1e-6)


@pytest.mark.parametrize("cast", [None, 6, 7], ids=["int64", "to_int32", "to_int64"])
def test_rows_that_an_onnx_graph_gathers_are_an_embedding(cast: int | None, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from onnx_models import model, node, read, run, weights

    table = weights(5, 3)
    cast_nodes = [node("Cast", "x", "ids", to=cast)] if cast else []
    gather = node("Gather", "table ids" if cast else "table x", "y", axis=0)
    made = model(
        [*cast_nodes, gather],
        {"table": table},
        ("batch", 4),
        outputs={"y": 1},
        dtype=1 if cast else 7,
    )
    net = read(made, tmp_path)
    assert repr(net.layers[1:]) == "[Embedding(5, 3)]"
    ids = np.random.default_rng(0).integers(0, 5, size=(7, 4))
    x = ids.astype(np.float32) if cast else ids
    np.testing.assert_array_equal(net.predict(ids), run(made, x)[0])


def test_other_gatherings_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    from onnx_models import model, node, read, weights

    columns = node("Gather", "x places", "y", axis=1)
    made = model([columns], {"places": np.array([0, 2])})
    with pytest.raises(ValueError, match="its table must be a constant"):
        read(made, tmp_path)
    across = node("Gather", "table x", "y", axis=1)
    made = model([across], {"table": weights(5, 3)}, outputs={"y": 1}, dtype=7)
    with pytest.raises(ValueError, match="it must take rows of a matrix"):
        read(made, tmp_path)
