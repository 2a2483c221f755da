"""Files of data that are damaged are named, and closed."""

from __future__ import annotations

import gzip
import warnings

import numpy as np
import pytest

from ganglion import datasets


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "data.npz"
    np.savez_compressed(path, images=np.arange(5000), labels=np.zeros(10))
    return path


def test_arrays_of_an_archive_are_read(archive):
    arrays = datasets.read_npz(archive)
    np.testing.assert_array_equal(arrays["images"], np.arange(5000))


@pytest.mark.parametrize("damage", ["cut", "middle", "head", "empty", "array", "pickled"])
def test_a_damaged_archive_is_named(archive, damage):
    content = bytearray(archive.read_bytes())
    if damage == "cut":
        archive.write_bytes(content[: len(content) // 2])
    elif damage == "middle":
        content[100:600] = bytes(500)
        archive.write_bytes(content)
    elif damage == "head":
        archive.write_bytes(b"\0\0\0\0" + content[4:])
    elif damage == "empty":
        archive.write_bytes(b"")
    elif damage == "array":
        with open(archive, "wb") as file:
            np.save(file, np.arange(3))
    else:
        np.savez(archive, objects=np.array([{}], dtype=object))
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        with pytest.raises(ValueError, match=r"\[read_npz\] .*data.npz"):
            datasets.read_npz(archive)


def test_a_missing_archive(tmp_path):
    with pytest.raises(FileNotFoundError):
        datasets.read_npz(tmp_path / "none.npz")


def test_a_damaged_compressed_file_is_named(tmp_path):
    path = tmp_path / "labels-idx1-ubyte.gz"
    content = bytearray(gzip.compress(bytes([0, 0, 8, 1, 0, 0, 16, 0]) + bytes(range(256)) * 16))
    for position in range(10, len(content)):
        damaged = content.copy()
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"\[read_idx\] .*labels"):
            datasets.read_idx(path)
