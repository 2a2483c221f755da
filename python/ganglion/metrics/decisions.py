"""How outputs are read as decisions: one class of many, or yes or no for each output."""

from __future__ import annotations

from ganglion import ops
from ganglion.losses import Loss
from ganglion.value import Value


def is_multiclass(target: Value, prediction: Value, loss: Loss | None) -> bool:
    """Return whether the outputs stand for one class of many.

    As in Keras the shapes tell, except that outputs trained as yes/no questions stay such however
    many they are.
    """
    if prediction.shape[-1] == 1:
        return False
    return target.shape != prediction.shape or loss is None or not loss.multilabel


def class_of_target(target: Value, prediction: Value) -> Value:
    """Return class numbers, shape (batch, ...), of class numbers or one-hot targets."""
    return target if target.shape == prediction.shape[:-1] else ops.argmax(target)


def class_of_prediction(prediction: Value) -> Value:
    """Return the class with the largest output, shape (batch, ...)."""
    # Softmax keeps the order, so training need not compute it for this.
    logits = prediction.argument_of("softmax")
    return ops.argmax(prediction if logits is None else logits)


def is_yes(prediction: Value, threshold: float | None, loss: Loss | None) -> Value:
    """Return 1 where outputs are above the threshold, by default the one of the loss."""
    if threshold is None:
        threshold = 0.5 if loss is None else loss.threshold
        logits = prediction.argument_of("sigmoid")
        if logits is not None and threshold == 0.5:
            return logits > 0.0
    return prediction > threshold


def decisions(
    target: Value, prediction: Value, threshold: float | None, loss: Loss | None
) -> tuple[Value, Value]:
    """Return what is and what was predicted as 0 and 1, both (batch, ..., outputs)."""
    classes = prediction.shape[-1]
    if classes is not None and is_multiclass(target, prediction, loss):
        actual = ops.one_hot(class_of_target(target, prediction), classes)
        return actual, ops.one_hot(class_of_prediction(prediction), classes)
    return target > 0.5, is_yes(prediction, threshold, loss)
