"""A penalty on what passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganglion import ops
from ganglion.errors import check_at_least
from ganglion.layers.base import Layer, LayerSettings
from ganglion.regularizers import L1L2
from ganglion.value import Value

if TYPE_CHECKING:
    from typing_extensions import Unpack


class ActivityRegularization(Layer):
    """Pass the input on, and add ``(l1 * sum(|x|) + l2 * sum(x ** 2)) / samples`` to the loss.

    Parameters
    ----------
    l1, l2 : float
        Factors, non-negative.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Examples
    --------
    >>> ActivityRegularization(l2=0.01)
    ActivityRegularization(l2=0.01)
    """

    keeps_mask = True

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **settings: Unpack[LayerSettings]) -> None:
        super().__init__(**settings)
        self.l1 = l1
        self.l2 = l2
        check_at_least(self, 0, "l1", "l2")

    @classmethod
    def examples(cls) -> list[ActivityRegularization]:
        return [cls(l1=0.1, l2=0.2)]

    def build(self, x: Value) -> Value:
        self.add_loss(L1L2(self.l1, self.l2).build(x) / ops.axis_size(x, axis=0))
        return x
