"""What stands for a node of a graph: `layers.Input`, until an operation needs the node itself."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

Operation = TypeVar("Operation", bound=Callable[..., Any])


def node_of(given: Any) -> Any:
    """Return the node that an argument stands for, those in a list, or the argument itself."""
    if isinstance(given, (list, tuple)):
        return [node_of(part) for part in given] if any(map(_stands, given)) else given
    return given.node if _stands(given) else given


def taking_inputs(operation: Operation) -> Operation:
    """Let an operation take `layers.Input` wherever it takes a value."""

    @functools.wraps(operation)
    def taking(*arguments: Any, **settings: Any) -> Any:
        return operation(*map(node_of, arguments), **settings)

    return taking  # type: ignore[return-value]


def _stands(given: Any) -> bool:
    return hasattr(type(given), "node")  # a frame has a column of that name itself
