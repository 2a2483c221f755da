"""Operations of ``keras.ops`` within a functional model, as those of `ganglion.ops`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ganglion import activations, layers, ops
from ganglion.spec import snake_case

Settings = Mapping[str, Any]

# Of the same name and arguments.
_SAME = (
    *("Absolute", "Add", "Ceil", "Cos", "Divide", "Equal", "Erf", "Exp", "Expm1", "Floor"),
    *("Greater", "GreaterEqual", "Less", "LessEqual", "Log", "Log1p", "LogSoftmax"),
    *("LogicalAnd", "LogicalNot", "LogicalOr", "Logaddexp", "Logsumexp", "Matmul", "Max"),
    *("Maximum", "Mean", "Min", "Minimum", "Multiply", "Negative", "NotEqual", "Power"),
    *("Reciprocal", "Rsqrt", "Sigmoid", "Sign", "Sin", "Softmax", "Softplus", "Sqrt"),
    *("Square", "Squeeze", "ExpandDims", "Stack", "Std", "Subtract", "Sum", "Tanh", "Transpose"),
    *("Where", "Flip"),
)
# What they may say beside: that they do without.
_WITHOUT = ("name", "dtype", "initial")


def _reshaped(x: Any, newshape: Sequence[int | None]) -> Any:
    batch, *sizes = newshape
    if batch not in (None, -1) or any(size is None or size < 1 for size in sizes):
        raise ValueError(f"[reshape] newshape must be (-1, ...), with sizes behind, got {newshape}")
    return ops.reshape(x, (None, *sizes))


def _kept(x: Any, dtype: str) -> Any:
    if not str(dtype).startswith("float"):
        raise ValueError(f"[cast] dtype must be one of floating point, got {dtype!r}")
    return x


def _activation(cls: type[activations.Activation]) -> Callable[..., Any]:
    return lambda x, **settings: layers.Activation(cls(**settings))(x)


OPERATIONS: dict[str, Callable[..., Any]] = {
    **{name: getattr(ops, snake_case(name)) for name in _SAME},
    "Cast": _kept,
    "Clip": lambda x, x_min, x_max: ops.clip(x, x_min, x_max),
    "Concatenate": ops.concat,
    "GetItem": lambda x, key: x[tuple(key) if isinstance(key, list) else key],
    "Relu": ops.relu,
    "Reshape": _reshaped,
    "Swapaxes": lambda x, axis1, axis2: ops.swapaxes(x, axis1, axis2),
    "TrueDivide": ops.divide,
    "Var": ops.variance,
    "Elu": _activation(activations.ELU),
    "Gelu": _activation(activations.GELU),
    "HardSigmoid": _activation(activations.HardSigmoid),
    "LeakyRelu": _activation(activations.LeakyReLU),
    "Relu6": _activation(activations.ReLU6),
    "Selu": _activation(activations.SELU),
    "Silu": _activation(activations.SiLU),
    "Softsign": _activation(activations.Softsign),
}


def apply_operation(
    name: str, kind: str, config: Settings, arguments: list[Any], keywords: Settings
) -> Any:
    """Return what an operation makes of nodes and numbers.

    Parameters
    ----------
    name, kind : str
        What Keras calls it, and its class.
    config : dict
        What it was made with.
    arguments, keywords
        What it is called with.

    Raises
    ------
    ValueError
        When it has no counterpart, or does not take these.
    """
    if kind not in OPERATIONS:
        raise ValueError(
            f"[from_keras] operation {name!r} is a keras.ops {kind}, which has no counterpart; "
            f"these have: {', '.join(sorted(OPERATIONS))}"
        )
    settings = {
        key: value
        for key, value in {**config, **keywords}.items()
        if key not in _WITHOUT and not (key in ("axis", "axes") and value is None)
    }
    settings |= {"dtype": config["dtype"]} if kind == "Cast" else {}
    try:
        return OPERATIONS[kind](*arguments, **settings)
    except (TypeError, ValueError, IndexError) as error:
        raise ValueError(f"[from_keras] operation {name!r} ({kind}): {error}") from error
