"""Errors, warnings, and the range checks that constructors make.

A message names the place, the setting, what it must be and what it was:
``[Dense] units must be a positive integer, got -3``.
"""

from __future__ import annotations

import functools
import math
import numbers
import sys
import warnings
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

import numpy as np

_DIGITS = "0123456789"


class NotFittedError(ValueError, AttributeError):
    """A network or an estimator was asked for something that only training gives it.

    Raise it through :func:`not_fitted`, so that it is scikit-learn's error too.
    """

    def __reduce__(self) -> tuple[object, ...]:
        return not_fitted, (str(self),)


class DivergenceWarning(RuntimeWarning):
    """Training stopped, because the loss was no longer a finite number."""


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the line that led here from outside, through however many of ganglion's own.

    scikit-learn's and joblib's lines, between which a pipeline or a search has ours, are passed
    over as well: they are not the user's.

    Parameters
    ----------
    message : str
        What is shown.
    category : type, default=UserWarning
        Of the warning.

    Examples
    --------
    >>> import warnings
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     warn("The loss is negative.")
    >>> print(caught[0].message, caught[0].category.__name__)
    The loss is negative. UserWarning
    """
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and _passed_over(frame):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def _passed_over(frame: FrameType) -> bool:
    package = str(frame.f_globals.get("__name__")).partition(".")[0]
    return package in ("ganglion", "sklearn", "joblib")


@functools.cache
def _shared_with(sklearn_error: type[Exception]) -> type[NotFittedError]:
    return type("NotFittedError", (NotFittedError, sklearn_error), {})


def not_fitted(message: str) -> NotFittedError:
    """Make a :class:`NotFittedError` that is also scikit-learn's when scikit-learn is loaded.

    Parameters
    ----------
    message : str
        What was asked for, and what has to be called first.

    Returns
    -------
    NotFittedError
        To be raised. ``except sklearn.exceptions.NotFittedError`` catches it as well.

    Examples
    --------
    >>> raise not_fitted("[Sequential] predict needs a fitted network; call fit first")
    Traceback (most recent call last):
    ...
    ganglion.errors.NotFittedError: [Sequential] predict needs a fitted network; call fit first
    """
    exceptions = sys.modules.get("sklearn.exceptions")
    if exceptions is None:
        return NotFittedError(message)
    return _shared_with(exceptions.NotFittedError)(message)


def suggestion(name: object, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'relu'?"``, or the list of what is known when nothing is near.

    Parameters
    ----------
    name : object
        What was given.
    known : iterable of str
        What would have been right.

    Examples
    --------
    >>> suggestion("rellu", ["relu", "tanh"])
    "; did you mean 'relu'?"
    >>> suggestion("step", ["relu", "tanh"])
    "; known are 'relu', 'tanh'"
    >>> suggestion("float16", ["float32", "float64"])
    "; known are 'float32', 'float64'"
    """
    import difflib

    by_lower_case: dict[str, str] = {}
    for candidate in known:
        by_lower_case.setdefault(candidate.lower(), candidate)
    given = str(name).lower()
    near = difflib.get_close_matches(given, by_lower_case, n=5)
    # Another number is another thing; letters in another order are the same word.
    near = [one for one in near if one.strip(_DIGITS) != given.strip(_DIGITS) or one == given]
    near.sort(key=lambda one: sorted(one) != sorted(given))
    if near:
        return f"; did you mean {by_lower_case[near[0]]!r}?"
    return "; known are " + ", ".join(repr(candidate) for candidate in by_lower_case.values())


def place(owner: object) -> str:
    """Return what messages start with: ``[Dense]`` for a layer, ``[text]`` for a string."""
    return f"[{owner if isinstance(owner, str) else type(owner).__name__}]"


def _is_number(value: object) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)


def _is_integer(value: object) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _check(
    owner: object, names: Iterable[str], allowed: Callable[[Any], bool], wanted: str
) -> None:
    for name in names:
        value = getattr(owner, name)
        if not allowed(value):
            a_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
            error = ValueError if a_number else TypeError
            raise error(f"{place(owner)} {name} must be {wanted}, got {value!r}")


def check_number(owner: object, *names: str) -> None:
    """Check that settings are finite numbers.

    Parameters
    ----------
    owner : object
        Whose attributes they are; its class is named in the message.
    *names : str
        Names of the attributes.

    Raises
    ------
    TypeError
        Not a real number. Booleans are none.
    ValueError
        A number out of range. The other checks take the same arguments and raise the same.
    """
    _check(owner, names, _is_number, "a finite number")


def check_positive(owner: object, *names: str) -> None:
    """Check that settings are positive numbers, as :func:`check_number` does."""
    _check(owner, names, lambda value: _is_number(value) and value > 0, "positive")


def check_at_least(owner: object, minimum: float, *names: str) -> None:
    """Check that settings are numbers of at least ``minimum``, as :func:`check_number` does."""
    wanted = "non-negative" if minimum == 0 else f"at least {minimum:g}"
    _check(owner, names, lambda value: _is_number(value) and value >= minimum, wanted)


def check_fraction(owner: object, *names: str) -> None:
    """Check that settings are numbers in [0, 1], as :func:`check_number` does.

    Examples
    --------
    >>> from ganglion import layers
    >>> layers.Dropout(1.5)
    Traceback (most recent call last):
    ...
    ValueError: [Dropout] rate must be in [0, 1], got 1.5
    """
    _check(owner, names, lambda value: _is_number(value) and 0 <= value <= 1, "in [0, 1]")


def check_share(owner: object, *names: str) -> None:
    """Check that settings are numbers in [0, 1), as :func:`check_number` does."""
    _check(owner, names, lambda value: _is_number(value) and 0 <= value < 1, "one number in [0, 1)")


def check_count(owner: object, *names: str) -> None:
    """Check that settings are positive integers, as :func:`check_number` does.

    Examples
    --------
    >>> from ganglion import layers
    >>> layers.Dense(-3)
    Traceback (most recent call last):
    ...
    ValueError: [Dense] units must be a positive integer, got -3
    """
    _check(owner, names, lambda value: _is_integer(value) and value > 0, "a positive integer")


def check_integer(owner: object, *names: str) -> None:
    """Check that settings are integers, as :func:`check_number` does."""
    _check(owner, names, _is_integer, "an integer")


def as_tuple(value: Any) -> Any:
    """Return a list as a tuple, which a setting can be compared and hashed as; else the value."""
    return tuple(value) if isinstance(value, list) else value


def check_axes(owner: object, *names: str) -> None:
    """Check that settings are None, an integer or a tuple of them, as :func:`check_number` does."""

    def allowed(value: Any) -> bool:
        return value is None or all(
            map(_is_integer, value if isinstance(value, tuple) else [value])
        )

    _check(owner, names, allowed, "an integer or a tuple of them")


def check_sizes(owner: object, axes: int, *names: str) -> None:
    """Check that settings are a positive integer, or a tuple of one for each axis.

    Raises
    ------
    TypeError, ValueError
        As :func:`check_number` does.

    Examples
    --------
    >>> from ganglion import layers
    >>> layers.MaxPooling2D((2, 0))
    Traceback (most recent call last):
    ...
    ValueError: [MaxPooling2D] pool_size must be a positive integer or a tuple of 2, got (2, 0)
    """
    for name in names:
        value = getattr(owner, name)
        sizes = value if isinstance(value, tuple) and len(value) == axes else (value,)
        if not all(_is_integer(size) and size > 0 for size in sizes):
            numbers_given = all(map(_is_number, value if isinstance(value, tuple) else sizes))
            error = ValueError if numbers_given else TypeError
            raise error(
                f"{place(owner)} {name} must be a positive integer or a tuple of {axes}, "
                f"got {value!r}"
            )


def check_boolean(owner: object, *names: str) -> None:
    """Check that settings are ``True`` or ``False``, as :func:`check_number` does."""
    _check(owner, names, lambda value: isinstance(value, (bool, np.bool_)), "True or False")


def check_choice(owner: object, choices: Iterable[str], *names: str) -> None:
    """Check that settings are one of a few words, or suggest the nearest right one.

    Raises
    ------
    ValueError
        None of ``choices``.

    Examples
    --------
    >>> from ganglion import layers
    >>> layers.Branches([[], []], merge="concatt")
    Traceback (most recent call last):
    ...
    ValueError: [Branches] unknown merge 'concatt'; did you mean 'concat'?
    """
    known = list(choices)
    for name in names:
        value = getattr(owner, name)
        if not isinstance(value, str) or value not in known:
            raise ValueError(f"{place(owner)} unknown {name} {value!r}{suggestion(value, known)}")


def check_seed(owner: object) -> None:
    """Check that the setting ``seed`` is None or a non-negative integer."""

    def allowed(value: Any) -> bool:
        return value is None or (_is_integer(value) and value >= 0)

    _check(owner, ["seed"], allowed, "None or a non-negative integer")


def check_numbers(owner: object, *names: str) -> None:
    """Check that settings are finite numbers or arrays of them, as :func:`check_number` does."""
    _check(owner, names, _are_numbers, "finite numbers")


def _are_numbers(value: Any) -> bool:
    try:
        array = np.asarray(value)
    except ValueError:  # rows of different lengths
        return False
    return array.dtype.kind in "fiu" and bool(np.isfinite(array).all())
