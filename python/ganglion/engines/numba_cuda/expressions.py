"""Elementwise expressions: each is written as a kernel of its own, one pass over memory."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
from numba import cuda

from ganglion.engines.numba_cuda import philox, scalars
from ganglion.engines.numba_cuda.formulas import FORMULAS
from ganglion.engines.numba_cuda.program import Chain


class Broadcasting(NamedTuple):
    """Over which dimensions an expression goes, and which of them each operand has.

    Attributes
    ----------
    dims : tuple of int
        As few as can be: neighbours that all operands have, or none has, are one.
    has : tuple of tuple of bool
        For each operand, for each of these.
    """

    dims: tuple[int, ...]
    has: tuple[tuple[bool, ...], ...]


def broadcasting(shape: tuple[int, ...], operands: list[tuple[int, ...]]) -> Broadcasting:
    """Return how operands are broadcast to a shape.

    Examples
    --------
    >>> broadcasting((8, 5, 7), [(8, 5, 7), (7,), ()])
    Broadcasting(dims=(40, 7), has=((True, True), (False, True), (False, False)))
    """
    dims: list[int] = []
    patterns: list[tuple[bool, ...]] = []
    for axis, extent in enumerate(shape):
        if extent == 1:
            continue
        places = [axis - len(shape) + len(operand) for operand in operands]
        pattern = tuple(
            place >= 0 and operand[place] != 1
            for place, operand in zip(places, operands, strict=True)
        )
        if patterns and patterns[-1] == pattern:
            dims[-1] *= extent
        else:
            dims.append(extent)
            patterns.append(pattern)
    has = tuple(tuple(pattern[at] for pattern in patterns) for at in range(len(operands)))
    return Broadcasting(tuple(dims), has)


def source(chain: Chain, has: tuple[tuple[bool, ...], ...], rank: int) -> str:
    """Return a kernel as Python.

    It takes the number of elements, a key of seed and step, the extents of all dimensions but the
    first, the outputs and the operands.
    """
    extents = [f"e{axis}" for axis in range(1, rank)]
    operands = len(has)
    outputs = [f"out{at}" for at in range(len(chain.results))]
    arguments = ["n", "key", *extents, *outputs, *(f"x{at}" for at in range(operands))]
    lines = [f"def expression({', '.join(arguments)}):"]
    if chain.is_random:
        lines += ["    seed = key[0]", "    step = key[1]"]
    lines += [f"    r{at} = x{at}[0]" for at in range(operands) if not any(has[at])]
    lines += ["    for i in range(cuda.grid(1), n, cuda.gridsize(1)):"]
    if any(any(own) and not all(own) for own in has):
        lines += ["        rest = i"]
        for axis in range(rank - 1, 0, -1):
            lines += [f"        i{axis} = rest % e{axis}", f"        rest = rest // e{axis}"]
        lines += ["        i0 = rest"]
    lines += [f"        r{at} = x{at}[{_place(own)}]" for at, own in enumerate(has) if any(own)]
    for at, (opcode, a, b, c, stream) in enumerate(chain.instructions, start=operands):
        formula = FORMULAS[opcode].format(f"r{a}", f"r{b}", f"r{c}", stream=stream)
        lines.append(f"        r{at} = {formula}")
    lines += [
        f"        {name}[i] = r{register}"
        for name, register in zip(outputs, chain.results, strict=True)
    ]
    return "\n".join(lines) + "\n"


def _place(own: tuple[bool, ...]) -> str:
    """Return the index of an operand that has some of the dimensions i0, i1, ..."""
    if all(own):
        return "i"
    text = ""
    for axis, has in enumerate(own):
        if has:
            text = f"({text}) * e{axis} + i{axis}" if text else f"i{axis}"
    return text


@functools.cache
def kernel(chain: Chain, has: tuple[tuple[bool, ...], ...], rank: int, T: Any) -> Any:
    """Return the kernel of a chain for numbers of type ``T``."""
    names: dict[str, Any] = {
        "cuda": cuda,
        "T": T,
        "zero": T(0),
        "one": T(1),
        "word": np.uint64,
        "uniform": philox.uniform(T),
        "normal": philox.normal(T),
        "softplus": scalars.softplus(T),
        "sinpi": scalars.half_turns(T, 0),
        "cospi": scalars.half_turns(T, 1),
        **{
            name: getattr(scalars, name)
            for name in ("erf", "exp", "expm1", "floor", "log", "log1p", "sqrt", "tanh")
        },
    }
    exec(source(chain, has, rank), names)
    return cuda.jit(names["expression"])
