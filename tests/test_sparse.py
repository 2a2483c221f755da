"""Sparse matrices: the same bits as the dense array, and every broken one refused."""

from __future__ import annotations

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from linear import copy_program
from scipy import sparse

from ganglion import Sequential, _core, layers, optimizers
from ganglion.callbacks import LambdaCallback
from ganglion.sparse import sparse_rows

FORMATS = ["csr", "csc", "coo", "bsr", "lil", "dok", "dia"]
DTYPES = ["bool", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]


def matrix(rows=60, columns=30, dtype="f8", seed=0):
    """About a tenth of it stored, with rows and columns that are empty."""
    generator = np.random.default_rng(seed)
    dense = generator.integers(1, 100, (rows, columns)) * (generator.random((rows, columns)) < 0.1)
    dense[5:8] = 0
    dense[:, 3] = 0
    return sparse.csr_array(dense.astype(dtype))


X = matrix()
Y = np.random.default_rng(1).integers(0, 3, X.shape[0])


def network(**others):
    return Sequential(
        [
            layers.Dense(8, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(3, activation="softmax"),
        ],
        loss="sparse_categorical_crossentropy",
        optimizer=optimizers.Adam(0.01),
        metrics=["accuracy"],
        random_state=0,
        **others,
    )


def gathered(given, dtype="float64", batch_size=7):
    """The matrix as a program sees it, batch by batch."""
    rows = sparse_rows("fit", "X", given)
    executable = _core.Executable(copy_program(rows.shape[1:]), dtype, None, None)
    return executable.predict([rows], batch_size)[0]


# The same bits.


@pytest.mark.parametrize("program_dtype", ["float32", "float64"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_is_read(dtype, program_dtype):
    given = matrix(dtype=dtype)
    np.testing.assert_array_equal(gathered(given, program_dtype), given.toarray())


@pytest.mark.parametrize("kind", ["array", "matrix"])
@pytest.mark.parametrize("format", FORMATS)
def test_every_format_is_read(format, kind):
    given = X.asformat(format)
    if kind == "matrix":
        given = getattr(sparse, f"{format}_matrix")(given)
    np.testing.assert_array_equal(gathered(given), X.toarray())


@pytest.mark.parametrize("index_dtype", [np.int32, np.int64])
def test_both_kinds_of_indices_are_read(index_dtype):
    given = X.copy()
    given.indices, given.indptr = X.indices.astype(index_dtype), X.indptr.astype(index_dtype)
    np.testing.assert_array_equal(gathered(given), X.toarray())


def unsorted():
    given = X.copy()
    for begin, end in zip(given.indptr, given.indptr[1:], strict=False):
        given.indices[begin:end] = given.indices[begin:end][::-1].copy()
        given.data[begin:end] = given.data[begin:end][::-1].copy()
    given.has_sorted_indices = False
    return given


def duplicated(dtype="f8"):
    data = np.array([1.1, 2.2, 3.3, 100.0, 100.0]).astype(dtype)
    return sparse.csr_array((data, [2, 0, 2, 1, 1], [0, 3, 3, 5]), shape=(3, 4))


def apart():
    """Arrays that do not lie in one piece, and stored values that no row has."""
    given = X.copy()
    given.data = np.repeat(np.append(X.data, 7.0), 2)[::2]
    given.indices = np.repeat(np.append(X.indices, 7), 2)[::2]
    return given


def read_only():
    given = X.copy()
    for part in (given.data, given.indices, given.indptr):
        part.flags.writeable = False
    return given


def negative_zeros():
    given = X.copy()
    given.data[::2] = -0.0
    return given


ODD = {
    "unsorted": unsorted,
    "duplicates": duplicated,
    "duplicates_that_overflow": lambda: duplicated("i1"),
    "duplicated_booleans": lambda: duplicated("bool"),
    "apart": apart,
    "read_only": read_only,
    "negative_zeros": negative_zeros,
    "nothing_stored": lambda: sparse.csr_array((9, 4)),
    "one_column": lambda: X[:, [0]],
    "one_row": lambda: X[[0]],
    "extended": lambda: X.astype(np.longdouble),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_matrices_are_read_as_scipy_reads_them(case):
    given = ODD[case]()
    before = [np.array(part) for part in (given.data, given.indices, given.indptr)]
    found, expected = gathered(given), given.toarray().astype(np.float64)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(np.signbit(found), np.signbit(expected))
    for part, was in zip((given.data, given.indices, given.indptr), before, strict=True):
        np.testing.assert_array_equal(part, was)


def test_a_csr_matrix_is_read_in_place_and_so_are_its_parts():
    rows = sparse_rows("fit", "X", X)
    assert np.shares_memory(rows.data, X.data)
    assert np.shares_memory(rows.indices, X.indices)
    part = rows[10:25]
    assert part.shape == (15, X.shape[1])
    assert np.shares_memory(part.data, X.data)
    executable = _core.Executable(copy_program(X.shape[1:]), "float64", None, None)
    np.testing.assert_array_equal(executable.predict([part], 4)[0], X[10:25].toarray())
    with pytest.raises(ValueError, match="steps of one"):
        rows[::2]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_training_gives_the_same_bits_as_the_dense_array(dtype):
    weight = np.random.default_rng(2).uniform(size=len(Y))
    options = {"sample_weight": weight, "class_weight": {0: 2.0}, "epochs": 3, "batch_size": 16}
    for validation in ({}, {"validation_split": 0.3}):
        first = network(dtype=dtype).fit(X, Y, **options, **validation)
        second = network(dtype=dtype).fit(X.toarray(), Y, **options, **validation)
        assert first.history_ == second.history_
        np.testing.assert_array_equal(first.predict(X), second.predict(X.toarray()))
        assert first.evaluate(X, Y) == second.evaluate(X.toarray(), Y)


def test_validation_data_may_be_sparse():
    first = network().fit(X, Y, validation_data=(X[:20], Y[:20]))
    second = network().fit(X, Y, validation_data=(X[:20].toarray(), Y[:20]))
    assert first.history_ == second.history_


def test_every_other_way_in_takes_it():
    first, second = network(), network()
    dense = X.toarray()
    first.partial_fit(X, Y)
    second.partial_fit(dense, Y)
    assert first.train_on_batch(X, Y) == second.train_on_batch(dense, Y)
    np.testing.assert_array_equal(first.forward(X), second.forward(dense))
    gradient = np.ones((len(Y), 3))
    np.testing.assert_array_equal(first.backward(gradient), second.backward(gradient))
    first.profile(X, Y)


def test_layers_adapt_to_it():
    def scaled():
        return Sequential([layers.Normalization(), layers.Dense(1)], loss="mse", random_state=0)

    large = sparse.vstack([X] * 40, format="csr")  # more than adapts at a time
    first, second = scaled().fit(large, large[:, [0]].toarray()), scaled()
    second.fit(large.toarray(), large[:, [0]].toarray())
    for ours, expected in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, expected)


def test_it_lives_as_long_as_it_is_read():
    executable = _core.Executable(copy_program(X.shape[1:]), "float64", None, None)
    rows = sparse_rows("fit", "X", X.copy())
    part = rows[3:9]
    del rows
    np.testing.assert_array_equal(executable.predict([part], 2)[0], X[3:9].toarray())


# What is refused.


def changed(part, index, value, dtype="f8"):
    given = matrix(dtype=dtype)
    getattr(given, part)[index] = value
    return given


def replaced(**parts):
    given = X.copy()
    for name, value in parts.items():
        setattr(given, name, value)
    return given


def bad_csc():
    given = X.tocsc()
    given.indices[0] = 1_000_000
    return given


def bad_coo(row):
    given = X.tocoo()
    given.row[0] = row
    return given


def bad_dia():
    given = sparse.dia_array(X)
    given.offsets = given.offsets[:-1]
    return given


LAST = X.indices[X.indptr[9] : X.indptr[10]][-1]
BROKEN = {
    "column_too_large": (lambda: changed("indices", 4, 30), r"indices has column 30 in row \d"),
    "column_negative": (lambda: changed("indices", 4, -1), r"indices has column -1 in row \d"),
    "indptr_too_large": (lambda: changed("indptr", -1, 10_000), "indptr ends at 10000"),
    "indptr_negative": (lambda: changed("indptr", 0, -1), "indptr begins at -1"),
    "indptr_falls": (lambda: changed("indptr", 2, 10_000), "indptr falls from 10000 .* at row 2"),
    "too_few_indices": (lambda: replaced(indices=X.indices[:-1]), "numbers and indices"),
    "fractional_indices": (lambda: replaced(indices=X.indices * 1.0), "int32 or int64"),
    "other_format": (bad_csc, "no valid sparse matrix"),
    "coo_too_large": (lambda: bad_coo(1_000_000), "no valid sparse matrix: indices must be from 0"),
    "coo_negative": (lambda: bad_coo(-5), "no valid sparse matrix: indices must be from 0 to 59"),
    "dia": (bad_dia, "no valid sparse matrix: .* offsets of"),
    "complex": (lambda: X.astype(complex), "must hold numbers, got dtype complex128"),
    "nan": (
        lambda: changed("data", X.indptr[10] - 1, np.nan),
        f"X has a NaN at row 9, column {LAST}",
    ),
    "infinite": (lambda: changed("data", 0, -np.inf), "infinite value -inf at row 0"),
    "too_large": (lambda: changed("data", 0, 1e39), r"1e\+39, too large for float32, at row 0"),
    "empty": (lambda: X[:0], "X is empty"),
    "no_features": (lambda: X[:, :0], "no features"),
    "one_dimension": (lambda: sparse.coo_array(np.ones(3)), "must have a row for each sample"),
    "length": (lambda: X[:-1], "X has 59 rows and y has 60"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_matrix_is_refused(case):
    make, message = BROKEN[case]
    net = network()
    with pytest.raises((TypeError, ValueError), match=rf"\[fit\].*{message}"):
        net.fit(make(), Y)
    assert not net.built


def test_what_is_written_to_a_matrix_while_it_is_read_harms_nothing():
    given = X.copy()

    def spoil(epoch, logs):
        given.indices[:] = 100_000_000
        given.indptr[:] = 100_000_000

    net = network().fit(
        given, Y, epochs=2, callbacks=[LambdaCallback(on_epoch_begin=spoil)], verbose=0
    )
    assert np.isfinite(net.predict(X)).all()


@pytest.mark.parametrize("call", ["predict", "forward"])
def test_a_fitted_network_says_what_is_wrong(call):
    net = network().fit(X, Y)
    for broken, message in [
        (X[:, :9], "X has 9 columns, the network takes 30"),
        (changed("data", -1, np.nan), r"X has a NaN at row \d+, column \d+"),
        (changed("indices", 0, 31), "X: indices has column 31"),
    ]:
        with pytest.raises(ValueError, match=rf"\[{call}\] {message}"):
            getattr(net, call)(broken)


@hypothesis.settings(max_examples=300, deadline=None)
@hypothesis.given(
    data=arrays.arrays(np.float64, st.integers(0, 6), elements=st.floats(-9, 9)),
    indices=arrays.arrays(
        st.sampled_from([np.int32, np.int64]), st.integers(0, 6), elements=st.integers(-1, 4)
    ),
    indptr=arrays.arrays(np.int64, st.integers(0, 5), elements=st.integers(-1, 7)),
)
def test_any_arrays_are_read_within_their_bounds_or_refused(data, indices, indptr):
    try:
        rows = _core.SparseRows("[fit] X", data, indices, indptr, 4)
    except ValueError as error:
        assert str(error).startswith("[fit] X: ")
        return
    executable = _core.Executable(copy_program((4,)), "float64", None, None)
    dense = np.zeros((len(rows), 4))
    for row in range(len(rows)):
        for at in range(indptr[row], indptr[row + 1]):
            dense[row, indices[at]] += data[at]
    assert rows.has_duplicates == any(
        len(set(indices[begin:end])) < end - begin
        for begin, end in zip(indptr, indptr[1:], strict=False)
    )
    if len(rows):
        np.testing.assert_array_equal(executable.predict([rows], 2)[0], dense)


def test_values_that_no_row_has_need_not_be_finite():
    given = X.copy()
    given.data, given.indices = np.append(X.data, np.nan), np.append(X.indices, 0)
    assert network().fit(given, Y).history_ == network().fit(X, Y).history_


def test_targets_may_not_be_sparse():
    with pytest.raises(TypeError, match=r"\[fit\] y is sparse: pass y.toarray\(\)"):
        network().fit(X, sparse.csr_array(Y[:, None]))


def test_a_network_of_other_rank_says_so():
    net = Sequential([layers.Input((5, 6)), layers.Flatten(), layers.Dense(1)], loss="mse")
    with pytest.raises(ValueError, match=r"X has shape \(60, 30\), the network takes \(None, 5"):
        net.fit(X, Y)
