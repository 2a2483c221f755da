"""Programs on a GPU of NVIDIA's, by the CUDA module of this build.

The module, ``ganglion._cuda``, is there where ganglion was built with NVIDIA's compiler. It makes
programs ready for the device; the core runs them as it runs those of the processor.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ganglion import _core

if TYPE_CHECKING:
    from ganglion.engines import Turn


def _module() -> ModuleType | None:
    try:
        return importlib.import_module("ganglion._cuda")
    except ModuleNotFoundError:
        return None


def missing() -> str | None:
    """Return why this engine cannot be used, None where it can.

    Examples
    --------
    >>> from ganglion.engines import cuda
    >>> reason = cuda.missing()
    >>> reason is None or reason.startswith("[cuda]")
    True
    """
    try:
        module = _module()
    except ImportError as error:
        return f"[cuda] ganglion's CUDA module cannot be loaded: {error}"
    if module is None:
        return "[cuda] this build of ganglion has no CUDA module"
    reason: str | None = module.missing()
    return reason


class CudaEngine:
    """Runs programs on a GPU, by the CUDA module.

    Attributes
    ----------
    name : str
        ``"cuda"``.
    """

    name = "cuda"

    def __init__(self) -> None:
        module = _module()
        assert module is not None
        self._engine = module.engine

    def executable(
        self,
        program: _core.Program,
        dtype: str,
        parameters: _core.Store | None,
        states: _core.Store | None,
    ) -> _core.Executable:
        """Return a program ready to run."""
        return _core.Executable(program, dtype, parameters, states, self._engine)

    def trainer(
        self, turns: Sequence[Turn], inputs: Sequence[Any], batch_size: int
    ) -> _core.Trainer:
        """Return what runs epochs of programs over arrays: each batch is taken turn by turn."""
        return _core.Trainer([_core.Turn(*turn) for turn in turns], inputs, batch_size)
