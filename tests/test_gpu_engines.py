"""What a GPU engine does beside computing: data of every kind, failures and what they leave.

Runs on a GPU, or in Numba's simulator: ``NUMBA_ENABLE_CUDASIM=1 pytest tests/test_gpu_engines.py``.
"""

from __future__ import annotations

import signal
import threading
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from engine_runs import IS_SIMULATED, engine_named
from joint_networks import data, joint
from layer_grid import samples
from registry import examples
from row_sources import Rows, network
from small_networks import X, Y, assert_same_weights, classifier, linear
from tolerances import assert_near

from ganglion import DivergenceWarning, Model, Sequential, engines, layers, optimizers
from ganglion.engines import numba_cuda

Array = np.ndarray
GPU_ENGINES = [name for name in engines.ENGINES if name != "cpu"]


@pytest.fixture(params=GPU_ENGINES)
def gpu(request: pytest.FixtureRequest) -> str:
    """The name of an engine of a GPU."""
    engine_named(request.param)
    return str(request.param)


def assert_alike(net: Sequential, other: Sequential) -> None:
    for left, right in zip(net.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("layer", examples("layer"))
def test_every_layer_as_on_the_processor(gpu: str, layer: Any) -> None:
    """In training, with the same random numbers, and back."""
    X = samples(layer, layer.example_shape, 3, np.random.default_rng(5))
    passes = []
    for device in ("cpu", gpu):
        again = type(layer).from_config(layer.get_config())
        net = Sequential([again], random_state=1, dtype="float64", device=device)
        forward = net.forward(X, training=True)
        back = net.backward(np.ones_like(forward))
        passes.append([forward, back, *net.gradients_, *net.get_weights()])
    for left, right in zip(*passes, strict=True):
        assert_near(right, left, 1e-9, absolute=1e-9)


# Data.


def test_sparse_rows(gpu: str) -> None:
    sparse = pytest.importorskip("scipy.sparse")
    rows = sparse.csr_matrix(np.where(X > 0.5, X, 0.0))
    nets = [linear(device=device) for device in ("cpu", gpu)]
    for net in nets:
        net.fit(rows[3:], Y[3:], batch_size=32)
    assert_alike(*nets)
    np.testing.assert_allclose(nets[0].predict(rows), nets[1].predict(rows), rtol=1e-6)


def test_sequences_of_different_lengths(gpu: str) -> None:
    draw = np.random.default_rng(0)
    sequences = [draw.normal(size=(steps, 2)) for steps in (1, 3, 2, 3, 1, 2)]
    y = np.arange(6.0)
    chain = [layers.Input((None, 2)), layers.SimpleRNN(3), layers.Dense(1)]
    nets = []
    for device in ("cpu", gpu):
        net = Sequential(chain_copy(chain), loss="mse", random_state=0, device=device)
        nets.append(net.fit(sequences, y, batch_size=2, epochs=2))
    assert_alike(*nets)
    np.testing.assert_allclose(
        nets[0].predict(sequences), nets[1].predict(sequences), rtol=1e-4, atol=1e-6
    )


def chain_copy(chain: list[Any]) -> list[Any]:
    return [type(layer).from_config(layer.get_config()) for layer in chain]


def test_sources_are_streamed(gpu: str) -> None:
    nets = [network(device=device) for device in ("cpu", gpu)]
    for net in nets:
        net.fit(Rows(), batch_size=64)
    assert_alike(*nets)
    np.testing.assert_allclose(nets[0].predict(Rows()), nets[1].predict(Rows()), rtol=1e-5)


@pytest.mark.parametrize("dtype", ["uint8", "bool", "float16", "int64", ">f4"])
def test_numbers_of_other_types(gpu: str, dtype: str) -> None:
    given = (10 * X).astype(dtype) if dtype != "uint8" else np.abs(10 * X).astype(dtype)
    nets = [linear(device=device) for device in ("cpu", gpu)]
    for net in nets:
        net.fit(given[::2, ::-1], Y[::2], batch_size=25)
    assert_alike(*nets)


def test_a_data_set_that_the_gpu_has_no_memory_for_is_sent_batch_by_batch(
    gpu: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    nets = [linear(device=gpu) for _ in range(2)]
    nets[0].fit(X, Y, batch_size=40)
    monkeypatch.setattr(type(engines.named(gpu).device), "free_bytes", lambda self: 0.0)
    nets[1].fit(X, Y, batch_size=40)
    assert_same_weights(*nets)


def test_arrays_that_are_on_the_gpu_are_read_there(
    gpu: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Shown:
        """As CuPy's arrays show themselves."""

        __cuda_array_interface__ = {"version": 3}

        def __init__(self, array: Array) -> None:
            self.array, self.reads = array, 0

    def as_flat(self: Any, shown: Shown) -> Any:
        shown.reads += 1
        return self.upload(shown.array)

    from ganglion.engines.numba_cuda import device

    monkeypatch.setattr(device, "on_host", lambda shown: shown.array.copy())
    monkeypatch.setattr(device.Device, "as_flat", as_flat)
    shown = Shown(X)
    nets = [linear(device=gpu) for _ in range(2)]
    nets[0].fit(X, Y)
    nets[1].fit(shown, Y)
    assert shown.reads == 1
    assert_same_weights(*nets)
    np.testing.assert_array_equal(nets[0].predict(X), nets[1].predict(shown))
    assert shown.reads == 2
    linear().fit(shown, Y)
    assert shown.reads == 2
    with pytest.raises(ValueError, match="9 columns"):
        nets[1].predict(Shown(np.ones((2, 9))))


def test_several_inputs(gpu: str) -> None:
    def joining(device: str) -> Model:
        left, right = layers.Input((6,)), layers.Input((2,))
        joined = layers.Concatenate()([layers.Dense(3)(left), right])
        return Model([left, right], layers.Dense(1)(joined), loss="mse", random_state=0,
                     device=device)  # fmt: skip

    nets = [joining(device) for device in ("cpu", gpu)]
    for net in nets:
        net.fit([X, X[:, :2]], Y, batch_size=50)
    assert_alike(*nets)


# Passes beside training.


def test_evaluation_gradients_and_layers(gpu: str) -> None:
    nets = [classifier(metrics=["accuracy"], device=device) for device in ("cpu", gpu)]
    for net in nets:
        net.build((None, 6))
    one, other = (net.evaluate(X, Y, batch_size=64) for net in nets)
    assert one == pytest.approx(other, rel=1e-5)
    gradients = [net.loss_and_gradients(X, Y)[1] for net in nets]
    for left, right in zip(*gradients, strict=True):
        np.testing.assert_allclose(left, right, atol=1e-6)
    outputs = [net.layer_outputs(X) for net in nets]
    for name, value in outputs[0].items():
        np.testing.assert_allclose(value, outputs[1][name], atol=1e-6)
    nets[1].profile(X, Y)


def test_inputs_that_are_not_finite_are_named(gpu: str) -> None:
    net = classifier(device=gpu)
    net.build((None, 6))
    wrong = X.copy()
    wrong[3, 2] = np.nan
    with pytest.raises(ValueError, match="row 3"):
        net.predict(wrong)


def test_several_networks_take_turns(gpu: str) -> None:
    samples, noise = data(20)
    found = []
    for device in ("cpu", gpu):
        nets = {
            "generator": Sequential([layers.Dense(3)], random_state=0, device=device),
            "discriminator": Sequential([layers.Dense(1)], random_state=1, device=device),
        }
        trained = joint(nets, every=2).fit((samples, noise), epochs=2, batch_size=8)
        found.append([*trained.get_weights(), *trained.history_.values()])
        found[-1] += trained.evaluate((samples, noise)).values()
    for left, right in zip(*found, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-6)
    mixed = nets | {"other": Sequential([layers.Dense(1)])}
    with pytest.raises(ValueError, match="must be on one device"):
        joint(mixed)


# Failures.


def test_divergence_leaves_finite_weights(gpu: str) -> None:
    net = linear(optimizer=optimizers.SGD(1.0), dtype="float32", device=gpu)
    with pytest.warns(DivergenceWarning):
        net.fit(1e4 * X, Y, epochs=6)
    assert all(np.isfinite(weight).all() for weight in net.get_weights())


def test_ctrl_c_ends_behind_a_whole_step(gpu: str) -> None:
    net, alone = linear(device=gpu), linear()
    net.build((None, 6))
    net.predict(X[:2])
    many, targets = np.resize(X, (20000, 6)), np.resize(Y, 20000)
    timer = threading.Timer(0.5, signal.raise_signal, [signal.SIGINT])
    timer.start()
    began = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        net.fit(many, targets, batch_size=2, shuffle=False, epochs=100)
    assert time.perf_counter() - began < 10
    assert net.step_ > 0
    if net.epoch_ == 0:
        done = 2 * net.step_
        alone.fit(many[:done], targets[:done], batch_size=2, shuffle=False)
        assert_alike(net, alone)
    net.fit(X, Y)


def test_a_gpu_that_is_lost_leaves_the_weights_from_before(
    gpu: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = classifier(device=gpu)
    net.build((None, 6))
    before = net.get_weights()
    device = type(engines.named(gpu).device)

    def lost(self: Any, source: Any, into: Array) -> None:
        raise RuntimeError("CUDA_ERROR_UNKNOWN")

    with monkeypatch.context() as patch:
        patch.setattr(device, "read", lost)
        with pytest.raises(RuntimeError, match="CUDA_ERROR_UNKNOWN"):
            net.fit(X, Y)
    for left, right in zip(before, net.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)
    other = classifier()
    other.build((None, 6))
    other.set_weights(net.get_weights())
    other.predict(X)


def test_no_memory_says_what_to_do(gpu: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from numba import cuda

    def full(*arguments: Any, **settings: Any) -> None:
        raise RuntimeError("[CUresult.CUDA_ERROR_OUT_OF_MEMORY] cuMemAlloc")

    net = classifier(device=gpu)
    net.build((None, 6))
    before = net.get_weights()
    monkeypatch.setattr(cuda, "device_array", full)
    monkeypatch.setattr(cuda, "to_device", full)
    with pytest.raises(MemoryError, match="smaller batches, or device='cpu'"):
        net.fit(X, Y)
    for left, right in zip(before, net.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


def test_a_forked_process_is_told(gpu: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net = classifier(device=gpu)
    net.build((None, 6))
    net.predict(X)
    monkeypatch.setattr(engines.named(gpu).device, "_process", -1)
    with pytest.raises(RuntimeError, match="forked .* 'spawn' or 'forkserver'"):
        net.predict(X)


def test_a_progress_callback_must_not_run_anything(gpu: str) -> None:
    device = engines.named(gpu).device
    with device.lock, pytest.raises(RuntimeError, match="progress callback"), device.lock:
        pass


# Engines that cannot be used.


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "numba.core.config", None)
    reason = numba_cuda.missing()
    assert reason is not None and 'pip install "ganglion[numba-cuda]"' in reason


def fake_numba(monkeypatch: pytest.MonkeyPatch, available: bool, version: tuple[int, int]) -> None:
    modules = {
        "numba.core.config": SimpleNamespace(ENABLE_CUDASIM=0),
        "numba_cuda": None,
        "numba.cuda": SimpleNamespace(
            is_available=lambda: available,
            cuda_error=lambda: "\nCUDA driver library cannot be found.\n",
            cudadrv=SimpleNamespace(driver=SimpleNamespace(get_version=lambda: version)),
        ),
    }
    monkeypatch.setattr(numba_cuda, "require", lambda module, *_, **__: modules[module])


def test_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_numba(monkeypatch, False, (0, 0))
    assert numba_cuda.missing() == "[numba-cuda] CUDA driver library cannot be found."
    if not IS_SIMULATED:
        with pytest.raises(ValueError, match=r"no CUDA engine.*\[cuda\].*driver library cannot"):
            classifier(device="cuda")


def test_a_driver_that_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_numba(monkeypatch, True, (11, 4))
    assert numba_cuda.missing() == (
        "[numba-cuda] the driver is of CUDA 11.4, and 12.0 is needed: update it"
    )
    fake_numba(monkeypatch, True, (12, 4))
    assert numba_cuda.missing() is None


def test_arrays_on_a_gpu_that_nothing_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_numba(monkeypatch, False, (0, 0))
    given = SimpleNamespace(__cuda_array_interface__={}, shape=(3, 6))
    with pytest.raises(TypeError, match=r"\[fit\] X is on a GPU.*driver library cannot"):
        linear().fit(given, Y[:3])


def test_auto_is_the_processor() -> None:
    assert engines.engine_for("auto") is engines.engine_for("cpu")
    with pytest.raises(ValueError, match="did you mean 'cuda'"):
        engines.engine_for("cude")
