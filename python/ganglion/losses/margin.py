"""The margin loss of capsules."""

from __future__ import annotations

from ganglion import ops
from ganglion.errors import check_at_least, check_fraction
from ganglion.losses.base import Loss
from ganglion.value import Value


class Margin(Loss):
    """Squared shortfall of lengths from a margin for each class, present or absent.

    `sum(t max(m_plus - p, 0)^2 + absent_weight (1 - t) max(p - m_minus, 0)^2)` over the classes,
    with targets `t` of one where a class is present: one class, or several, as of digits that
    overlap (Sabour et al. 2017, equation 4).

    Parameters
    ----------
    m_plus : float, default 0.9
        Length from which on a class that is present costs nothing, [0, 1).
    m_minus : float, default 0.1
        Length up to which a class that is absent costs nothing, [0, 1).
    absent_weight : float, default 0.5
        What absent classes count, so that at first they do not shrink all lengths; at least 0.

    Raises
    ------
    ValueError
        If a setting is out of range, or `m_plus` is not above `m_minus`.

    Examples
    --------
    >>> Margin(absent_weight=0.25)
    Margin(absent_weight=0.25)
    """

    target_kind = "probability"

    def __init__(
        self, m_plus: float = 0.9, m_minus: float = 0.1, absent_weight: float = 0.5
    ) -> None:
        self.m_plus = m_plus
        self.m_minus = m_minus
        self.absent_weight = absent_weight
        check_fraction(self, "m_plus", "m_minus")
        check_at_least(self, 0, "absent_weight")
        if m_plus <= m_minus:
            raise ValueError(f"[Margin] m_plus must be above m_minus, {m_minus}, got {m_plus}")

    @classmethod
    def examples(cls) -> list[Margin]:
        return [cls(), cls(0.8, 0.3, absent_weight=2.0)]

    def build(self, target: Value, prediction: Value) -> Value:
        present = target * ops.square(ops.relu(self.m_plus - prediction))
        absent = (1.0 - target) * ops.square(ops.relu(prediction - self.m_minus))
        return ops.sum(present + self.absent_weight * absent, axis=-1)
