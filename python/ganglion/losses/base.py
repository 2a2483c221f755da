"""What every loss is: an expression of targets and predictions, and the targets it takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np

from ganglion import ops
from ganglion.lines import blame
from ganglion.losses.targets import Array, TargetShapeError, check_values
from ganglion.losses.weights import aligned
from ganglion.spec import Spec
from ganglion.value import Shape, Value

# Keras's fuzz: the least probability whose logarithm is taken, and the least divisor.
EPSILON = 1e-7


class Loss(Spec, kind="loss"):
    """Base of the losses: how far predictions are from targets.

    A loss of your own is a subclass with a `build` method, written with `ganglion.ops` like the
    built-in ones; it gets its gradient from the core.

    The number that training minimises is `sum(weight * loss) / size` over all the values that
    `build` returns for a batch, as in Keras; `reduce` can say otherwise. Keras's ``axis``,
    ``reduction``, ``name`` and ``dtype`` are left out: losses are taken over the last axis.

    Attributes
    ----------
    target_kind : str
        What the targets may be: "real", "non_negative", "probability", "distribution" (rows that
        sum to 1), "class_index" or "sign".
    multilabel : bool
        Whether each output is a yes/no question of its own, rather than one class of many.
    by_sample : bool
        Whether `reduce` gives the mean over samples, of however many steps each.

    Examples
    --------
    >>> from ganglion import ops
    >>> class FourthPower(Loss):
    ...     def build(self, target, prediction):
    ...         return ops.mean((prediction - target) ** 4, axis=-1)
    """

    target_kind: ClassVar[str] = "real"
    multilabel: ClassVar[bool] = False
    by_sample: ClassVar[bool] = False
    # The one class index that is allowed besides, and does not count.
    ignore_class: int | None = None

    def build(self, target: Value, prediction: Value) -> Value:
        """Return the loss of each sample.

        Parameters
        ----------
        target : Value
            Shape `target_shape(prediction.shape)`.
        prediction : Value
            Shape (batch, ..., outputs).

        Returns
        -------
        Value
            Shape (batch, ...): the last axis of `prediction` is gone.
        """
        raise NotImplementedError(f"[{type(self).__name__}] has no build method")

    def __call__(self, target: Value, prediction: Value) -> Value:
        """Build the loss of each sample, and check the shapes."""
        expected = self.target_shape(prediction.shape)
        if target.shape != expected:
            raise ValueError(
                f"[{self._owner}] targets must have shape {expected}, got {target.shape}"
            )
        try:
            loss = self.build(target, prediction)
            self._check_losses(loss, prediction)
        except Exception as error:
            blame(error, getattr(self, "function", self.build))
            raise
        if prediction.mask is None or len(prediction.shape) < 3:
            return loss
        return ops.with_mask(loss, prediction.mask)

    def _check_losses(self, loss: object, prediction: Value) -> None:
        if not isinstance(loss, Value):
            raise TypeError(f"[{self._owner}] must return a value, got {type(loss).__name__}")
        if loss.shape != prediction.shape[:-1]:
            raise ValueError(
                f"[{self._owner}] must return one loss for each sample: shape "
                f"{prediction.shape[:-1]} for predictions {prediction.shape}, got {loss.shape}"
            )

    def reduce(self, losses: Value, weight: Value | None, penalties: Sequence[Value]) -> Value:
        """Return the number that training minimises, for a batch.

        Parameters
        ----------
        losses : Value
            What `build` returned, (batch, ...), with the mask of the prediction.
        weight : Value or None
            Weight of each sample, (batch,).
        penalties : sequence of Value
            Scalars, of the regularizers.

        Returns
        -------
        Value
            A scalar. The sum of losses is divided by their number, not by the sum of the weights,
            as in Keras. Steps that are padding are not among them.
        """
        mask = losses.mask
        if weight is not None:
            losses = losses * aligned(weight, losses)
        if mask is None:
            count = ops.axis_size(losses)
        else:
            counted = ops.broadcast_to(aligned(mask, losses), losses.shape)
            losses = ops.where(counted, losses, 0.0)
            count = ops.maximum(ops.sum(counted), 1.0)
        if len(losses.shape) > 1:
            # Each sample by itself: padding does not change how its steps are added then.
            losses = ops.sum(losses, axis=list(range(1, len(losses.shape))))
        loss = ops.sum(losses) / count
        for penalty in penalties:
            loss = loss + penalty
        return loss

    def target_shape(self, prediction_shape: Shape) -> Shape:
        """Return the shape of the targets that go with predictions of a shape.

        Parameters
        ----------
        prediction_shape : tuple
            (None, ..., outputs).

        Raises
        ------
        ValueError
            If the loss can't be computed from predictions of that shape.
        """
        if len(prediction_shape) < 2:
            raise ValueError(
                f"[{self._owner}] predictions must have at least 2 axes, got {prediction_shape}"
            )
        if self.target_kind not in ("class_index", "distribution"):
            return prediction_shape
        if prediction_shape[-1] == 1:
            raise ValueError(
                f"[{self._owner}] needs one output for each of at least 2 classes, got 1; "
                "one output with a sigmoid goes with binary_crossentropy"
            )
        return prediction_shape[:-1] if self.target_kind == "class_index" else prediction_shape

    @property
    def threshold(self) -> float:
        """The output between no and yes: 0 for logits and margins, 0.5 for probabilities."""
        return 0.0 if self.target_kind == "sign" or getattr(self, "from_logits", False) else 0.5

    def prepare_target(self, target: Array, prediction_shape: Shape) -> Array:
        """Check a user's targets, and give them the shape the program takes.

        Parameters
        ----------
        target : ndarray, shape (n, ...)
            Numbers or booleans. A last axis of 1 may be missing, or be there without need.
        prediction_shape : tuple
            (None, ..., outputs).

        Returns
        -------
        ndarray
            A view of `target`: nothing is copied.

        Raises
        ------
        TypeError
            If the targets are not numbers.
        ValueError
            If their shape or a value does not fit the loss.
        """
        if target.dtype.kind not in "biuf":
            raise TypeError(
                f"[{self._owner}] targets must be numbers, got dtype {target.dtype}; "
                "encode the labels first (the estimators do)"
            )
        expected = self.target_shape(prediction_shape)
        given = target.shape[1:]
        if target.ndim and (*given, 1) == expected[1:]:
            target = target[..., np.newaxis]
        elif given == (*expected[1:], 1):
            target = target[..., 0]
        elif not target.ndim or given != expected[1:]:
            other = self._other_loss(target.shape, prediction_shape)
            error = ValueError if other else TargetShapeError
            raise error(
                f"[{self._owner}] targets must have shape {_shape_text(expected)} for predictions "
                f"of shape {_shape_text(prediction_shape)}, got {target.shape}{other}"
            )
        classes = prediction_shape[-1]
        assert classes is not None
        check_values(self._owner, self.target_kind, target, classes, self.ignore_class)
        return target

    def _other_loss(self, given: tuple[int, ...], prediction_shape: Shape) -> str:
        if self.target_kind == "class_index" and given[1:] == prediction_shape[1:]:
            return "; one-hot targets go with categorical_crossentropy"
        if self.target_kind == "distribution" and len(given) < len(prediction_shape):
            return "; class numbers go with sparse_categorical_crossentropy"
        return ""

    @property
    def _owner(self) -> str:
        return type(self).__name__


class FunctionLoss(Loss, registered=False):
    """A loss made from a function of targets and predictions.

    Parameters
    ----------
    function : callable
        `function(target, prediction)` with `ganglion.ops`; targets have the shape of predictions.
    name : str, optional
        Default: the function's name.

    Examples
    --------
    >>> from ganglion import ops
    >>> def fourth_power(target, prediction):
    ...     return ops.mean((prediction - target) ** 4, axis=-1)
    >>> FunctionLoss(fourth_power).name
    'fourth_power'
    """

    def __init__(self, function: Callable[[Value, Value], Value], name: str | None = None) -> None:
        self.function = function
        self.name = name or str(getattr(function, "__name__", "function"))

    def build(self, target: Value, prediction: Value) -> Value:
        return self.function(target, prediction)

    @property
    def _owner(self) -> str:
        return self.name


def _shape_text(shape: Shape) -> str:
    return (
        "("
        + ", ".join("n" if dim is None else str(dim) for dim in shape)
        + ("," if len(shape) == 1 else "")
        + ")"
    )
