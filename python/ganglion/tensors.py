"""Named arrays in one safetensors file, with text in its header; no code.

The format is the safetensors library's (https://github.com/huggingface/safetensors); what is added
here is that a file is written as a whole or not at all, and that errors name it.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def write(
    path: str | os.PathLike[str], tensors: Mapping[str, Array], metadata: Mapping[str, str]
) -> None:
    """Write a file as a whole, or leave the one that was there as it was.

    Parameters
    ----------
    path : str or path
        Where to write.
    tensors : dict of str to ndarray
        Of float32 or float64.
    metadata : dict of str to str
        Kept in the header.

    Raises
    ------
    OSError
        When it cannot be written; names ``path``.
    """
    # Here, since they would be a tenth of the time to import ganglion.
    import tempfile

    from safetensors.numpy import save_file

    arrays = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    path = os.fspath(path)
    if os.path.isdir(path):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    # In the same directory, since only there the rename is one step.
    directory, name = os.path.split(path)
    try:
        handle, temporary = tempfile.mkstemp(dir=directory or ".", prefix=name)
    except OSError as error:  # it names a file that the user never heard of
        raise OSError(error.errno, error.strerror, path) from None
    os.close(handle)
    try:
        save_file(arrays, temporary, dict(metadata))
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.chmod(temporary, _mode_of(path))
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _mode_of(path: str) -> int:
    """Return the permissions of the file that is replaced, or those of a new one."""
    with contextlib.suppress(OSError):
        return os.stat(path).st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def read(path: str | os.PathLike[str]) -> tuple[dict[str, Array], dict[str, str]]:
    """Return the arrays and the metadata of a file.

    Raises
    ------
    OSError
        When there is no such file.
    ValueError
        When it is no safetensors file, or is cut short; the message names the file and the fault.
    """
    from safetensors import SafetensorError, safe_open

    path = os.fspath(path)
    with open(path, "rb"):  # an OSError that names the file, whatever the library raises
        pass
    try:
        with safe_open(path, framework="numpy") as file:
            names = list(file.keys())
            return {name: file.get_tensor(name) for name in names}, file.metadata() or {}
    except (SafetensorError, OSError, ValueError) as error:
        size = os.path.getsize(path)
        raise unreadable(
            path, f"no safetensors file, or cut short at {size} bytes: {error}"
        ) from None


def unreadable(path: str | os.PathLike[str], fault: str) -> ValueError:
    """Return the error that names a file and what is wrong with it."""
    return ValueError(f"[load] {os.fspath(path)} cannot be read: {fault}")
