"""Arrays of other libraries that are on a GPU: CuPy's, PyTorch's and others that show as such."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganglion.engines import numba_cuda

Array = NDArray[Any]


class Downloaded(np.ndarray[Any, Any]):
    """The numbers of an array on a GPU, for what is looked at on the processor.

    An engine of that GPU reads the array itself. What is made of this, a part for instance, is an
    array like any other.

    Attributes
    ----------
    original : object or None
        The array on the GPU.
    """

    original: Any = None


def is_on_gpu(values: Any) -> bool:
    """Tell whether something is an array on a GPU, by ``__cuda_array_interface__``.

    Examples
    --------
    >>> is_on_gpu(np.ones(3))
    False
    """
    return hasattr(values, "__cuda_array_interface__")


def download(place: str, name: str, values: Any) -> Downloaded:
    """Return an array that is on a GPU.

    Parameters
    ----------
    place, name : str
        What was called, and the argument, for errors.
    values : array
        With ``__cuda_array_interface__``.

    Raises
    ------
    TypeError
        When nothing is there that reads it.
    """
    reason = numba_cuda.missing()
    if reason is not None:
        raise TypeError(f"[{place}] {name} is on a GPU, where only Numba reads it: {reason}")
    from ganglion.engines.numba_cuda.device import on_host

    made: Downloaded = on_host(values).view(Downloaded)
    made.original = values
    return made
