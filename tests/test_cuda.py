"""The CUDA engine, beside what every engine does: its data set, failures, its order.

The kernels run as they are on a GPU, or, built with -DGANGLION_EMULATED_CUDA=ON, on the processor.
What only the emulation can do is run in processes of its own, with other settings.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine_runs import IS_EMULATED, engine_named

from ganglion import DivergenceWarning, Sequential, callbacks, engines, layers, optimizers

emulated = pytest.mark.skipif(not IS_EMULATED, reason="no emulated CUDA module was built")


@pytest.fixture(autouse=True)
def engine() -> Any:
    return engine_named("cuda")


def network(**settings: Any) -> Sequential:
    chain = [
        layers.Dense(9, activation="tanh"),
        layers.BatchNormalization(),
        layers.Dropout(0.3),
        layers.Dense(1),
    ]
    settings = {"optimizer": "adam", "random_state": 4, "device": "cuda", **settings}
    return Sequential(chain, loss="mse", **settings)


def data(rows: int = 37) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(2)
    X = draw.normal(size=(rows, 5)).astype(np.float32)
    return X, X.sum(axis=1) / 4


def weights(net: Sequential) -> np.ndarray:
    return np.concatenate([weight.ravel() for weight in net.get_weights()])


def run_alone(script: str, **environment: str) -> str:
    """What a script prints that begins with this module, in a process with other settings."""
    lines = ["from test_cuda import *", "engine_named('cuda')" if "fit" in script else ""]
    folder = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", "\n".join([*lines, script])],
        env={**os.environ, **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_training_is_that_of_the_processor_to_rounding() -> None:
    X, y = data()
    trained = []
    for device in ("cpu", "cuda"):
        net = network(device=device)
        net.fit(X, y, epochs=5, batch_size=8, validation_data=(X[:7], y[:7]))
        trained.append((weights(net), net.history_["loss"], net.history_["val_loss"]))
    for on_processor, on_device in zip(*trained, strict=True):
        np.testing.assert_allclose(on_device, on_processor, rtol=2e-4, atol=2e-5)


def test_rows_as_they_lie() -> None:
    X, y = data()
    nets = [network(device=device) for device in ("cpu", "cuda")]
    for net in nets:
        net.fit(X, y, epochs=2, batch_size=8, shuffle=False)
    np.testing.assert_allclose(weights(nets[1]), weights(nets[0]), rtol=2e-4, atol=2e-5)


def test_a_loss_that_is_not_finite_stops_the_training_where_the_processor_does() -> None:
    X, y = data()
    messages = []
    for device in ("cpu", "cuda"):
        net = network(device=device, optimizer=optimizers.SGD(1e3))
        with pytest.warns(DivergenceWarning) as caught:
            net.fit(X, y, epochs=6, batch_size=4)
        messages.append([str(warning.message) for warning in caught])
        assert np.isfinite(weights(net)).all()
    assert messages[0] == messages[1]


def test_weights_can_be_set_between_trainings() -> None:
    X, y = data()
    net, again = network(), network()
    net.fit(X, y, epochs=2, batch_size=8)
    again.fit(X, y, epochs=1, batch_size=8)
    kept = again.get_weights()
    again.set_weights([0 * weight for weight in kept])
    np.testing.assert_allclose(again.predict(X), 0.0, atol=1e-6)
    again.set_weights(kept)
    again.fit(X, y, epochs=1, batch_size=8)
    np.testing.assert_array_equal(weights(net), weights(again))


def test_a_callback_can_end_a_training() -> None:
    X, y = data()
    net = network()

    def interrupt(epoch: int, logs: Any) -> None:
        raise KeyboardInterrupt

    stop = callbacks.LambdaCallback(on_epoch_end=interrupt)
    with pytest.raises(KeyboardInterrupt):
        net.fit(X, y, epochs=3, batch_size=8, callbacks=[stop])
    assert np.isfinite(net.predict(X)).all()


TRAIN = """
net = network()
X, y = data()
net.fit(X, y, epochs=2, batch_size=8)
print(weights(net).tobytes().hex())
"""


@emulated
def test_bits_do_not_depend_on_which_thread_comes_first() -> None:
    """A barrier that is missing shows in one of the two orders."""
    assert run_alone(TRAIN) == run_alone(TRAIN, GANGLION_EMULATED_ORDER="reversed")


@emulated
@pytest.mark.parametrize("accumulation", [None, 3])
def test_a_data_set_that_does_not_fit_comes_batch_by_batch(accumulation: int | None) -> None:
    """With the same bits as one that the device holds."""
    script = TRAIN.replace("data()", "data(4000)").replace("batch_size=8", "batch_size=500")
    optimizer = f"optimizer=optimizers.SGD(0.1, gradient_accumulation_steps={accumulation})"
    script = script.replace("network()", f"network({optimizer})")
    assert run_alone(script) == run_alone(script, GANGLION_EMULATED_FAILURE="memory 130000")


@emulated
@pytest.mark.parametrize("failure", ["no device", "old driver"])
def test_what_is_missing_is_said(failure: str) -> None:
    script = "print(engines.missing('cuda'))"
    assert run_alone(script, GANGLION_EMULATED_FAILURE=failure).startswith("[cuda]")


@emulated
def test_too_little_memory_leaves_a_usable_network() -> None:
    script = """
net = network()
X, y = data(4000)
try:
    net.fit(X, y, batch_size=4000)
except MemoryError as error:
    print(error)
net.fit(X, y, batch_size=20)
assert np.isfinite(weights(net)).all()
"""
    said = run_alone(script, GANGLION_EMULATED_FAILURE="memory 100000")
    assert "[cuda]" in said and "batch_size" in said


@emulated
def test_a_device_that_is_lost_leaves_the_weights_of_before() -> None:
    script = """
net = network()
X, y = data()
net.fit(X[:8], y[:8])
before = weights(net)
try:
    for _ in range(30):
        before = weights(net)
        net.fit(X, y, batch_size=8)
except RuntimeError as error:
    print(error)
np.testing.assert_array_equal(weights(net), before)
"""
    said = run_alone(script, GANGLION_EMULATED_FAILURE="lost 90")
    assert said.startswith("[cuda] the device failed while computing")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_process_is_told_that_it_cannot_use_the_device() -> None:
    script = """
net = network()
X, y = data()
net.fit(X, y)
sys.stdout.flush()
if os.fork() == 0:
    try:
        net.predict(X)
    except RuntimeError as error:
        print(error, flush=True)
    os._exit(0)
os.wait()
"""
    assert "forked" in run_alone(script)


def test_the_engine_is_the_one_that_cuda_means() -> None:
    assert engines.engine_for("cuda").name == "cuda"
