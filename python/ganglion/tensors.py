"""Named arrays in one safetensors file, with text in its header; no code.

The format is the safetensors library's (https://github.com/huggingface/safetensors); what is added
here is that a file is written as a whole or not at all, and that errors name it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganglion.atomic import replaced_file

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
    from safetensors.numpy import save_file  # here, so that importing ganglion does not load it

    arrays = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    with replaced_file(path) as temporary:
        save_file(arrays, temporary, dict(metadata))


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
