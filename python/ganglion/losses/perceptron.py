"""What scikit-learn's multi-layer perceptron minimises, for the estimators that stand in for it.

They differ from Keras's losses in two ways: outputs are summed and not averaged, and `reduce`
divides by the sum of the weights. They have no names of their own.
"""

from __future__ import annotations

from collections.abc import Sequence

from ganglion import ops
from ganglion.losses.base import Loss
from ganglion.losses.binary import BinaryCrossentropy
from ganglion.losses.categorical import SparseCategoricalCrossentropy
from ganglion.losses.weights import aligned
from ganglion.value import Value

# Below every count but 0.
_LEAST_COUNT = 1e-30


class PerceptronLoss(Loss, registered=False):
    """Base: `(sum(weight * loss) + penalties) / sum(weight)` over a batch.

    Without weights each is 1, so that a penalty counts less in a larger batch. A batch whose
    weights are all 0 is left to the penalties.
    """

    def reduce(self, losses: Value, weight: Value | None, penalties: Sequence[Value]) -> Value:
        total = ops.axis_size(losses, 0)
        if weight is not None:
            losses = losses * aligned(weight, losses)
            weights = ops.sum(weight)
            total = ops.where(weights > 0.0, weights, total)
        loss = ops.sum(losses)
        for penalty in penalties:
            loss = loss + penalty
        return loss / total


class LogLoss(PerceptronLoss, registered=False):
    """Negative log-likelihood of one class of many, from the output of a softmax."""

    target_kind = "class_index"

    def build(self, target: Value, prediction: Value) -> Value:
        return SparseCategoricalCrossentropy().build(target, prediction)


class BinaryLogLoss(PerceptronLoss, registered=False):
    """Negative log-likelihood of yes/no outputs, from the output of a sigmoid."""

    target_kind = "probability"
    multilabel = True

    def build(self, target: Value, prediction: Value) -> Value:
        return _outputs(prediction) * BinaryCrossentropy().build(target, prediction)


class HalfSquaredError(PerceptronLoss, registered=False):
    """`sum((prediction - target)^2) / 2` over the outputs."""

    def build(self, target: Value, prediction: Value) -> Value:
        return 0.5 * ops.sum(ops.square(prediction - target), axis=-1)


class HalfPoissonDeviance(PerceptronLoss, registered=False):
    """`sum(t log(t / p) - t + p)` over the outputs: counts `t`, rates `p` from an exponential."""

    target_kind = "non_negative"

    def build(self, target: Value, prediction: Value) -> Value:
        logarithm = prediction.argument_of("exp")
        if logarithm is None:
            logarithm = ops.log(prediction)
        least = ops.log(ops.maximum(target, _LEAST_COUNT)) - 1.0
        return ops.sum(target * (least - logarithm) + prediction, axis=-1)


def _outputs(prediction: Value) -> float:
    outputs = prediction.shape[-1]
    assert outputs is not None
    return float(outputs)
