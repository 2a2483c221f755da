"""What networks are trained for together: a loss, whose weights it changes, and how."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ganglion import optimizers
from ganglion.arguments import names_arguments
from ganglion.data import whole_number
from ganglion.optimizers import Optimizer


class Objective:
    """A loss over several networks, and the networks that it trains. `Joint` makes steps of it.

    Parameters
    ----------
    function : callable
        ``function(networks, x)`` or ``function(networks, x, y)``, written with `ganglion.ops`: from
        values of a batch to a scalar, which training minimises, or to a dict of scalars by name, of
        which it minimises the first and reports all. ``networks.generator(z)``, or
        ``networks["generator"](z)``, applies a network. It is called when programs are written,
        never while they run.
    trains : str or sequence of str, optional
        Names of the networks whose weights it changes, but for layers that are frozen. All that the
        function applies by default.
    optimizer : str or Optimizer, default="adam"
        Update rule. Objectives may have the same one; each keeps a state of its own, and counts the
        batches that it takes.
    every : int, default=1
        Take only each so many-th batch: a critic that makes five steps for one of its generator is
        ``every=5`` of the generator's objective.
    name : str, optional
        What its scalar is reported as. Default: the function's name.

    Raises
    ------
    TypeError, ValueError
        If a setting is of the wrong type or out of range.

    Examples
    --------
    >>> from ganglion import Objective, ops, optimizers
    >>> def reconstruction(networks, x):
    ...     return ops.mean((networks.decoder(networks.encoder(x)) - x) ** 2)
    >>> Objective(reconstruction, trains="decoder", optimizer=optimizers.SGD(0.1))
    Objective(reconstruction, trains='decoder', optimizer=SGD(learning_rate=0.1))
    """

    @names_arguments("Objective")
    def __init__(
        self,
        function: Callable[..., Any],
        trains: str | Sequence[str] | None = None,
        optimizer: str | Optimizer = "adam",
        every: int = 1,
        name: str | None = None,
    ) -> None:
        if not callable(function):
            raise TypeError(f"[Objective] function must be callable, got {function!r}")
        self.function = function
        self.trains = _names(trains)
        self.optimizer = optimizers.get(optimizer)
        self.every = whole_number("Objective", "every", every)
        given = getattr(function, "__name__", "") if name is None else name
        if name is None and not str(given).isidentifier():  # a lambda, a partial function
            raise ValueError(f"[Objective] {function!r} has no name: give one, name=...")
        if not isinstance(given, str) or not given:
            raise TypeError(f"[Objective] name must be a word, got {name!r}")
        self.name = given

    def __repr__(self) -> str:
        parts = [getattr(self.function, "__name__", repr(self.function))]
        if self.trains is not None:
            names = self.trains
            parts.append(f"trains={names[0]!r}" if len(names) == 1 else f"trains={list(names)!r}")
        parts.append(f"optimizer={self.optimizer!r}")
        if self.every != 1:
            parts.append(f"every={self.every}")
        if self.name != parts[0]:
            parts.append(f"name={self.name!r}")
        return f"Objective({', '.join(parts)})"


def _names(trains: str | Sequence[str] | None) -> tuple[str, ...] | None:
    if trains is None:
        return None
    names = (trains,) if isinstance(trains, str) else trains
    if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"[Objective] trains must be a name or a list of names, got {trains!r}")
    if not names:
        raise ValueError("[Objective] trains must name at least one network, got none")
    return tuple(dict.fromkeys(names))
