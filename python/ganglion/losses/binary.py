"""Losses for independent yes/no outputs: each target is the probability of yes."""

from __future__ import annotations

from ganglion import ops
from ganglion.errors import check_at_least, check_boolean, check_fraction
from ganglion.losses.base import EPSILON, Loss
from ganglion.value import Value


class BinaryCrossentropy(Loss, aliases=("bce", "BCE")):
    """Negative log-likelihood of yes/no outputs, `mean(-t log(p) - (1 - t) log(1 - p))`.

    From logits `z` it is computed as `t softplus(-z) + (1 - t) softplus(z)`, which is exact however
    large `z` is. The output of a sigmoid is treated as its logit; other probabilities are kept
    1e-7 away from 0 and 1. Keras does that to the output of a sigmoid too, and so loses the
    gradient of outputs that are far off.

    Parameters
    ----------
    from_logits : bool, default False
        Predictions are logits and not probabilities.
    label_smoothing : float, default 0.0
        Targets become `t (1 - s) + s / 2`, between 0 and 1.

    Raises
    ------
    ValueError
        If `label_smoothing` is out of range.

    Examples
    --------
    >>> BinaryCrossentropy(from_logits=True)
    BinaryCrossentropy(from_logits=True)
    """

    target_kind = "probability"
    multilabel = True

    def __init__(self, from_logits: bool = False, label_smoothing: float = 0.0) -> None:
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        check_boolean(self, "from_logits")
        check_fraction(self, "label_smoothing")

    def build(self, target: Value, prediction: Value) -> Value:
        target = _smoothed(target, self.label_smoothing)
        log_yes, log_no = log_probabilities(prediction, self.from_logits)
        return -ops.mean(target * log_yes + (1.0 - target) * log_no, axis=-1)

    @classmethod
    def examples(cls) -> list[BinaryCrossentropy]:
        return [cls(), cls(from_logits=True, label_smoothing=0.2)]


class BinaryFocalCrossentropy(Loss):
    """Binary cross-entropy with less weight on what is already right (Lin et al., 2018).

    `mean((1 - q)^gamma (-t log(p) - (1 - t) log(1 - p)))`, where `q = t p + (1 - t) (1 - p)` is the
    probability given to the target. Logits and probabilities are treated as by
    `BinaryCrossentropy`.

    Parameters
    ----------
    apply_class_balancing : bool, default False
        Weigh each output by `t alpha + (1 - t) (1 - alpha)` besides.
    alpha : float, default 0.25
        Weight of yes, between 0 and 1.
    gamma : float, default 2.0
        How much less the right ones count, at least 0.
    from_logits : bool, default False
        Predictions are logits and not probabilities.
    label_smoothing : float, default 0.0
        Targets become `t (1 - s) + s / 2`, between 0 and 1.

    Raises
    ------
    ValueError
        If a setting is out of range.

    Examples
    --------
    >>> BinaryFocalCrossentropy(gamma=3.0)
    BinaryFocalCrossentropy(gamma=3.0)
    """

    target_kind = "probability"
    multilabel = True

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
    ) -> None:
        self.apply_class_balancing = apply_class_balancing
        self.alpha = alpha
        self.gamma = gamma
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        check_boolean(self, "apply_class_balancing", "from_logits")
        check_fraction(self, "alpha", "label_smoothing")
        check_at_least(self, 0, "gamma")

    def build(self, target: Value, prediction: Value) -> Value:
        target = _smoothed(target, self.label_smoothing)
        log_yes, log_no = log_probabilities(prediction, self.from_logits)
        loss = -(target * log_yes + (1.0 - target) * log_no)
        # 1 - q, from both probabilities, so that it keeps its digits when q is near 1.
        wrong = target * ops.exp(log_no) + (1.0 - target) * ops.exp(log_yes)
        loss = focus(wrong, self.gamma) * loss
        if self.apply_class_balancing:
            loss = (target * self.alpha + (1.0 - target) * (1.0 - self.alpha)) * loss
        return ops.mean(loss, axis=-1)

    @classmethod
    def examples(cls) -> list[BinaryFocalCrossentropy]:
        return [cls(), cls(True, 0.3, 1.5, from_logits=True, label_smoothing=0.2)]


def focus(wrong: Value, gamma: float) -> Value:
    """Return `wrong ** gamma`, the factor of the focal losses, with a finite slope at 0."""
    return ops.maximum(wrong, 1e-30) ** gamma


def _smoothed(target: Value, smoothing: float) -> Value:
    return target * (1.0 - smoothing) + 0.5 * smoothing if smoothing else target


def log_probabilities(prediction: Value, from_logits: bool) -> tuple[Value, Value]:
    """Return the logarithms of the probabilities of yes and no."""
    logits = prediction if from_logits else prediction.argument_of("sigmoid")
    if logits is not None:
        return -ops.softplus(-logits), -ops.softplus(logits)
    yes = ops.clip(prediction, EPSILON, 1.0 - EPSILON)
    return ops.log(yes), ops.log(1.0 - yes)
