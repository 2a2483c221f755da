"""Functions of NumPy in a network: gradients, bits, threads, and whatever can go wrong in them."""

from __future__ import annotations

import _thread
import gc
import threading
import time
import traceback
import warnings
from typing import Any

import numpy as np
import pytest

from ganglion import DivergenceWarning, Sequential, check_gradient, layers, ops
from ganglion.threads import threads

Array = np.ndarray
draw = np.random.default_rng(0)
X = draw.normal(size=(300, 12)).astype(np.float32)
Y = draw.integers(0, 3, 300)


def leaky(x: Array) -> Array:
    return np.where(x > 0, x, x * x.dtype.type(0.25))


def leaky_backward(d_y: Array, x: Array, y: Array) -> Array:
    return np.where(x > 0, d_y, d_y * d_y.dtype.type(0.25))


class Leaky(layers.Layer):
    """The same of primitives."""

    def build(self, x: Any) -> Any:
        return ops.where(x > 0.0, x, x * 0.25)


class NumpyLeaky(layers.Layer):
    """A layer of one's own with a NumPy body: it can be saved."""

    def __init__(self, times: int = 1, **settings: Any) -> None:
        super().__init__(**settings)
        self.times = times

    def build(self, x: Any) -> Any:
        for _ in range(self.times):
            x = ops.call(leaky, x, backward=leaky_backward)
        return x


def network(layer: Any, **settings: Any) -> Sequential:
    stack = [layers.Input((12,)), layers.Dense(20), layer, layers.Dense(3, activation="softmax")]
    return Sequential(stack, loss="sparse_categorical_crossentropy", random_state=0, **settings)


def trained(layer: Any, **settings: Any) -> Sequential:
    return network(layer, **settings).fit(X, Y, epochs=3, batch_size=64, verbose=0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_training_has_the_bits_of_the_same_of_primitives(
    count: int, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANGLION_SHARE_ALL", "1")
    with threads(count):
        ours = trained(layers.Function(leaky, leaky_backward), dtype=dtype)
        primitive = trained(Leaky(), dtype=dtype)
    assert ours.history_ == primitive.history_
    for left, right in zip(ours.get_weights(), primitive.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)
    np.testing.assert_array_equal(ours.predict(X), primitive.predict(X))


def test_gradients_of_several_operands_and_of_weights() -> None:
    class Bilinear(layers.Layer):
        def build(self, x: Any) -> Any:
            weight = self.add_weight("weight", (4, 4))
            return ops.call(
                lambda x, w: np.einsum("ni,ij,nj->n", x, w, x)[:, None],
                x,
                weight,
                backward=lambda d, x, w, y: (
                    d * (x @ (w + w.T)),
                    np.einsum("nk,ni,nj->ij", d, x, x),
                ),
                shape=(None, 1),
            )

    assert check_gradient(Bilinear(), (4,)) < 1e-7


def test_an_operand_without_a_gradient() -> None:
    def pick(x: Array, index: Array) -> Array:
        return np.take_along_axis(x, index.astype(int)[:, None], axis=1)

    def pick_backward(d_y: Array, x: Array, index: Array, y: Array) -> tuple[Array, None]:
        d_x = np.zeros_like(x)
        np.put_along_axis(d_x, index.astype(int)[:, None], d_y, axis=1)
        return d_x, None

    def picked(x: Any) -> Any:
        return ops.call(pick, x, ops.argmax(x), backward=pick_backward, shape=(None, 1))

    assert check_gradient(picked, (5,)) < 1e-8


def test_steps_of_sequences_and_images() -> None:
    layer = layers.TimeDistributed(layers.Function(leaky, leaky_backward))
    assert check_gradient(layer, (3, 4)) < 1e-8
    images = layers.Function(lambda x: x[:, ::-1], lambda d, x, y: d[:, ::-1])
    np.testing.assert_array_equal(
        ops.evaluate(images, np.arange(12.0).reshape(2, 3, 2)),
        np.arange(12.0).reshape(2, 3, 2)[:, ::-1],
    )


def test_the_arrays_are_the_batch_and_cannot_be_written_to() -> None:
    seen: list[Any] = []

    def look(x: Array) -> Array:
        seen.append((x.shape, x.dtype, x.flags.writeable, x.flags.c_contiguous))
        return x

    network(layers.Function(look)).predict(X, batch_size=128)
    assert seen == [((n, 20), np.float32, False, True) for n in (128, 128, 44)]

    def write(x: Array) -> Array:
        x[0] = 0.0
        return x

    with pytest.raises(ValueError, match="read-only"):
        network(layers.Function(write)).predict(X)


class Mishap(Exception):
    pass


def test_an_exception_comes_through_and_leaves_the_network_as_it_was() -> None:
    calls = []

    def failing(x: Array) -> Array:
        calls.append(len(x))
        if len(calls) == 8:
            raise Mishap("the eighth")
        return leaky(x)

    net = network(layers.Function(failing, leaky_backward))
    with pytest.raises(Mishap, match="the eighth") as caught:
        net.fit(X, Y, epochs=3, batch_size=64, verbose=0)
    frames = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert frames[-1] == "failing"
    other = network(layers.Function(leaky, leaky_backward))
    other.fit(X, Y, epochs=1, batch_size=64, verbose=0)
    assert len(calls) == 8 and net.epoch_ == 1
    assert net.history_["loss"] == other.history_["loss"]
    assert all(np.isfinite(weight).all() for weight in net.get_weights())
    net.fit(X, Y, epochs=1, verbose=0)
    assert np.isfinite(net.predict(X)).all()


def test_a_failing_gradient_changes_nothing() -> None:
    def failing(d_y: Array, x: Array, y: Array) -> Array:
        raise Mishap

    net = network(layers.Function(leaky, failing))
    before = net.get_weights()
    with pytest.raises(Mishap):
        net.fit(X, Y, verbose=0)
    for left, right in zip(before, net.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize(
    ("returned", "error", "said"),
    [
        (lambda x: x[:, 0], ValueError, r"must return an array of shape \(300, 20\), got \(300,\)"),
        (lambda x: x.astype(str), TypeError, "must return an array of real numbers, got an array"),
        (lambda x: None, TypeError, "got None"),
        (lambda x: x + 1j, TypeError, "dtype complex64"),
        (lambda x: "text", TypeError, "got 'text'"),
    ],
)
def test_what_is_no_array_of_that_shape(returned: Any, error: Any, said: str) -> None:
    with pytest.raises(error, match=said) as caught:
        network(layers.Function(returned)).predict(X)
    assert "[call] <lambda> (" in str(caught.value) and "test_foreign.py:" in str(caught.value)


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (lambda d, x, y: d[:, :3], r"shape \(64, 20\), got \(64, 3\)"),
        (lambda d, x, y: (d, d), "must return 1 gradients, one for each operand, got 2"),
    ],
)
def test_a_gradient_of_another_shape(returned: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        trained(layers.Function(leaky, returned))


def test_numbers_of_other_types_are_converted() -> None:
    np.testing.assert_array_equal(
        ops.evaluate(layers.Function(lambda x: x > 0), [[-1.0, 2.0]]), [[0.0, 1.0]]
    )
    net = Sequential([layers.Input((12,)), layers.Function(lambda x: np.rint(x).astype(np.int8))])
    assert net.predict(X).dtype == np.float32


def test_what_is_not_finite_is_told_as_ever() -> None:
    net = network(layers.Function(lambda x: x / np.float32(0.0), leaky_backward))
    before = net.get_weights()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        warnings.simplefilter("always", DivergenceWarning)
        with pytest.warns(DivergenceWarning):
            net.fit(X, Y, verbose=0)
    for left, right in zip(before, net.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


def test_an_array_that_is_kept_is_an_error_and_safe() -> None:
    kept = []

    def keep(x: Array) -> Array:
        kept.append(x[1:])
        return x

    net = network(layers.Function(keep))
    with pytest.raises(ValueError, match="kept an array that it was given, .* keep a copy"):
        net.predict(X)
    del net
    gc.collect()
    assert np.isfinite(kept[0].sum())  # its memory is still there


def test_without_a_gradient_it_predicts_and_stands_before_what_is_trained() -> None:
    net = network(layers.Function(leaky))
    np.testing.assert_array_equal(net.predict(X), network(Leaky()).predict(X))
    with pytest.raises(
        ValueError, match=r"\[call\] leaky \(.*test_foreign.py:\d+\) has no gradient"
    ) as caught:
        net.fit(X, Y, verbose=0)
    assert "layer 'function'" in str(caught.value)
    first = Sequential([layers.Function(np.sort), layers.Dense(1)], loss="mse").fit(X, Y, epochs=2)
    assert first.history_["loss"][1] < first.history_["loss"][0]


def test_a_signal_ends_a_fit_within_a_call() -> None:
    def slow(x: Array) -> Array:
        threading.Timer(0.1, _thread.interrupt_main).start()
        deadline = time.monotonic() + 20.0
        while time.monotonic() < deadline:
            pass
        return x

    net = network(layers.Function(slow, leaky_backward))
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        net.fit(X, Y, epochs=100, verbose=0)
    assert time.monotonic() - start < 10.0
    assert all(np.isfinite(weight).all() for weight in net.get_weights())


def test_networks_within_a_function() -> None:
    other = network(Leaky())
    net = network(layers.Function(lambda x: x * other.predict(X[:1])[0, 0]))
    assert np.isfinite(net.predict(X)).all()
    itself = network(layers.Function(lambda x: itself.predict(X)[:, :1] + x))
    with pytest.raises(RuntimeError, match="is running: it cannot be used from .* a function"):
        itself.predict(X)


def test_threads_of_python_take_turns() -> None:
    net = network(layers.Function(leaky))
    wanted = net.predict(X)
    found: list[Array] = []
    workers = [threading.Thread(target=lambda: found.append(net.predict(X))) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(found) == 4
    for one in found:
        np.testing.assert_array_equal(one, wanted)


def test_a_step_of_a_loop_cannot_call() -> None:
    def step(carry: list[Any], slices: list[Any]) -> Any:
        total = ops.call(leaky, carry[0] + slices[0])
        return [total], [total]

    with pytest.raises(ValueError, match=r"\[scan\] a step cannot call a function of Python"):
        ops.evaluate(lambda x: ops.scan(step, [x[:, 0]], [x])[1][0], np.ones((2, 3, 4)))


def test_it_is_shown_and_timed(capsys: pytest.CaptureFixture[str]) -> None:
    trained(layers.Function(leaky, leaky_backward)).profile(X, Y)
    text = capsys.readouterr().out
    assert "call leaky (" in text and "call leaky_backward (" in text


def test_a_layer_of_one_s_own_is_saved_and_a_function_is_not(tmp_path: Any) -> None:
    net = trained(NumpyLeaky(times=2))
    net.save(tmp_path / "net.st")
    again = Sequential.load(tmp_path / "net.st")
    assert again.layers[2] == NumpyLeaky(times=2)
    np.testing.assert_array_equal(again.predict(X), net.predict(X))
    with pytest.raises(TypeError, match="cannot be saved: it is no setting but code .* class of"):
        trained(layers.Function(leaky, leaky_backward)).save(tmp_path / "function.st")
    assert not (tmp_path / "function.st").exists()


def test_bad_arguments() -> None:
    with pytest.raises(TypeError, match=r"\[Function\] forward must be a function, got 3"):
        layers.Function(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"\[Function\] backward must be a function, got 'relu'"):
        layers.Function(leaky, "relu")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"\[call\] forward must be a function of arrays, got None"):
        ops.evaluate(lambda x: ops.call(None, x), X)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"\[call\] needs at least one operand"):
        ops.evaluate(lambda x: ops.call(leaky), X)


def test_onnx_says_that_there_is_no_form(tmp_path: Any) -> None:
    pytest.importorskip("onnx")
    with pytest.raises(ValueError, match="call"):
        network(layers.Function(leaky)).to_onnx(tmp_path / "net.onnx")


def test_what_numba_compiled() -> None:
    numba = pytest.importorskip("numba")

    @numba.njit
    def forward(x):
        y = np.empty_like(x)
        for row in range(x.shape[0]):
            total = x.dtype.type(0)
            for column in range(x.shape[1]):
                total = max(total, x[row, column])
                y[row, column] = total
        return y

    @numba.njit
    def backward(d_y, x, y):
        d_x = np.zeros_like(x)
        for row in range(x.shape[0]):
            last = -1
            for column in range(x.shape[1]):
                if x[row, column] == y[row, column]:
                    last = column
                if last >= 0:
                    d_x[row, last] += d_y[row, column]
        return d_x

    assert check_gradient(layers.Function(forward, backward), (6,)) < 1e-7
    with pytest.raises(ValueError, match=r"forward \(.*test_foreign.py:\d+\) has no gradient"):
        trained(layers.Function(forward))
