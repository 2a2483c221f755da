"""The weights of a network: their names, shapes, and places in one flat buffer."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from ganglion.initializers import Initializer
    from ganglion.regularizers import Regularizer
    from ganglion.value import Shape

# Each weight starts at a multiple of this many elements: a cache line of float32.
ALIGNMENT = 16


@dataclass(eq=False)
class Variable:
    """One weight of a network. Its values stand in the network's flat buffer, not here.

    Attributes
    ----------
    name : str
        Path of the layer and name within it, ``"dense/kernel"``.
    shape : tuple of int
        Its shape.
    initializer : Initializer
        Draws its first value.
    trainable : bool
        Whether the optimizer changes it. Moving statistics are not trainable.
    regularizer : Regularizer or None
        Penalty on it.
    learning_rate_multiplier : float
        The optimizer takes steps so many times as long.
    offset : int
        Elements from the start of the flat buffer, once the weights are laid out.
    first_update : int
        Updates that the optimizer had made before it was trained: above 0 where it was frozen.
    """

    name: str
    shape: tuple[int, ...]
    initializer: Initializer
    trainable: bool = True
    regularizer: Regularizer | None = None
    learning_rate_multiplier: float = 1.0
    offset: int = 0
    first_update: int = 0

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def span(self) -> slice:
        """Where its elements stand in the flat buffer."""
        return slice(self.offset, self.offset + self.size)

    def initial_value(self, seed: int) -> npt.NDArray[np.float64]:
        """Draw the first value: a function of the seed and the name, whatever else the network has.

        An initializer with a seed of its own uses that one.

        Parameters
        ----------
        seed : int
            Seed of the network, non-negative.

        Examples
        --------
        >>> from ganglion.initializers import Ones
        >>> Variable("dense/bias", (2,), Ones()).initial_value(seed=0)
        array([1., 1.])
        """
        own_seed = getattr(self.initializer, "seed", None)
        key = [seed if own_seed is None else own_seed, zlib.crc32(self.name.encode())]
        value = self.initializer.draw(self.shape, np.random.default_rng(key))
        value = np.asarray(value, dtype=np.float64)
        if value.shape != self.shape:
            raise ValueError(
                f"[{type(self.initializer).__name__}] gave shape {value.shape} for "
                f"{self.name!r} of shape {self.shape}"
            )
        return value


@dataclass(frozen=True)
class Group:
    """Trained weights that lie side by side in the flat buffer and are updated alike.

    Attributes
    ----------
    index : int
        Its place among the groups.
    weights : slice
        Its part of `Variables.trainable`.
    span : slice
        Its part of the flat buffer.
    packed : slice
        Its part of the packed gradient, and of an optimizer's slots, which have trained weights
        alone.
    learning_rate_multiplier : float
    first_update : int
        As those of its weights.
    """

    index: int
    weights: slice
    span: slice
    packed: slice
    learning_rate_multiplier: float
    first_update: int

    @property
    def size(self) -> int:
        """Number of elements, with the padding between weights."""
        return int(self.span.stop - self.span.start)


class Variables:
    """The weights of a network in the order in which its layers made them.

    That order is the order of ``get_weights``. In memory the trainable ones come first, so that
    their gradients and an optimizer's state are flat vectors too.

    Examples
    --------
    >>> from ganglion.initializers import Zeros
    >>> variables = Variables()
    >>> mean = variables.get_or_add("norm/mean", (3,), Zeros(), trainable=False)
    >>> kernel = variables.get_or_add("dense/kernel", (3, 7), Zeros())
    >>> variables.lay_out()
    >>> kernel.offset, mean.offset, variables.trainable_size, variables.size
    (0, 32, 32, 48)
    """

    def __init__(self) -> None:
        self._by_name: dict[str, Variable] = {}
        self._outputs: dict[tuple[str, bool, tuple[Shape, ...]], Shape] = {}
        self.laid_out = False
        self.trainable_size = 0  # elements that are trained, padding included
        self.size = 0  # elements of the whole flat buffer

    def __iter__(self) -> Iterator[Variable]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def __getitem__(self, name: str) -> Variable:
        return self._by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    @property
    def trainable(self) -> list[Variable]:
        """The weights that the optimizer changes, in order."""
        return [variable for variable in self if variable.trainable]

    @property
    def packed_spans(self) -> list[slice]:
        """Where each of `trainable` stands in their packed gradient."""
        spans, end = [], 0
        for variable in self.trainable:
            spans.append(slice(end, end + variable.size))
            end += _padded(variable.size)
        return spans

    def groups(self) -> list[Group]:
        """Return the trained weights, laid out, in as few groups as are updated alike."""
        weights, packed = self.trainable, self.packed_spans
        groups: list[Group] = []
        start = 0
        while start < len(weights):
            first, end = weights[start], start
            alike = (first.learning_rate_multiplier, first.first_update)
            stop = first.offset
            while end < len(weights) and weights[end].offset == stop:
                if (weights[end].learning_rate_multiplier, weights[end].first_update) != alike:
                    break
                stop += _padded(weights[end].size)
                end += 1
            span, at = slice(first.offset, stop), packed[start].start
            of_packed = slice(at, at + stop - first.offset)
            groups.append(Group(len(groups), slice(start, end), span, of_packed, *alike))
            start = end
        return groups

    def only(self, chosen: Callable[[Variable], bool]) -> Variables:
        """Return some of the weights, laid out, at their places: what an optimizer of theirs sees.

        Examples
        --------
        >>> from ganglion.initializers import Zeros
        >>> variables = Variables()
        >>> for name in ("encoder/kernel", "decoder/kernel"):
        ...     kernel = variables.get_or_add(name, (20,), Zeros())
        >>> variables.lay_out()
        >>> (group,) = variables.only(lambda weight: weight.name.startswith("decoder/")).groups()
        >>> group.span, group.packed
        (slice(32, 64, None), slice(0, 32, None))
        """
        part = Variables()
        part._by_name = {variable.name: variable for variable in self if chosen(variable)}
        part.trainable_size = sum(_padded(variable.size) for variable in part.trainable)
        part.size, part.laid_out = self.size, self.laid_out
        return part

    def get_or_add(
        self,
        name: str,
        shape: tuple[int, ...],
        initializer: Initializer,
        *,
        trainable: bool = True,
        regularizer: Regularizer | None = None,
        learning_rate_multiplier: float = 1.0,
    ) -> Variable:
        """Return the weight of that name, made by the first trace that asks for it.

        Raises
        ------
        ValueError
            It exists with another shape, or is new although the weights were laid out already.
        """
        found = self._by_name.get(name)
        if found is None:
            if self.laid_out:
                raise ValueError(
                    f"[{name}] is a weight that the first pass through the network did not have; "
                    "a layer must make the same weights in training and in prediction"
                )
            found = Variable(
                name, shape, initializer, trainable, regularizer, learning_rate_multiplier
            )
            self._by_name[name] = found
        elif found.shape != shape:
            raise ValueError(f"[{name}] has shape {found.shape}, this input needs {shape}")
        return found

    def check_output(
        self, path: str, training: bool, inputs: tuple[Shape, ...], output: Shape
    ) -> None:
        """Raise for a layer that returned another shape in a pass before, for the same inputs.

        Parameters
        ----------
        path : str
            Of the layer.
        training : bool
            Whether the pass trains. A layer may do otherwise in prediction.
        inputs : tuple of tuple
            Shapes of what it was called with.
        output : tuple
            Shape of what it returned.
        """
        before = self._outputs.setdefault((path, training, inputs), output)
        if before != output:
            raise ValueError(
                f"[{path}] returned {output}, and {before} in a pass before: build runs once for "
                "every program, and must write the same each time"
            )

    def lay_out(self) -> None:
        """Give every weight its place in the flat buffer."""
        end = 0
        for variable in self.trainable:
            variable.offset, end = end, end + _padded(variable.size)
        self.trainable_size = end
        for variable in self:
            if not variable.trainable:
                variable.offset, end = end, end + _padded(variable.size)
        self.size = end
        self.laid_out = True


def _padded(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
