"""Losses for one class out of many, and for distributions over classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ganglion import ops
from ganglion.errors import (
    check_at_least,
    check_boolean,
    check_fraction,
    check_integer,
    check_numbers,
)
from ganglion.losses.base import EPSILON, Loss
from ganglion.losses.binary import focus
from ganglion.value import Value


class CategoricalCrossentropy(Loss, aliases=("cce",)):
    """Negative log-likelihood of a class, `-sum(t log(p))`, with one-hot targets.

    From logits it is computed as `-sum(t log_softmax(z))`, which is exact however large `z` is. The
    output of a softmax is treated as its logits; other probabilities are divided by their sum and
    kept 1e-7 away from 0 and 1. Keras does that to the output of a softmax too, and so loses the
    gradient of outputs that are far off.

    Parameters
    ----------
    from_logits : bool, default False
        Predictions are logits and not probabilities.
    label_smoothing : float, default 0.0
        Targets become `t (1 - s) + s / classes`, between 0 and 1.

    Raises
    ------
    ValueError
        If `label_smoothing` is out of range.

    Examples
    --------
    >>> CategoricalCrossentropy(label_smoothing=0.1)
    CategoricalCrossentropy(label_smoothing=0.1)
    """

    target_kind = "distribution"

    def __init__(self, from_logits: bool = False, label_smoothing: float = 0.0) -> None:
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        check_boolean(self, "from_logits")
        check_fraction(self, "label_smoothing")

    def build(self, target: Value, prediction: Value) -> Value:
        target = _smoothed(target, self.label_smoothing)
        logits = prediction if self.from_logits else prediction.argument_of("softmax")
        if logits is not None:
            return ops.crossentropy(logits, target)
        return -ops.sum(target * ops.log(_normalised(prediction)), axis=-1)

    @classmethod
    def examples(cls) -> list[CategoricalCrossentropy]:
        return [cls(), cls(from_logits=True, label_smoothing=0.1)]


class SparseCategoricalCrossentropy(Loss, aliases=("scce",)):
    """Negative log-likelihood of a class, `-log(p[t])`, with class numbers for targets.

    Logits and probabilities are treated as by `CategoricalCrossentropy`.

    Parameters
    ----------
    from_logits : bool, default False
        Predictions are logits and not probabilities.
    ignore_class : int, optional
        Targets of this number, -1 or 255 for instance, do not count: the loss is the mean over the
        others.

    Examples
    --------
    >>> SparseCategoricalCrossentropy(ignore_class=-1)
    SparseCategoricalCrossentropy(ignore_class=-1)
    """

    target_kind = "class_index"

    def __init__(self, from_logits: bool = False, ignore_class: int | None = None) -> None:
        self.from_logits = from_logits
        self.ignore_class = ignore_class
        check_boolean(self, "from_logits")
        if ignore_class is not None:
            check_integer(self, "ignore_class")

    def build(self, target: Value, prediction: Value) -> Value:
        if self.ignore_class is None:
            return self._loss(target, prediction)
        ignored = ops.equal(target, float(self.ignore_class))
        loss = self._loss(ops.where(ignored, 0.0, target), prediction)
        # Dividing by the share of those that count makes the mean over all the mean over them.
        share = ops.mean(1.0 - ignored)
        return ops.where(ignored, 0.0, loss) / ops.maximum(share, 1e-30)

    def _loss(self, target: Value, prediction: Value) -> Value:
        logits = prediction if self.from_logits else prediction.argument_of("softmax")
        if logits is not None:
            return ops.sparse_crossentropy(logits, target)
        classes = prediction.shape[-1]
        assert classes is not None
        return -ops.sum(ops.one_hot(target, classes) * ops.log(_normalised(prediction)), axis=-1)

    @classmethod
    def examples(cls) -> list[SparseCategoricalCrossentropy]:
        return [cls(), cls(from_logits=True), cls(from_logits=True, ignore_class=1)]


class CategoricalFocalCrossentropy(Loss):
    """Categorical cross-entropy with less weight on what is already right (Lin et al., 2018).

    `sum(alpha (1 - p)^gamma (-t log(p)))`. Logits and probabilities are treated as by
    `CategoricalCrossentropy`. Keras turns logits into probabilities and keeps these 1e-7 away from
    0 and 1, so that its value and gradient differ for logits that are far apart.

    Parameters
    ----------
    alpha : float or sequence of float, default 0.25
        Weight, for all classes or for each, at least 0.
    gamma : float, default 2.0
        How much less the right ones count, at least 0.
    from_logits : bool, default False
        Predictions are logits and not probabilities.
    label_smoothing : float, default 0.0
        Targets become `t (1 - s) + s / classes`, between 0 and 1.

    Raises
    ------
    ValueError
        If a setting is out of range, or there are not as many `alpha` as classes.

    Examples
    --------
    >>> CategoricalFocalCrossentropy(gamma=3.0)
    CategoricalFocalCrossentropy(gamma=3.0)
    """

    target_kind = "distribution"

    def __init__(
        self,
        alpha: float | Sequence[float] = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
    ) -> None:
        self.alpha = alpha
        self.gamma = gamma
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        check_numbers(self, "alpha")
        if np.ndim(alpha) > 1 or not np.all(np.asarray(alpha) >= 0):
            raise ValueError(
                f"[CategoricalFocalCrossentropy] alpha must be non-negative, got {alpha!r}"
            )
        check_at_least(self, 0, "gamma")
        check_boolean(self, "from_logits")
        check_fraction(self, "label_smoothing")

    def build(self, target: Value, prediction: Value) -> Value:
        classes = prediction.shape[-1]
        if np.size(self.alpha) not in (1, classes):
            raise ValueError(
                f"[CategoricalFocalCrossentropy] alpha must have one weight for each of {classes} "
                f"classes, got {np.size(self.alpha)}"
            )
        target = _smoothed(target, self.label_smoothing)
        logits = prediction if self.from_logits else prediction.argument_of("softmax")
        if logits is not None:
            log_p = ops.log_softmax(logits)
            wrong = -ops.expm1(log_p)
        else:
            p = _normalised(prediction)
            log_p = ops.log(p)
            wrong = 1.0 - p
        alpha = ops.constant(self.alpha)
        return -ops.sum(alpha * focus(wrong, self.gamma) * target * log_p, axis=-1)

    @classmethod
    def examples(cls) -> list[CategoricalFocalCrossentropy]:
        return [cls(), cls(0.5, 1.5, from_logits=True, label_smoothing=0.1)]


class KLDivergence(Loss, aliases=("kld", "KLD")):
    """Kullback-Leibler divergence of the prediction from the target, `sum(t log(t / p))`.

    Targets and predictions below 1e-7 count as 1e-7; the output of a softmax `p` is taken as its
    exact logarithm.

    Examples
    --------
    >>> from ganglion import losses
    >>> losses.get("kl_divergence")
    KLDivergence()
    """

    target_kind = "probability"

    def build(self, target: Value, prediction: Value) -> Value:
        target = _clipped(target, 1.0)
        logits = prediction.argument_of("softmax")
        if logits is not None:
            log_p = ops.log_softmax(logits)
        else:
            log_p = ops.log(_clipped(prediction, 1.0))
        return ops.sum(target * (ops.log(target) - log_p), axis=-1)


def _smoothed(target: Value, smoothing: float) -> Value:
    classes = target.shape[-1]
    assert classes is not None
    return target * (1.0 - smoothing) + smoothing / classes if smoothing else target


def _clipped(probabilities: Value, highest: float) -> Value:
    return ops.clip(probabilities, EPSILON, highest)


def _normalised(probabilities: Value) -> Value:
    total = ops.sum(probabilities, axis=-1, keepdims=True)
    return _clipped(probabilities / total, 1.0 - EPSILON)
