"""Libraries that a part of ganglion needs and the rest does not: found when first used."""

from __future__ import annotations

import importlib
from types import ModuleType


def require(module: str, place: str, *, extra: str, distribution: str | None = None) -> ModuleType:
    """Import an optional library, or say how to get it.

    Parameters
    ----------
    module : str
        Dotted name of the module, for example ``"matplotlib.pyplot"``.
    place : str
        What needs it, named in the error.
    extra : str
        The extra of ganglion that installs it.
    distribution : str, optional
        Name under which it is installed; the first part of ``module`` by default.

    Returns
    -------
    module
        The imported module.

    Raises
    ------
    ImportError
        When the library is not installed, with the command that installs it.

    Examples
    --------
    >>> require("json", "a doctest", extra="plot").dumps([1])
    '[1]'
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        name = distribution or module.partition(".")[0]
        raise ImportError(
            f'[{place}] needs {name}, which is not installed: pip install "ganglion[{extra}]"'
        ) from error
