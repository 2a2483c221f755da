"""Readers for data files that the user has. Nothing is downloaded."""

from __future__ import annotations

import gzip
import zipfile
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

# Third byte of an IDX file: the type of its elements, most significant byte first.
_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


class Dataset(NamedTuple):
    """Training and test samples with their labels."""

    X_train: NDArray[Any]
    y_train: NDArray[Any]
    X_test: NDArray[Any]
    y_test: NDArray[Any]


def read_idx(path: str | Path) -> NDArray[Any]:
    """Read an array from a file in the IDX format of MNIST, compressed by gzip or not.

    Parameters
    ----------
    path : str or Path
        The file. Compression is told by its content, not by its name.

    Returns
    -------
    ndarray
        In the machine's byte order.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        For a file of another format, or one that is cut short or too long.

    References
    ----------
    Y. LeCun, C. Cortes, C. Burges: The MNIST database of handwritten digits, "the IDX file format".

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "labels-idx1-ubyte"
    ...     _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
    ...     read_idx(path)
    array([7, 2, 1], dtype=uint8)
    """
    content = Path(path).read_bytes()
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(f"[read_idx] {path} is damaged: {error}") from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _IDX_TYPES:
        raise ValueError(f"[read_idx] {path} is no IDX file: it begins with {content[:4]!r}")
    rank = content[3]
    header = 4 + 4 * rank
    if len(content) < header:
        raise ValueError(f"[read_idx] {path} ends within its header")
    shape = tuple(int(extent) for extent in np.frombuffer(content, ">u4", rank, 4))
    dtype = np.dtype(_IDX_TYPES[content[2]])
    expected = header + dtype.itemsize * int(np.prod(shape, dtype=np.int64))
    if len(content) != expected:
        raise ValueError(
            f"[read_idx] {path} must hold {expected} bytes for shape {shape}, got {len(content)}"
        )
    values = np.frombuffer(content, dtype, offset=header).reshape(shape)
    return values.astype(dtype.newbyteorder("="))


def read_mnist(folder: str | Path) -> Dataset:
    """Read the four IDX files of MNIST, Fashion-MNIST or another set that takes their names.

    Parameters
    ----------
    folder : str or Path
        Holds ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``, ``t10k-images-idx3-ubyte``
        and ``t10k-labels-idx1-ubyte``, each as it is or with ``.gz``.

    Returns
    -------
    Dataset
        Images as uint8 of shape (n, rows, columns), labels as uint8 of shape (n,).

    Raises
    ------
    FileNotFoundError
        When the folder or one of the files is missing.
    ValueError
        When one of them is no IDX file, or images and labels differ in number.
    """
    if not Path(folder).is_dir():
        raise FileNotFoundError(f"[read_mnist] folder {folder} does not exist")
    arrays = []
    for part in ("train", "t10k"):
        images = read_idx(_existing(Path(folder), f"{part}-images-idx3-ubyte"))
        labels = read_idx(_existing(Path(folder), f"{part}-labels-idx1-ubyte"))
        if len(images) != len(labels):
            raise ValueError(
                f"[read_mnist] {folder} has {len(images)} {part} images but {len(labels)} labels"
            )
        arrays += [images, labels]
    return Dataset(*arrays)


def read_npz(path: str | Path) -> dict[str, NDArray[Any]]:
    """Read all arrays of an ``.npz`` file, such as those of MedMNIST.

    Parameters
    ----------
    path : str or Path
        The file. Pickled objects in it are refused, so reading runs no code.

    Returns
    -------
    dict of str to ndarray
        The arrays by name.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        For a file that is no ``.npz`` archive of plain arrays.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(Path(folder) / "data.npz", labels=np.arange(3))
    ...     read_npz(Path(folder) / "data.npz")
    {'labels': array([0, 1, 2])}
    """
    with open(path, "rb") as file:  # closed whatever NumPy makes of it
        try:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("it holds a single array")
            return {name: archive[name] for name in archive.files}
        except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise ValueError(f"[read_npz] {path} is no archive of plain arrays: {error}") from error


def _existing(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.exists():
            return path
    raise FileNotFoundError(f"[read_mnist] {folder} holds neither {name} nor {name}.gz")
