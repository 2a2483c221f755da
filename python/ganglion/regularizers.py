"""Penalties on weights and on what layers put out. Names and formulas are Keras's."""

from __future__ import annotations

from ganglion import ops
from ganglion.errors import check_at_least
from ganglion.spec import Spec
from ganglion.spec import get as get_spec
from ganglion.value import Value

__all__ = [
    "L1",
    "L1L2",
    "L2",
    "Regularizer",
    "get",
]


def __dir__() -> list[str]:
    return __all__


class Regularizer(Spec, kind="regularizer"):
    """Base class: ``build(x)`` returns the penalty as a scalar.

    Examples
    --------
    A penalty of your own, used as ``Dense(3, kernel_regularizer=Largest())``:

    >>> class Largest(Regularizer):
    ...     def build(self, x):
    ...         return ops.max(ops.absolute(x))
    """

    def build(self, x: Value) -> Value:
        """Return the penalty on ``x`` as a value of shape ()."""
        raise NotImplementedError(f"[{type(self).__name__}] has no build method")


class L1(Regularizer):
    """``l1 * sum(|x|)``.

    Parameters
    ----------
    l1 : float
        Factor, non-negative.

    Examples
    --------
    >>> L1(0.5)
    L1(l1=0.5)
    """

    def __init__(self, l1: float = 0.01) -> None:
        self.l1 = l1
        check_at_least(self, 0, "l1")

    def build(self, x: Value) -> Value:
        return self.l1 * ops.sum(ops.absolute(x))


class L2(Regularizer):
    """``l2 * sum(x ** 2)``.

    Parameters
    ----------
    l2 : float
        Factor, non-negative.

    Examples
    --------
    >>> L2(0.5)
    L2(l2=0.5)
    """

    def __init__(self, l2: float = 0.01) -> None:
        self.l2 = l2
        check_at_least(self, 0, "l2")

    def build(self, x: Value) -> Value:
        return self.l2 * ops.sum(ops.square(x))


class L1L2(Regularizer, name="l1_l2", aliases=("l1l2",)):
    """``l1 * sum(|x|) + l2 * sum(x ** 2)``.

    Parameters
    ----------
    l1, l2 : float
        Factors, non-negative.

    Examples
    --------
    >>> L1L2(l1=0.1)
    L1L2(l1=0.1)
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1 = l1
        self.l2 = l2
        check_at_least(self, 0, "l1", "l2")

    @classmethod
    def examples(cls) -> list[L1L2]:
        return [cls(l1=0.1, l2=0.2)]

    def build(self, x: Value) -> Value:
        return self.l1 * ops.sum(ops.absolute(x)) + self.l2 * ops.sum(ops.square(x))


def get(identifier: object) -> Regularizer | None:
    """Return the regularizer meant by a name, an instance or a config; None for none.

    Examples
    --------
    >>> get("l2")
    L2()
    """
    if identifier is None:
        return None
    regularizer: Regularizer = get_spec("regularizer", identifier)
    return regularizer
