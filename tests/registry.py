"""What is registered, as parametrisations: tests over layers, losses, ... go through here."""

from __future__ import annotations

from typing import Any

import pytest

import ganglion  # noqa: F401  (defines and so registers everything)
from ganglion import spec


def classes(kind: str) -> dict[str, type[Any]]:
    """The classes of a kind that are ganglion's own, by registered name."""
    return spec.built_in(kind)


def examples(kind: str) -> list[Any]:
    """One parameter for each example of each class of a kind, with its name and position as id.

    Layers that take several values are not among them: test_merging.py has those.
    """
    return [
        pytest.param(example, id=f"{name}-{position}")
        for name, cls in classes(kind).items()
        if not getattr(cls, "takes_several", False)
        for position, example in enumerate(cls.examples())
    ]


def names(kind: str) -> list[Any]:
    """One parameter for each registered class of a kind."""
    return [pytest.param(cls, id=name) for name, cls in classes(kind).items()]
