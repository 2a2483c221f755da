"""Networks with parts of a user's own, saved by one program and loaded by another."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PARTS = """
import numpy as np
import ganglion
from ganglion import Sequential, layers, losses, ops


class Scaled(layers.Layer):
    def __init__(self, start=1.0, inner=None, **settings):
        super().__init__(**settings)
        self.start = start
        self.inner = inner

    def build(self, x):
        factor = ganglion.initializers.Constant(self.start)
        x = x * self.add_weight("factor", x.shape[-1:], initializer=factor)
        return x if self.inner is None else self.inner(x)


class Centred(layers.Layer):
    def build(self, x):
        mean = self.add_weight("mean", x.shape[-1:], initializer="zeros", trainable=False)
        if self.learns:
            ops.assign(mean, 0.9 * mean + 0.1 * ops.mean(x, axis=0))
        return x - mean


class Sorted(layers.Layer):
    def build(self, x):
        return ops.call(np.sort, x, backward=sort_backward)


def sort_backward(d_y, x, y):
    return np.take_along_axis(d_y, x.argsort(axis=1).argsort(axis=1), axis=1)


class Cubic(losses.Loss):
    def build(self, target, prediction):
        return ops.mean(ops.absolute(target - prediction) ** 3, axis=-1)


@ganglion.activation
def bump(x, width=1.0):
    return ops.exp(-ops.square(x / width))


@ganglion.loss
def power(target, prediction, exponent=4.0):
    return ops.mean(ops.absolute(target - prediction) ** exponent, axis=-1)


@ganglion.metric
def near(target, prediction, distance=0.5):
    return ops.absolute(target - prediction) < distance
"""
USE = """
X = np.linspace(-1.0, 1.5, 60).reshape(20, 3)


def network(loss):
    return Sequential(
        [
            Centred(),
            Scaled(2.0, inner=layers.Dense(4, activation=bump(width=2.0))),
            Sorted(),
            layers.Dense(1, activation=bump),
        ],
        loss=loss,
        metrics=[near(distance=0.25)],
        random_state=0,
    )
"""
SAVE = """
for name, loss in (("class", Cubic()), ("function", power(exponent=3.0))):
    net = network(loss).fit(X, X[:, 0] ** 2, epochs=2, verbose=0)
    assert np.abs(net.get_weights()[0]).min() > 0.01  # the mean has moved
    net.save(f"{name}.st", training_state=True)
    np.save(f"{name}.npy", net.predict(X))
"""
LOAD = """
for name, loss in (("class", Cubic()), ("function", power(exponent=3.0))):
    net = Sequential.load(f"{name}.st")
    assert net.loss == loss and net.layers == network(loss).layers, net
    assert net.metrics == network(loss).metrics
    assert np.array_equal(net.predict(X), np.load(f"{name}.npy"))
    net.fit(X, X[:, 0] ** 2, epochs=1, verbose=0)
    assert net.epoch_ == 3
print("loaded")
"""
BARE = """
from ganglion import Sequential
Sequential.load("class.st")
"""


def run(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    (folder / "program.py").write_text(code, encoding="utf-8")
    command = [sys.executable, "-W", "error", "program.py"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def passes(folder: Path, code: str) -> str:
    done = run(folder, code)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("where", ["module", "program"])
def test_another_program_loads_what_one_saved(where: str, tmp_path: Path) -> None:
    (tmp_path / "my_parts.py").write_text(PARTS, encoding="utf-8")
    imported = (
        "import numpy as np\nfrom ganglion import Sequential, layers\nfrom my_parts import *\n"
    )
    parts = imported if where == "module" else PARTS
    passes(tmp_path, parts + USE + SAVE)
    assert passes(tmp_path, parts + USE + LOAD) == "loaded\n"
    refused = run(tmp_path, BARE)
    assert refused.returncode == 1
    module = "my_parts" if where == "module" else "__main__"
    remedy = "import 'my_parts' first" if where == "module" else "define it in this program first"
    assert f"of module '{module}' is not known here: {remedy}" in refused.stderr
    if where == "module":
        passes(tmp_path, "import my_parts\n" + BARE)


def test_an_error_names_the_line_of_a_module(tmp_path: Path) -> None:
    (tmp_path / "my_parts.py").write_text(
        "import numpy as np\n"
        "from ganglion import layers\n"
        "class Wrong(layers.Layer):\n"
        "    def build(self, x):\n"
        "        return np.exp(x)\n",
        encoding="utf-8",
    )
    done = run(
        tmp_path,
        "from ganglion import Sequential, layers\n"
        "from my_parts import Wrong\n"
        "Sequential([layers.Input((3,)), Wrong()])\n",
    )
    last = done.stderr.splitlines()[-1]
    assert last.startswith("TypeError: [Value] np.exp needs numbers")
    assert "my_parts.py:5, in " in last and last.endswith("build: `return np.exp(x)`)")
