"""Products and sums by the names of axes; norms; running sums; elements picked along an axis."""

from __future__ import annotations

from math import prod

import numpy as np

from ganglion.ops.elementwise import equal, maximum, sqrt, square, where
from ganglion.ops.products import matmul
from ganglion.ops.reductions import Axes, sum
from ganglion.ops.structure import expand_dims, normalize_axis, reshape, swapaxes, transpose
from ganglion.tracing import current_trace
from ganglion.value import Value


def einsum(equation: str, *operands: Value) -> Value:
    """Return a sum of products, of one or two operands, by Einstein's convention.

    What a matrix product can say becomes one.

    Parameters
    ----------
    equation : str
        ``"bij,bjk->bik"``: a letter for each axis of each operand, and those of the result. Over
        letters that the result does not have is summed. The batch must stay the first.
    *operands : Value
        One or two.

    Returns
    -------
    Value
        With an axis for each letter behind the arrow.

    Raises
    ------
    ValueError
        An equation that does not fit the operands, names an axis of one twice, or sums over or
        moves the batch.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion.ops import evaluate
    >>> evaluate(lambda x, y: einsum("bi,bj->bij", x, y), [[1.0, 2.0]], [[3.0, 4.0]])
    array([[[3., 4.],
            [6., 8.]]])
    """
    names, result = _letters(equation, operands)
    terms = [
        _summed(x, letters, set(result).union(*names[:index], *names[index + 1 :]))
        for index, (x, letters) in enumerate(zip(operands, names, strict=True))
    ]
    if len(terms) == 2 and terms[0][0].shape[:1] != (None,):
        terms = terms[::-1]  # what has the batch stands first
    product, letters = terms[0] if len(terms) == 1 else _product(terms[0], terms[1], result)
    return transpose(product, [letters.index(letter) for letter in result])


def _letters(equation: str, operands: tuple[Value, ...]) -> tuple[list[str], str]:
    """Return the letters of each operand and of the result, checked."""
    left, arrow, result = equation.replace(" ", "").partition("->")
    names = left.split(",")
    if not arrow or len(names) != len(operands) or len(names) > 2:
        raise ValueError(
            f"[einsum] expected letters for one or two operands and a result, 'ij,jk->ik', got "
            f"{equation!r} for {len(operands)}"
        )
    sizes: dict[str, int | None] = {}
    for x, letters in zip(operands, names, strict=True):
        if len(letters) != len(x.shape) or len(set(letters)) < len(letters):
            raise ValueError(f"[einsum] {letters!r} does not name the axes of {x.shape}")
        for letter, size in zip(letters, x.shape, strict=True):
            if sizes.setdefault(letter, size) != size:
                raise ValueError(f"[einsum] {letter!r} is {sizes[letter]} and {size}")
    if not set(result) <= set(sizes) or len(set(result)) < len(result):
        raise ValueError(f"[einsum] {result!r} does not name axes of the operands, {left!r}")
    if None in sizes.values() and (not result or sizes[result[0]] is not None):
        raise ValueError(f"[einsum] the batch must stay first in {equation!r}")
    return names, result


def _summed(x: Value, letters: str, kept: set[str]) -> tuple[Value, str]:
    alone = [axis for axis, letter in enumerate(letters) if letter not in kept]
    left = "".join(letter for letter in letters if letter in kept)
    return (sum(x, axis=alone) if alone else x), left


def _product(a: tuple[Value, str], b: tuple[Value, str], result: str) -> tuple[Value, str]:
    """Return the product, summed over what the result does not have, and its letters."""
    (x, x_letters), (y, y_letters) = a, b
    shared = [letter for letter in x_letters if letter in y_letters and letter in result]
    summed = [letter for letter in x_letters if letter in y_letters and letter not in result]
    rows = [letter for letter in x_letters if letter not in y_letters]
    columns = [letter for letter in y_letters if letter not in x_letters]
    by_sample = x.shape[:1] == (None,)
    if by_sample and shared and shared[0] != x_letters[0]:
        # Products side by side that all samples share: nothing but sums say that.
        letters = [*rows, *shared, *columns, *summed]
        product = _spread(x, x_letters, letters) * _spread(y, y_letters, letters)
        axes = list(range(len(letters) - len(summed), len(letters)))
        return (sum(product, axis=axes) if axes else product), "".join(
            letters[: len(letters) - len(axes)]
        )
    sizes = {
        **dict(zip(y_letters, y.shape, strict=True)),
        **dict(zip(x_letters, x.shape, strict=True)),
    }
    outer = [sizes[letter] for letter in shared]
    m = [sizes[letter] for letter in rows]
    k = prod(sizes[letter] or 1 for letter in summed)
    n = [sizes[letter] for letter in columns]
    left = transpose(x, [x_letters.index(letter) for letter in [*shared, *rows, *summed]])
    right = transpose(y, [y_letters.index(letter) for letter in [*shared, *summed, *columns]])
    known = prod(size for size in m if size is not None)
    leading = [None] if by_sample and not shared else []
    left = reshape(left, [*outer, *leading, known, k])
    right = reshape(right, [*outer, k, prod(size or 1 for size in n)])
    product = reshape(matmul(left, right), [*outer, *m, *n])
    return product, "".join([*shared, *rows, *columns])


def _spread(x: Value, letters: str, over: list[str]) -> Value:
    """Return ``x`` with its axes in an order, and size 1 for the letters that it has not."""
    order = [letter for letter in over if letter in letters]
    x = transpose(x, [letters.index(letter) for letter in order])
    sizes = dict(zip(order, x.shape, strict=True))
    return reshape(x, [sizes.get(letter, 1) for letter in over])


def norm(x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
    """Return the Euclidean norm, whose gradient at 0 is 0; arguments as for :func:`sum`.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion.ops import evaluate
    >>> evaluate(lambda x: norm(x, axis=-1), np.array([[3.0, 4.0], [0.0, 0.0]]))
    array([5., 0.])
    """
    squares = sum(square(x), axis, keepdims)
    positive = squares > 0.0
    return where(positive, sqrt(where(positive, squares, 1.0)), 0.0)


def normalize(x: Value, axis: Axes = -1, epsilon: float = 1e-12) -> Value:
    """Return ``x / max(norm, epsilon)``: of norm 1 along axes, where it is not 0.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion.ops import evaluate
    >>> evaluate(normalize, np.array([[3.0, 4.0], [0.0, 0.0]]))
    array([[0.6, 0.8],
           [0. , 0. ]])
    """
    return x / maximum(norm(x, axis, keepdims=True), epsilon)


def cumsum(x: Value, axis: int = -1) -> Value:
    """Return the running sum along an axis, which is not the batch.

    It is a product with a triangle of ones: work grows with the square of the axis.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion.ops import evaluate
    >>> evaluate(cumsum, np.array([[1.0, 2.0, 3.0]]))
    array([[1., 3., 6.]])
    """
    at, last = normalize_axis("cumsum", x, axis), len(x.shape) - 1
    size = x.shape[at]
    if size is None:
        raise ValueError(f"[cumsum] axis {axis} is the batch of {x.shape}")
    ones = current_trace().constant(np.triu(np.ones((size, size))))
    moved = swapaxes(x, at, last)
    flat = len(moved.shape) == 1
    summed = matmul(expand_dims(moved, 0) if flat else moved, ones)
    return swapaxes(summed[0] if flat else summed, at, last)


def take_along_axis(x: Value, index: Value) -> Value:
    """Return the elements of the last axis that stand at the indices.

    Parameters
    ----------
    x : Value
        (..., columns)
    index : Value
        (..., k) numbers from 0. It gets no gradient.

    Returns
    -------
    Value
        (..., k): ``x[..., index]``; 0 where there is no such column. Work is that of ``k`` passes
        over ``x``.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion.ops import evaluate
    >>> evaluate(take_along_axis, np.array([[1.0, 2.0, 3.0]]), np.array([[2.0, 0.0]]))
    array([[3., 1.]])
    """
    if len(index.shape) != len(x.shape) or index.shape[:-1] != x.shape[:-1]:
        raise ValueError(f"[take_along_axis] an index {index.shape} does not fit {x.shape}")
    columns = np.arange(x.shape[-1] or 0, dtype=np.float64)
    chosen = equal(expand_dims(index, -1), columns)
    return sum(where(chosen, expand_dims(x, -2), 0.0), axis=-1)
