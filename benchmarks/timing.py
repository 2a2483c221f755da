"""The one timer: candidates take turns, so that a machine that slows down slows all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


class Failed(Exception):
    """A candidate that cannot go on; the message says why."""


def interleave(
    candidates: Mapping[str, Callable[[], float]], *, seconds: float = 2.0, rounds: int = 5
) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Let candidates measure themselves in turns.

    Parameters
    ----------
    candidates : dict of str to callable
        Takes one turn and returns what it measured, warmed up before.
    seconds : float
        About how long to go on, for each candidate.
    rounds : int
        Fewest turns, whatever they take.

    Returns
    -------
    measured : dict of str to list of float
        Every measurement, in order.
    failures : dict of str to str
        Why a candidate, which is then not among the measured, raised `Failed`.
    """
    measured: dict[str, list[float]] = {name: [] for name in candidates}
    failures: dict[str, str] = {}
    end = time.perf_counter() + seconds * len(candidates)
    turns = 0
    while measured and (turns < rounds or time.perf_counter() < end):
        turns += 1
        for name in list(measured):
            try:
                measured[name].append(candidates[name]())
            except Failed as failure:
                del measured[name]
                failures[name] = str(failure)
    return measured, failures


def medians(measured: Mapping[str, list[float]]) -> dict[str, float]:
    """Median of each candidate's measurements."""
    return {name: statistics.median(values) for name, values in measured.items()}
