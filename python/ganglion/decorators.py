"""Losses, metrics and activations of one's own, from a function of values."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast

from ganglion.activations import Activation
from ganglion.losses import Loss
from ganglion.metrics import Metric
from ganglion.spec import Spec, parameter_names
from ganglion.value import Value

SpecType = TypeVar("SpecType", bound=Spec)
Function = Callable[..., Value]


def activation(function: Function) -> type[Activation]:
    """Make an activation of a function of one value; to be used as a decorator.

    Parameters
    ----------
    function : callable
        ``function(x, **settings)``, written with `ganglion.ops`, of the shape of ``x``. Further
        arguments need defaults, and become the settings of the activation.

    Returns
    -------
    type
        A class under the function's name: ``swish()``, ``swish(beta=2.0)``. Layers also take the
        class itself, or its name. A network with it can be saved where the function stands in a
        module, and loaded where that module was imported.

    Raises
    ------
    TypeError
        When the function does not take a value, or a further argument has no default.

    Examples
    --------
    >>> import ganglion
    >>> from ganglion import layers, ops
    >>> @ganglion.activation
    ... def swish(x, beta=1.0):
    ...     return x * ops.sigmoid(beta * x)
    >>> layers.Dense(3, activation=swish(beta=2.0))
    Dense(3, activation=swish(beta=2.0))
    >>> layers.Dense(3, activation="swish")
    Dense(3, activation='silu')
    """
    return _spec_class(function, Activation, "build", ["x"])


def loss(function: Function) -> type[Loss]:
    """Make a loss of a function of targets and predictions; to be used as a decorator.

    Parameters
    ----------
    function : callable
        ``function(target, prediction, **settings)``, written with `ganglion.ops`: from targets and
        predictions of shape (batch, ..., outputs) to losses (batch, ...). Further arguments need
        defaults, and become the settings of the loss. For other targets than numbers, as class
        indices, write a subclass of `losses.Loss`.

    Returns
    -------
    type
        A class under the function's name, as `ganglion.activation` returns one.

    Raises
    ------
    TypeError
        When the function does not take both, or a further argument has no default.

    Examples
    --------
    >>> import ganglion
    >>> from ganglion import Sequential, layers, ops
    >>> @ganglion.loss
    ... def power_error(target, prediction, exponent=4.0):
    ...     return ops.mean(ops.absolute(prediction - target) ** exponent, axis=-1)
    >>> Sequential([layers.Dense(1)], loss=power_error(exponent=3.0)).loss
    power_error(exponent=3.0)
    """
    return _spec_class(function, Loss, "build", ["target", "prediction"])


def metric(function: Function) -> type[Metric]:
    """Make a metric of a function of targets and predictions; to be used as a decorator.

    Parameters
    ----------
    function : callable
        ``function(target, prediction, **settings)``, written with `ganglion.ops`, of shape
        (batch, ...): the metric is its mean. Further arguments need defaults, and become settings.

    Returns
    -------
    type
        A class under the function's name, as `ganglion.activation` returns one.

    Raises
    ------
    TypeError
        When the function does not take both, or a further argument has no default.

    Examples
    --------
    >>> import ganglion
    >>> from ganglion import ops
    >>> @ganglion.metric
    ... def within(target, prediction, distance=0.1):
    ...     return ops.absolute(prediction - target) < distance
    >>> within(distance=0.5).label
    'within'
    """
    return _spec_class(function, Metric, "values", ["target", "prediction"])


def _spec_class(
    function: Function, base: type[SpecType], method: str, values: list[str]
) -> type[SpecType]:
    """Return a subclass of ``base`` whose ``method`` is the function, with its settings."""
    parameters = _settings_parameters(function, base.kind, values)
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    taken = [own, *parameters]
    if parameter_names(base):
        taken.append(inspect.Parameter("settings", inspect.Parameter.VAR_KEYWORD))
    signature = inspect.Signature(taken)

    def __init__(self: Any, *arguments: Any, **settings: Any) -> None:
        try:
            bound = signature.bind(self, *arguments, **settings)
        except TypeError as error:
            raise TypeError(f"[{cls.__name__}] {error}") from None
        bound.apply_defaults()
        super(cls, self).__init__(**bound.arguments.get("settings", {}))
        for parameter in parameters:
            setattr(self, parameter.name, bound.arguments[parameter.name])

    @functools.wraps(function)  # so that errors name its lines
    def call(self: Any, *operands: Value) -> Value:
        return function(*operands, **{one.name: getattr(self, one.name) for one in parameters})

    __init__.__signature__ = signature  # type: ignore[attr-defined]
    __init__.__qualname__ = f"{function.__qualname__}.__init__"
    members = {
        "__init__": __init__,
        method: call,
        "__doc__": function.__doc__,
        "__module__": function.__module__,
        "__qualname__": function.__qualname__,
    }
    cls = cast("type[SpecType]", type(function.__name__, (base,), members))
    return cls


def _settings_parameters(
    function: Function, kind: str, values: list[str]
) -> list[inspect.Parameter]:
    listed = ", ".join(values)
    if not inspect.isfunction(function):
        raise TypeError(f"[{kind}] decorates a function of ({listed}), got {function!r}")
    parameters = list(inspect.signature(function).parameters.values())
    taken, settings = parameters[: len(values)], parameters[len(values) :]
    if len(taken) < len(values) or any(one.default is not one.empty for one in taken):
        raise TypeError(f"[{kind}] {function.__name__} must take ({listed}) first")
    for one in settings:
        if one.default is one.empty:
            raise TypeError(
                f"[{kind}] {function.__name__} needs a default for {one.name!r}: what comes behind "
                f"({listed}) are settings"
            )
    return settings
