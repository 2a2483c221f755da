"""Layers made of layers: what is needed beyond a chain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ganglion import ops
from ganglion.errors import check_choice, check_integer, place
from ganglion.layers.base import Layer, LayerSettings, check_single_output
from ganglion.layers.dense import Dense
from ganglion.layers.merging import Add, Average, Maximum, Merging, Minimum, Multiply
from ganglion.tracing import current_trace
from ganglion.value import Value

if TYPE_CHECKING:
    from typing_extensions import Unpack


def _chain(owner: Layer, name: str, layers: object) -> list[Layer]:
    if not isinstance(layers, (list, tuple)) or not all(isinstance(one, Layer) for one in layers):
        raise TypeError(f"{place(owner)} {name} must be a list of layers, got {layers!r}")
    for layer in layers:
        check_single_output(place(owner), layer)
    return list(layers)


def _apply(layers: Sequence[Layer], x: Value) -> Value:
    for layer in layers:
        x = layer(x)
    return x


class Residual(Layer):
    """``layers(x) + x``, or ``layers(x) + shortcut(x)`` (He et al. 2016).

    The layers within are named ``"residual/dense"`` and so on.

    Parameters
    ----------
    layers : list of Layer
        Applied one after the other.
    shortcut : list of Layer, optional
        Applied to what is added, where the layers change its shape.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Raises
    ------
    ValueError
        In ``build``, shapes that differ.

    Examples
    --------
    >>> Residual([Dense(64, activation="relu"), Dense(64)])
    Residual([Dense(64, activation='relu'), Dense(64)])
    """

    keeps_mask = True

    def __init__(
        self,
        layers: Sequence[Layer],
        shortcut: Sequence[Layer] | None = None,
        **settings: Unpack[LayerSettings],
    ) -> None:
        super().__init__(**settings)
        self.layers = _chain(self, "layers", layers)
        self.shortcut = None if shortcut is None else _chain(self, "shortcut", shortcut)

    @classmethod
    def examples(cls) -> list[Residual]:
        return [cls([Dense(5, activation="tanh"), Dense(6)]), cls([Dense(4)], shortcut=[Dense(4)])]

    def build(self, x: Value) -> Value:
        """Return the sum; ``x`` as the layers take it."""
        shortcut = self.shortcut or []
        current_trace().reserve([*self.layers, *shortcut])
        y, added = _apply(self.layers, x), _apply(shortcut, x)
        if y.shape != added.shape:
            raise ValueError(
                f"[Residual] the layers give {y.shape} and the shortcut {added.shape}; bring them "
                "to one shape with shortcut=[...]"
            )
        return y + added


# What brings results of one shape together, by the name that `Branches` has for it.
_MERGED: dict[str, type[Merging]] = {
    "add": Add,
    "multiply": Multiply,
    "average": Average,
    "maximum": Maximum,
    "minimum": Minimum,
}


class Branches(Layer):
    """Chains of layers beside each other, each applied to the input, and their results merged.

    The layers within are named ``"branches/dense"``, ``"branches/dense_1"`` and so on.

    Parameters
    ----------
    branches : list of list of Layer
        The chains; an empty one passes the input on.
    merge : {"concat", "add", "multiply", "average", "maximum", "minimum"}
        How results become one. All but ``"concat"`` need equal shapes.
    axis : int
        Axis that ``"concat"`` joins along, not the batch.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Raises
    ------
    ValueError
        In ``build``, shapes that do not fit together.

    Examples
    --------
    >>> import numpy as np
    >>> both = Branches([[Dense(3)], [Dense(8, activation="relu"), Dense(4)]])
    >>> ops.evaluate(both, np.ones((5, 2))).shape
    (5, 7)
    """

    keeps_mask = True

    def __init__(
        self,
        branches: Sequence[Sequence[Layer]],
        merge: str = "concat",
        axis: int = -1,
        **settings: Unpack[LayerSettings],
    ) -> None:
        super().__init__(**settings)
        if not isinstance(branches, (list, tuple)) or not branches:
            raise TypeError(f"[Branches] branches must be lists of layers, got {branches!r}")
        self.branches = [
            _chain(self, f"branch {index}", branch) for index, branch in enumerate(branches)
        ]
        self.merge = merge
        self.axis = axis
        check_choice(self, ("concat", *_MERGED), "merge")
        check_integer(self, "axis")

    @classmethod
    def examples(cls) -> list[Branches]:
        return [
            cls([[Dense(3), Dense(2)], []]),
            cls([[Dense(4)], [Dense(4, activation="tanh")], [Dense(4)]], merge="average"),
            cls([[Dense(4)], [Dense(4)]], merge="multiply"),
        ]

    def build(self, x: Value) -> Value:
        """Return the merged results; ``x`` as the branches take it."""
        current_trace().reserve(layer for branch in self.branches for layer in branch)
        results = [_apply(branch, x) for branch in self.branches]
        shapes = [result.shape for result in results]
        if self.merge != "concat" and len(set(shapes)) > 1:
            listed = ", ".join(map(str, shapes))
            raise ValueError(f"[Branches] merge {self.merge!r} needs equal shapes, got {listed}")
        if self.merge == "concat":
            return ops.concat(results, self.axis)
        return _MERGED[self.merge]().build(results)
