"""No copy of the data set, and nothing allocated from epoch to epoch."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

START = """
import sys
import numpy as np
from ganglion import Sequential, layers


def status(name):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def network(width, outputs):
    return Sequential(
        [layers.Rescaling(1 / 255), layers.Dense(width, activation="relu"), layers.Dense(outputs)],
        loss="mse",
        optimizer="adam",
        random_state=0,
    )
"""

# A sparse file: 2 GB of zeros that take no room on the disk.
MAPPED = """
rows, columns = 1 << 19, 1024
path = sys.argv[1]
with open(path, "wb") as file:
    file.truncate(4 * rows * columns)
X = np.memmap(path, np.float32, "r", shape=(rows, columns))
y = np.zeros(rows, np.float32)
before = status("VmHWM")
net = network(4, 1).fit(X, y, batch_size=4096, validation_split=0.05)
net.predict(X[: rows // 4])
print(status("VmHWM") - before)
"""

# After a first fit that warms up, long ones leave the process as it was.
STEADY = """
X = np.random.default_rng(0).normal(size=(2000, 100))
y = X[:, :3]
net = network(200, 3).fit(X, y, epochs=3, validation_split=0.2)
before = status("VmRSS")
peak = status("VmHWM")
net.fit(X, y, epochs=100, validation_split=0.2)
print(max(status("VmRSS") - before, status("VmHWM") - peak))
"""

# Dense it would take 4 GB in float32.
SPARSE = """
from scipy import sparse
rows, columns = 200_000, 5_000
X = sparse.random_array((rows, columns), density=0.001, rng=np.random.default_rng(0), format="csr")
y = np.zeros(rows, np.float32)
before = status("VmHWM")
net = network(4, 1).fit(X, y, batch_size=128, validation_split=0.05)
net.predict(X)
net.evaluate(X, y)
print(status("VmHWM") - before)
"""


def growth(program: str, *arguments: str) -> float:
    """Megabytes that a program says it took."""
    done = subprocess.run(
        [sys.executable, "-c", START + program, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


def test_memory_mapped_file_of_two_gigabytes(tmp_path):
    assert growth(MAPPED, str(tmp_path / "X")) < 300


def test_epochs_allocate_nothing():
    assert growth(STEADY) < 1


def test_a_sparse_matrix_is_never_made_dense():
    assert growth(SPARSE) < 80
