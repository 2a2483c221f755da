"""Several networks that are trained together, by steps of the user's own."""

from ganglion.joint.joint import Joint
from ganglion.joint.objective import Objective

__all__ = ["Joint", "Objective"]


def __dir__() -> list[str]:
    return __all__
