"""What the operations of a program make, as Python sees it while the program is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy.typing as npt

if TYPE_CHECKING:
    from ganglion.tracing import Trace

Shape = tuple[int | None, ...]  # None first: the batch


class Value:
    """What an operation of a program makes: a shape, and where it came from.

    Operators ``+ - * / ** @``, ``-x``, ``abs(x)``, comparisons ``< <= > >=`` (1 where true, else 0)
    and slices ``x[..., 2:5]`` append operations. Numbers and NumPy arrays become constants. Values
    compare and hash by identity; ``ops.equal`` compares their elements.

    Attributes
    ----------
    shape : tuple of int or None
        ``(None, 784)``: the first dimension is None where it is the batch, known only at run time.
    trace : Trace
        The program it belongs to.
    id : int
        Its number in that program.
    mask : Value or None
        Which steps of a sequence count, (None, steps): 1, and 0 for padding. See ``ops.with_mask``.
    """

    __slots__ = ("id", "mask", "trace")

    def __init__(self, trace: Trace, id: int, mask: Value | None = None) -> None:
        self.trace = trace
        self.id = id
        self.mask = mask

    @property
    def shape(self) -> Shape:
        """Its shape, with None for the batch."""
        return tuple(self.trace.builder.shape(self.id))

    def argument_of(self, kind: str) -> Value | None:
        """Return what operation ``kind`` was applied to, if this is its result, else None.

        Losses use it to see logits behind probabilities: ``prediction.argument_of("softmax")``.
        """
        producer = self.trace.builder.producer(self.id)
        if producer is None or producer[0] != kind:
            return None
        return Value(self.trace, producer[1][0])

    @property
    def is_input(self) -> bool:
        """Whether no operation made it."""
        return self.trace.builder.producer(self.id) is None

    def __repr__(self) -> str:
        producer = self.trace.builder.producer(self.id)
        made_by = f" from {producer[0]}" if producer else ""
        return f"<Value {self.shape}{made_by}>"

    # array + value comes from NumPy as np.add(array, value). Its other functions see no numbers.
    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Value:
        reflected = _REFLECTED.get(ufunc.__name__)
        if method != "__call__" or settings or reflected is None or isinstance(inputs[0], Value):
            raise _no_numpy(ufunc)
        result: Value = getattr(self, reflected)(inputs[0])
        return result

    def __array_function__(self, function: Any, types: Any, arguments: Any, settings: Any) -> Value:
        raise _no_numpy(function)

    def __array__(self, *arguments: Any, **settings: Any) -> npt.NDArray[Any]:
        raise _no_numbers("is no array", "write it with ganglion.ops")

    def __bool__(self) -> bool:
        raise _no_numbers("has no truth value", "choose between two values with ops.where")

    def __float__(self) -> float:
        raise _no_numbers("is no number", "go on with the value itself")

    __int__ = __index__ = __complex__ = __round__ = __float__

    def __len__(self) -> int:
        raise TypeError(f"[Value] has no length, but a shape, {self.shape}, None for the batch")

    def __iter__(self) -> Any:
        raise TypeError(
            f"[Value] cannot be iterated over: take slices, x[:, i], of its shape {self.shape}"
        )

    def __setitem__(self, key: object, value: object) -> None:
        raise TypeError(
            "[Value] cannot be written to: make another, as with ops.where, ops.concat or ops.pad"
        )

    def __getattr__(self, name: str) -> Any:
        from ganglion import ops  # it needs this module

        known = name in ops.__all__
        hint = f": it is a function, ops.{name}(x)" if known else "; see ganglion.ops"
        raise AttributeError(f"[Value] has no attribute {name!r}{hint}")

    def __abs__(self) -> Value:
        return self.trace.apply("absolute", self)

    def __neg__(self) -> Value:
        return self.trace.apply("negative", self)

    def __add__(self, other: Operand) -> Value:
        return self.trace.apply("add", self, other)

    def __radd__(self, other: Operand) -> Value:
        return self.trace.apply("add", other, self)

    def __sub__(self, other: Operand) -> Value:
        return self.trace.apply("subtract", self, other)

    def __rsub__(self, other: Operand) -> Value:
        return self.trace.apply("subtract", other, self)

    def __mul__(self, other: Operand) -> Value:
        return self.trace.apply("multiply", self, other)

    def __rmul__(self, other: Operand) -> Value:
        return self.trace.apply("multiply", other, self)

    def __truediv__(self, other: Operand) -> Value:
        return self.trace.apply("divide", self, other)

    def __rtruediv__(self, other: Operand) -> Value:
        return self.trace.apply("divide", other, self)

    def __pow__(self, other: Operand) -> Value:
        # Exact, faster, and differentiable at negative x, which a general power is not.
        exact = {2: "square", 0.5: "sqrt", -0.5: "rsqrt", -1: "reciprocal"}
        if isinstance(other, (int, float)) and other in exact:
            return self.trace.apply(exact[other], self)
        return self.trace.apply("power", self, other)

    def __rpow__(self, other: Operand) -> Value:
        return self.trace.apply("power", other, self)

    def __matmul__(self, other: Value) -> Value:
        return self.trace.apply("matmul", self, other, transpose_a=0, transpose_b=0)

    def __gt__(self, other: Value | float) -> Value:
        return self.trace.apply("greater", self, other)

    def __ge__(self, other: Value | float) -> Value:
        return self.trace.apply("greater_equal", self, other)

    def __lt__(self, other: Value | float) -> Value:
        return self.trace.apply("greater", other, self)

    def __le__(self, other: Value | float) -> Value:
        return self.trace.apply("greater_equal", other, self)

    def __getitem__(self, key: object) -> Value:
        from ganglion.ops.structure import get_item  # it needs this module

        return get_item(self, key)


# What NumPy calls an operator, and the method of its right-hand side.
_REFLECTED = {
    "add": "__radd__",
    "subtract": "__rsub__",
    "multiply": "__rmul__",
    "divide": "__rtruediv__",
    "power": "__rpow__",
    "greater": "__lt__",
    "greater_equal": "__le__",
    "less": "__gt__",
    "less_equal": "__ge__",
}


OPERATORS = (
    *("__abs__", "__neg__", "__add__", "__sub__", "__mul__", "__truediv__", "__pow__", "__rpow__"),
    *("__matmul__", "__gt__", "__ge__", "__lt__", "__le__", "__array_ufunc__"),
    *(name for name in _REFLECTED.values() if name.startswith("__r")),
)


def _no_numpy(function: Any) -> TypeError:
    name = function.__name__
    return TypeError(
        f"[Value] np.{name} needs numbers, and a value of a program has none until it runs: "
        f"write it with ganglion.ops"
    )


def _no_numbers(what: str, instead: str) -> TypeError:
    return TypeError(f"[Value] {what}: its numbers are known only when the program runs; {instead}")


Operand = Value | float | npt.NDArray[Any]


def fits(shape: Shape, given: Shape) -> bool:
    """Tell whether a shape is one of those that another stands for, whose Nones are open.

    Examples
    --------
    >>> fits((None, None, 3), (None, 7, 3)), fits((None, 5, 3), (None, 7, 3))
    (True, False)
    """
    return len(shape) == len(given) and all(
        size is None or size == other for size, other in zip(shape, given, strict=True)
    )
