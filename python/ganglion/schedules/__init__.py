"""Learning rates that change with the step.

A schedule is a function of the number of batches trained so far, counted from 0. It is vectorised,
so that the rates of a whole epoch are one call. Formulas, names and defaults are Keras's;
`OneCycle` is Smith & Topin's (2018).
"""

from __future__ import annotations

from ganglion.schedules.base import Schedule
from ganglion.schedules.cosine import CosineDecay, CosineDecayRestarts, OneCycle
from ganglion.schedules.decay import (
    ExponentialDecay,
    InverseTimeDecay,
    PiecewiseConstantDecay,
    PolynomialDecay,
)

__all__ = [
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "InverseTimeDecay",
    "OneCycle",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "Schedule",
]


def __dir__() -> list[str]:
    return __all__
