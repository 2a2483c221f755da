"""Arrays whose rows belong together: what a network of several inputs reads, or is trained on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any


class Bundle:
    """Several arrays with as many rows each; a slice of it is one of them all.

    Parameters
    ----------
    parts : sequence
        Arrays, or what else a program reads row by row.

    Examples
    --------
    >>> import numpy as np
    >>> len(Bundle([np.zeros((5, 2)), np.zeros((5, 3))])[1:3])
    2
    """

    def __init__(self, parts: Sequence[Any]) -> None:
        self.parts = list(parts)

    def __len__(self) -> int:
        return len(self.parts[0])

    def __getitem__(self, rows: Any) -> Bundle:
        return Bundle([part[rows] for part in self.parts])

    def __iter__(self) -> Iterator[Any]:
        raise TypeError("a Bundle has parts, and rows only together")


def arrays_of(given: Any) -> list[Any]:
    """Return the parts of a bundle, or what is none in a list."""
    return given.parts if isinstance(given, Bundle) else [given]


def bundled(parts: Sequence[Any]) -> Any:
    """Return several parts as a bundle, and one as it is."""
    return parts[0] if len(parts) == 1 else Bundle(parts)


def in_order(place: str, argument: str, given: Any, names: Sequence[str]) -> list[Any]:
    """Return what a user gave for several inputs or outputs, in their order.

    Parameters
    ----------
    place, argument : str
        For the error.
    given : sequence or dict
        One for each, or by their names.
    names : sequence of str
        In order.

    Raises
    ------
    TypeError
        When it is neither.
    ValueError
        When one is missing, or too many.

    Examples
    --------
    >>> in_order("fit", "X", {"text": 1, "image": 2}, ["image", "text"])
    [2, 1]
    >>> in_order("fit", "X", [1], ["image", "text"])
    Traceback (most recent call last):
    ...
    ValueError: [fit] X must have 2 parts, for 'image' and 'text', got 1
    """
    listed = " and ".join(", ".join(map(repr, names)).rsplit(", ", 1))
    if isinstance(given, Mapping):
        if set(given) != set(names):
            raise ValueError(
                f"[{place}] {argument} must have the names {listed}, got {sorted(given, key=str)}"
            )
        return [given[name] for name in names]
    if not isinstance(given, (list, tuple)):
        raise TypeError(
            f"[{place}] {argument} must be a tuple or a dict of {len(names)} parts, for {listed}, "
            f"got {type(given).__name__}"
        )
    if len(given) != len(names):
        raise ValueError(
            f"[{place}] {argument} must have {len(names)} parts, for {listed}, got {len(given)}"
        )
    return list(given)
