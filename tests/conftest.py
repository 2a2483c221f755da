"""What all tests share: a clean environment, and where the shared data lies."""

from __future__ import annotations

import os
import signal
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest


def pytest_configure() -> None:
    """Ctrl-C is pressed by tests, which a shell has what it starts in the background ignore."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def find_data() -> Path | None:
    """`GANGLION_DATA`, or `shared/data` in a directory above."""
    if "GANGLION_DATA" in os.environ:
        return Path(os.environ["GANGLION_DATA"])
    for parent in Path(__file__).resolve().parents:
        if (parent / "shared" / "data").is_dir():
            return parent / "shared" / "data"
    return None


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_interrupts() -> Iterator[None]:
    """A shell has its background jobs ignore Ctrl-C: tests that send it would wait for ever."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def data_directory() -> Path:
    """The directory of the shared data sets; skips where there is none."""
    directory = find_data()
    if directory is None or not directory.is_dir():
        pytest.skip(
            "no shared data: set GANGLION_DATA to a directory with fashion-mnist/ and others"
        )
    return directory


@pytest.fixture
def digits_as_mnist(tmp_path: Path) -> Path:
    """A folder of scikit-learn's digits, each pixel three wide, named as MNIST's files."""
    from sklearn.datasets import load_digits

    data = load_digits()
    large = np.pad(data.images.repeat(3, axis=1).repeat(3, axis=2), ((0, 0), (2, 2), (2, 2)))
    for part, rows in (("train", slice(0, 1500)), ("t10k", slice(1500, None))):
        for name, array in (("images-idx3", 15 * large[rows]), ("labels-idx1", data.target[rows])):
            header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
            path = tmp_path / f"{part}-{name}-ubyte"
            path.write_bytes(header + array.astype(np.uint8).tobytes())
    return tmp_path
