"""Programs on a GPU through Numba: for machines with a GPU and no CUDA build of ganglion.

The host walks through the operations of a program and launches kernels that Numba compiles: one for
each elementwise expression of the program, and one for each other kind of operation. Data, weights,
state and the order of samples are on the GPU for a whole epoch. Nothing here uses what only a GPU
has, so all of it runs in Numba's simulator too (``NUMBA_ENABLE_CUDASIM=1``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from ganglion.optional import require

if TYPE_CHECKING:
    from ganglion import _core
    from ganglion.engines.numba_cuda.device import Device

# The driver of the oldest CUDA that Numba's kernels run on.
_OLDEST_DRIVER = (12, 0)


def missing() -> str | None:
    """Return why this engine cannot be used, None where it can.

    Examples
    --------
    >>> from ganglion.engines import numba_cuda
    >>> reason = numba_cuda.missing()
    >>> reason is None or reason.startswith("[numba-cuda]")
    True
    """
    extra = {"extra": "numba-cuda", "distribution": "numba-cuda"}
    try:
        config = require("numba.core.config", "numba-cuda", **extra)
        if not config.ENABLE_CUDASIM:  # Numba's own simulator does, its own compiler is outdated
            require("numba_cuda", "numba-cuda", **extra)
        cuda = require("numba.cuda", "numba-cuda", **extra)
    except ImportError as error:
        return str(error)
    if not cuda.is_available():
        return f"[numba-cuda] {' '.join(str(cuda.cuda_error() or 'no GPU was found').split())}"
    driver = getattr(cuda.cudadrv.driver, "get_version", lambda: _OLDEST_DRIVER)()
    if driver < _OLDEST_DRIVER:
        needed, found = (".".join(map(str, version)) for version in (_OLDEST_DRIVER, driver))
        return f"[numba-cuda] the driver is of CUDA {found}, and {needed} is needed: update it"
    return None


class NumbaCudaEngine:
    """Runs programs on a GPU through Numba.

    Attributes
    ----------
    name : str
        ``"numba-cuda"``.
    """

    name = "numba-cuda"

    def __init__(self) -> None:
        from ganglion.engines.numba_cuda.device import Device

        self.device: Device = Device()

    def executable(
        self,
        program: _core.Program,
        dtype: str,
        parameters: _core.Store | None,
        states: _core.Store | None,
    ) -> _core.Executable:
        """Return a program ready to run."""
        from ganglion.engines.numba_cuda.executable import Executable

        made = Executable(self.device, program, dtype, parameters, states)
        return cast("_core.Executable", made)  # with the methods of one

    def trainer(
        self, turns: Sequence[Any], inputs: Sequence[Any], batch_size: int
    ) -> _core.Trainer:
        """Return what runs epochs of programs over arrays: each batch is taken turn by turn."""
        from ganglion.engines.numba_cuda.trainer import Trainer

        return cast("_core.Trainer", Trainer(turns, inputs, batch_size))
