"""The same seed gives the same bits, whatever the threads, the instruction set, and the stops."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from ganglion import _core

# Trains a network with sums, random numbers and parallel work in every part, in the way that the
# argument names, and prints a hash of all that comes out.
PROGRAM = """
import hashlib, pickle, sys, tempfile, os
import numpy as np
from ganglion import Sequential, layers, optimizers

way, dtype = sys.argv[1:]
rng = np.random.default_rng(0)
X = rng.normal(size=(700, 50)).astype(np.float32)
Y = rng.integers(0, 5, 700)
W = rng.uniform(size=700)


def make():
    return Sequential(
        [
            layers.Normalization(),
            layers.GaussianNoise(0.1),
            layers.Dense(150, activation="relu", kernel_regularizer="l2"),
            layers.BatchNormalization(),
            layers.Dropout(0.4),
            layers.Residual([layers.Dense(150, activation="gelu"), layers.LayerNormalization()]),
            layers.Dense(40, activation="tanh", kernel_initializer="orthogonal"),
            layers.Dense(5, activation="softmax"),
        ],
        loss="sparse_categorical_crossentropy",
        optimizer=optimizers.Adam(0.01, global_clipnorm=1.0),
        metrics=["accuracy"],
        random_state=7,
        dtype=dtype,
    )


def fit(net, epochs):
    return net.fit(X, Y, epochs=epochs, batch_size=96, sample_weight=W, validation_split=0.1)


if way == "straight":
    net = fit(make(), 4)
elif way == "interrupted":
    net = fit(fit(make(), 1), 3)
elif way == "pickled":
    net = fit(pickle.loads(pickle.dumps(fit(make(), 2))), 2)
elif way == "resumed":
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "net.safetensors")
        fit(make(), 2).save(path, training_state=True)
        net = fit(Sequential.load(path), 2)

digest = hashlib.sha256()
for array in [*net.get_weights(), net.predict(X), np.array(net.history_["loss"])]:
    digest.update(np.ascontiguousarray(array).tobytes())
print(digest.hexdigest())
"""


def bits(way: str = "straight", dtype: str = "float32", **environment: str) -> str:
    """Hash of the training in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, way, dtype],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module", params=["float32", "float64"])
def expected(request) -> tuple[str, str]:
    """Dtype, and the bits on one thread."""
    return request.param, bits(dtype=request.param, GANGLION_NUM_THREADS="1")


@pytest.mark.parametrize("threads", [2, 3, 8])
def test_bits_do_not_depend_on_the_threads(expected, threads):
    dtype, digest = expected
    assert bits(dtype=dtype, GANGLION_NUM_THREADS=str(threads)) == digest


def test_bits_do_not_depend_on_the_instruction_set(expected):
    dtype, digest = expected
    others = sorted({"avx2", "avx512"} & set(_core.available_isas()) - {_core.kernel_isa()})
    if not others:
        pytest.skip("this machine has one of avx2 and avx512 at most")
    for isa in others:
        assert bits(dtype=dtype, GANGLION_ISA=isa) == digest


@pytest.mark.parametrize("way", ["interrupted", "pickled", "resumed"])
def test_bits_do_not_depend_on_stops(expected, way):
    dtype, digest = expected
    assert bits(way, dtype=dtype) == digest
