"""What runs programs, and which of them a device means.

Layers, losses and optimizers write programs and never know which engine runs them. An engine makes
a program ready (`Engine.executable`) and runs epochs of it (`Engine.trainer`); weights and the
optimizer's state stay in the core's buffers, from where every engine takes them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from ganglion import _core
from ganglion.engines import cuda, numba_cuda
from ganglion.errors import suggestion

__all__ = ["DEVICES", "ENGINES", "Engine", "Turn", "engine_for", "missing", "named"]

# What a network can be asked to run on; "gpu" is another word for "cuda".
DEVICES = ("auto", "cpu", "cuda", "gpu", "numba-cuda")


class Turn(NamedTuple):
    """What takes each batch, or every so many.

    Attributes
    ----------
    executables : sequence of Executable
        A program, or several that do the same for sequences of different lengths.
    every : int, default=1
        It takes the batches whose step number + 1 is a multiple.
    accumulation : int, default=1
        Its update runs in every so many of those.
    """

    executables: Sequence[Any]
    every: int = 1
    accumulation: int = 1


class Engine(Protocol):
    """Runs programs. What it returns has the methods of the core's `Executable` and `Trainer`.

    Attributes
    ----------
    name : str
        "cpu", "cuda" or "numba-cuda".
    """

    @property
    def name(self) -> str:
        """Its name."""

    def executable(
        self,
        program: _core.Program,
        dtype: str,
        parameters: _core.Store | None,
        states: _core.Store | None,
    ) -> _core.Executable:
        """Return a program ready to run."""

    def trainer(
        self, turns: Sequence[Turn], inputs: Sequence[Any], batch_size: int
    ) -> _core.Trainer:
        """Return what runs epochs of programs over arrays: each batch is taken turn by turn."""


class CpuEngine:
    """Runs programs on the processor, in the core.

    Attributes
    ----------
    name : str
        ``"cpu"``.
    """

    name = "cpu"

    def executable(
        self,
        program: _core.Program,
        dtype: str,
        parameters: _core.Store | None,
        states: _core.Store | None,
    ) -> _core.Executable:
        """Return a program ready to run."""
        return _core.Executable(program, dtype, parameters, states)

    def trainer(
        self, turns: Sequence[Turn], inputs: Sequence[Any], batch_size: int
    ) -> _core.Trainer:
        """Return what runs epochs of programs over arrays."""
        return _core.Trainer([_core.Turn(*turn) for turn in turns], inputs, batch_size)


# Engines of a GPU, the fastest first: what tells why one cannot be used.
_GPU_ENGINES: dict[str, Callable[[], str | None]] = {
    "cuda": cuda.missing,
    "numba-cuda": numba_cuda.missing,
}
_MAKERS: dict[str, Callable[[], Engine]] = {
    "cpu": CpuEngine,
    "cuda": cuda.CudaEngine,
    "numba-cuda": numba_cuda.NumbaCudaEngine,
}
ENGINES = ("cpu", *_GPU_ENGINES)


def missing(name: str) -> str | None:
    """Return why an engine cannot be used, None where it can.

    Parameters
    ----------
    name : {"cpu", "cuda", "numba-cuda"}
        Of the engine.

    Examples
    --------
    >>> from ganglion import engines
    >>> engines.missing("cpu") is None
    True
    """
    return None if name == "cpu" else _GPU_ENGINES[name]()


@functools.cache
def named(name: str) -> Engine:
    """Return an engine that can be used: one for all networks.

    Parameters
    ----------
    name : {"cpu", "cuda", "numba-cuda"}
        Of the engine.

    Examples
    --------
    >>> from ganglion import engines
    >>> engines.named("cpu").name
    'cpu'
    """
    return _MAKERS[name]()


def engine_for(device: str, place: str = "[Sequential]") -> Engine:
    """Return the engine that runs networks on a device.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda", "gpu", "numba-cuda"}
        ``"cuda"`` takes the fastest engine of a GPU that can be used, ``"numba-cuda"`` that one
        alone. ``"auto"`` is the processor: from which size on a GPU pays was not measured yet.
    place : str, default="[Sequential]"
        What errors begin with.

    Raises
    ------
    ValueError
        For another word; and when no engine can be used, with the reason for each.

    Examples
    --------
    >>> from ganglion.engines import engine_for
    >>> engine_for("auto").name
    'cpu'
    """
    if device not in DEVICES:
        raise ValueError(f"{place} unknown device {device!r}{suggestion(device, DEVICES)}")
    if device in ("auto", "cpu"):
        return named("cpu")
    wanted = ["numba-cuda"] if device == "numba-cuda" else list(_GPU_ENGINES)
    reasons = []
    for name in wanted:
        reason = missing(name)
        if reason is None:
            return named(name)
        reasons.append(reason)
    raise ValueError(
        f"{place} device {device!r}: no CUDA engine is installed that can be used; use 'auto' "
        f"or 'cpu'. {'; '.join(reasons)}"
    )
