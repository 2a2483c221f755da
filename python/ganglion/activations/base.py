"""What every activation is: a function of one value, with settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ganglion.calls import ActivationCall
from ganglion.drawing import is_drawn
from ganglion.errors import place
from ganglion.lines import blame
from ganglion.nodes import node_of
from ganglion.spec import Spec
from ganglion.tracing import current_trace
from ganglion.value import Value


class Activation(Spec, kind="activation"):
    """Base class: ``build(x)`` returns a value of the shape of ``x``.

    Examples
    --------
    An activation of your own, known as ``"bump"`` from then on:

    >>> from ganglion import ops
    >>> class Bump(Activation):
    ...     def build(self, x):
    ...         return ops.exp(-x * x)
    >>> import numpy as np
    >>> ops.evaluate(Bump(), np.array([0.0, 30.0]))
    array([1., 0.])
    """

    def build(self, x: Value) -> Value:
        """Return the activation of ``x``, any shape."""
        raise NotImplementedError(f"[{type(self).__name__}] has no build method")

    def __call__(self, x: Any) -> Value:
        if is_drawn(x):  # in a graph its operations are
            drawn: Value = self.build(node_of(x))
            return drawn
        try:
            y = self.build(x)
            if not isinstance(y, Value):
                raise TypeError(f"{place(self)} build must return a value, got {y!r}")
            if y.shape != x.shape:
                raise ValueError(
                    f"{place(self)} must return the shape it is given, {x.shape}, got {y.shape}"
                )
        except Exception as error:
            blame(error, getattr(self, "function", self.build))
            raise
        trace = current_trace()
        trace.activations.append(ActivationCall(trace.path, self, x, y))
        return y


class FunctionActivation(Activation, registered=False):
    """An activation made from a function. It cannot be saved, as a class of your own can.

    Parameters
    ----------
    function : callable
        ``function(x)`` with `ganglion.ops`, of the shape of ``x``.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion import ops
    >>> ops.evaluate(FunctionActivation(lambda x: x * x), np.array([-2.0, 3.0]))
    array([4., 9.])
    """

    def __init__(self, function: Callable[[Value], Value]) -> None:
        self.function = function

    def build(self, x: Value) -> Value:
        return self.function(x)
