"""Maximum-margin losses."""

from __future__ import annotations

from ganglion import ops
from ganglion.losses.base import Loss
from ganglion.value import Value


class Hinge(Loss):
    """Linear loss of outputs on the wrong side of the margin, `mean(max(1 - t p, 0))`.

    Targets `t` are -1 and 1, or 0 and 1, where 0 counts as -1.

    Examples
    --------
    >>> from ganglion import losses
    >>> losses.get("hinge")
    Hinge()
    """

    target_kind = "sign"
    multilabel = True

    def build(self, target: Value, prediction: Value) -> Value:
        return ops.mean(_shortfall(target, prediction), axis=-1)


class SquaredHinge(Loss):
    """Squared loss of outputs on the wrong side of the margin, `mean(max(1 - t p, 0)^2)`.

    Targets `t` are -1 and 1, or 0 and 1, where 0 counts as -1.

    Examples
    --------
    >>> from ganglion import losses
    >>> losses.get("squared_hinge")
    SquaredHinge()
    """

    target_kind = "sign"
    multilabel = True

    def build(self, target: Value, prediction: Value) -> Value:
        return ops.mean(ops.square(_shortfall(target, prediction)), axis=-1)


class CategoricalHinge(Loss):
    """Margin between the right class and the best wrong one.

    `max(1 + max((1 - t) p) - sum(t p), 0)` with one-hot targets `t`.

    Examples
    --------
    >>> from ganglion import losses
    >>> losses.get("categorical_hinge")
    CategoricalHinge()
    """

    target_kind = "distribution"

    def build(self, target: Value, prediction: Value) -> Value:
        right = ops.sum(target * prediction, axis=-1)
        wrong = ops.max((1.0 - target) * prediction, axis=-1)
        return ops.relu(wrong - right + 1.0)


def _shortfall(target: Value, prediction: Value) -> Value:
    sign = ops.where(ops.equal(target, 0.0), -1.0, target)
    return ops.relu(1.0 - sign * prediction)
