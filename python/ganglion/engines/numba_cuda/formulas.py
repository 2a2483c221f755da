"""What elementwise functions compute, as kernels say it."""

from __future__ import annotations

# Of registers {0}, {1} and {2}. A comparison with NaN is false: so NaN goes through.
FORMULAS = {
    "negative": "-{0}",
    "absolute": "abs({0})",
    "sign": "one if {0} > zero else -one if {0} < zero else {0}",
    "floor": "T(floor({0}))",
    "square": "{0} * {0}",
    "sqrt": "sqrt({0})",
    "rsqrt": "one / sqrt({0})",
    "reciprocal": "one / {0}",
    "exp": "exp({0})",
    "expm1": "expm1({0})",
    "log": "log({0})",
    "log1p": "log1p({0})",
    "tanh": "tanh({0})",
    "sigmoid": "one / (one + exp(-{0}))",
    "softplus": "softplus({0})",
    "erf": "T(erf({0}))",
    "sinpi": "sinpi({0})",
    "cospi": "cospi({0})",
    "relu": "zero if {0} <= zero else {0}",
    "is_finite": "one if {0} - {0} == zero else zero",
    "add": "{0} + {1}",
    "subtract": "{0} - {1}",
    "multiply": "{0} * {1}",
    "divide": "{0} / {1}",
    "power": "{0} ** {1}",
    "maximum": "{0} if {0} > {1} or {0} != {0} else {1}",
    "minimum": "{0} if {0} < {1} or {0} != {0} else {1}",
    "greater": "one if {0} > {1} else zero",
    "greater_equal": "one if {0} >= {1} else zero",
    "equal": "one if {0} == {1} else zero",
    "where": "{1} if {0} != zero else {2}",
    "random_uniform": "uniform(seed, step, word({stream}), word(i))",
    "random_normal": "normal(seed, step, word({stream}), word(i))",
}


def arity(opcode: str) -> int:
    """Return the operands of an elementwise function.

    Examples
    --------
    >>> arity("where"), arity("exp"), arity("random_normal")
    (3, 1, 0)
    """
    return sum(f"{{{at}}}" in FORMULAS[opcode] for at in range(3))
