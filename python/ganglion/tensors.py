"""The safetensors format: named arrays in one file, with text in its header; no code.

A file is the length of its header (8 bytes, little endian), the header as JSON, and the bytes of
the arrays (https://github.com/huggingface/safetensors). Whatever knows the format reads ours.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_TYPES: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8")}
_TYPE_NAMES = {dtype: name for name, dtype in _TYPES.items()}
# Arrays start at a multiple of this from the start of the file, so that they can be mapped.
_ALIGNMENT = 8


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
        When it cannot be written.
    """
    import tempfile  # here, since it would be a tenth of the time to import ganglion

    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    arrays = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    start = 0
    for name, array in arrays.items():
        header[name] = {
            "dtype": _TYPE_NAMES[array.dtype.newbyteorder("<")],
            "shape": list(np.shape(tensors[name])),
            "data_offsets": [start, start + array.nbytes],
        }
        start += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    path = os.fspath(path)
    # In the same directory, since only there the rename is one step.
    directory, name = os.path.split(path)
    handle, temporary = tempfile.mkstemp(dir=directory or ".", prefix=name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(len(text).to_bytes(8, "little"))
            file.write(text)
            for array in arrays.values():
                file.write(array.astype(array.dtype.newbyteorder("<"), copy=False).data)
            file.flush()
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
    path = os.fspath(path)
    with open(path, "rb") as file:
        content = file.read()
    if len(content) < 8:
        raise unreadable(path, f"{len(content)} bytes hold no header: it is empty or cut short")
    length = int.from_bytes(content[:8], "little")
    if content[8:9] != b"{":
        raise unreadable(path, "it is no safetensors file")
    if length > len(content) - 8:
        raise unreadable(path, f"cut short: {len(content) - 8} of the {length} bytes of its header")
    try:
        header = json.loads(content[8 : 8 + length])
    except ValueError as error:
        raise unreadable(path, f"its header is no JSON: {error}") from None
    metadata = header.pop("__metadata__", {})
    data = memoryview(content)[8 + length :]
    return {name: _tensor(path, name, entry, data) for name, entry in header.items()}, metadata


def _tensor(path: str, name: str, entry: Any, data: memoryview) -> Array:
    try:
        dtype = _TYPES[entry["dtype"]]
        shape = tuple(int(extent) for extent in entry["shape"])
        start, stop = (int(offset) for offset in entry["data_offsets"])
    except (KeyError, TypeError, ValueError):
        raise unreadable(path, f"its entry for {name!r} is not understood: {entry!r}") from None
    if min((*shape, start), default=0) < 0 or stop - start != math.prod(shape) * dtype.itemsize:
        raise unreadable(path, f"{name!r} has shape {shape}, but {stop - start} bytes")
    if stop > len(data):
        raise unreadable(path, f"cut short: {name!r} ends at byte {stop}, {len(data)} are there")
    array: Array = np.frombuffer(data[start:stop], dtype).reshape(shape)
    return array.astype(dtype.newbyteorder("="))


def unreadable(path: str | os.PathLike[str], fault: str) -> ValueError:
    """Return the error that names a file and what is wrong with it."""
    return ValueError(f"[load] {os.fspath(path)} cannot be read: {fault}")
