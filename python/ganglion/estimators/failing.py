"""What a fit that fails, or is interrupted, leaves of an estimator."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

_Fit = TypeVar("_Fit", bound=Callable[..., None])


@contextmanager
def left_whole(estimator: Any) -> Iterator[None]:
    """Give an estimator back its attributes where a fit fails before a new network was trained."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        network = vars(estimator).get("network_")
        if network is None or network is before.get("network_") or not network.step_:
            vars(estimator).clear()
            vars(estimator).update(before)
        raise


def leaves_estimator_whole(fit: _Fit) -> _Fit:
    """Have an estimator be as before a fit that fails, or, once it trains, as far as it came.

    Parameters
    ----------
    fit : callable
        Method of an estimator that learns the columns and the targets, sets ``network_`` and
        trains it.
    """

    @functools.wraps(fit)
    def guarded(estimator: Any, *arguments: Any, **settings: Any) -> None:
        try:
            with left_whole(estimator):
                fit(estimator, *arguments, **settings)
        except BaseException:
            if "network_" in vars(estimator):
                vars(estimator).update(estimator._fitted(estimator.network_))
            raise

    return cast(_Fit, guarded)
