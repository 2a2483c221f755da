"""The gate of a network: what a user gives for all its inputs and outputs, checked together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ganglion import _core
from ganglion.bundle import Bundle, in_order
from ganglion.compile import Form, Recipe
from ganglion.data import as_array
from ganglion.graph import Graph
from ganglion.inputs import Input, Inputs, check_inputs, check_inputs_finite
from ganglion.samples import Samples, check_sample_weight, check_target
from ganglion.streaming import Stream
from ganglion.value import Shape


def check_network_inputs(
    place: str,
    X: Any,
    recipe: Recipe | None,
    dtype: str,
    *,
    finite: bool = True,
    names: Sequence[str] | None = None,
) -> Inputs:
    """Return what a network can read, see `ganglion.inputs.check_inputs`.

    Parameters
    ----------
    place : str
        What was called, for the error.
    X : array_like and others; a tuple or a dict of them where the network has several inputs
        Finite numbers.
    recipe : Recipe or None
        Of the network; None while it is not built.
    dtype : {"float32", "float64"}
        Of the network.
    finite : bool, default True
        Look at the numbers too.
    names : sequence of str, optional
        Of the columns that the network was trained on.

    Raises
    ------
    TypeError, ValueError
        As `check_inputs`; for another number of inputs; and where they differ in rows or steps.
    """
    if recipe is None or len(recipe.input_shapes) == 1:
        shape = None if recipe is None else recipe.input_shapes[0]
        X = _only(place, "X", X, recipe, () if recipe is None else recipe.input_names)
        return check_inputs(place, X, shape, dtype, finite=finite, names=names)
    given = zip(
        recipe.input_names,
        recipe.input_shapes,
        in_order(place, "X", X, recipe.input_names),
        strict=True,
    )
    parts = {
        name: check_inputs(_of(place, name), _column(part, shape), shape, dtype, finite=finite)
        for name, shape, part in given
    }
    _check_rows(place, {name: len(part) for name, part in parts.items()})
    _check_kinds(place, parts)
    _check_steps(place, {recipe.input_names[i]: [*parts.values()][i] for i in recipe.open_inputs})
    return Bundle([*parts.values()])


def _only(place: str, argument: str, given: Any, recipe: Recipe | None, names: Any) -> Any:
    """Return what a user of a graph gave for its only input or output by its name."""
    if recipe is None or not isinstance(recipe.graph, Graph) or not isinstance(given, Mapping):
        return given
    return in_order(place, argument, given, names)[0]


def _column(part: Any, shape: Shape) -> Any:
    """Return a number for each sample as the column that an input of one feature is."""
    if len(shape) == 2 and shape[1] == 1 and getattr(part, "ndim", None) == 1:
        return np.asarray(part)[:, np.newaxis]
    return part


def _of(place: str, name: str) -> str:
    return f"{place}, {name!r}"


def _check_rows(place: str, rows: dict[str, int]) -> None:
    (first, count), *others = rows.items()
    for name, other in others:
        if other != count:
            raise ValueError(f"[{place}] X has {count} rows for {first!r} and {other} for {name!r}")


def _check_kinds(place: str, parts: dict[str, Input]) -> None:
    """Raise where sequences, which are taken bucket by bucket, come with what cannot be."""
    if any(isinstance(part, _core.RaggedRows) for part in parts.values()):
        for name, part in parts.items():
            if isinstance(part, (_core.SparseRows, Stream)):
                raise TypeError(
                    f"[{_of(place, name)}] X must be an array where another input is a list of "
                    "sequences"
                )


def _check_steps(place: str, sequences: dict[str, Input]) -> None:
    """Raise where sequences whose steps go together have not as many."""
    kinds = {isinstance(part, _core.RaggedRows) for part in sequences.values()}
    if len(kinds) > 1:
        raise ValueError(
            f"[{place}] X has arrays and lists of sequences for {', '.join(map(repr, sequences))}, "
            "whose steps go together: give lists for all"
        )
    if not sequences:
        return
    (first, part), *others = sequences.items()
    for name, other in others:
        if isinstance(part, _core.RaggedRows) and isinstance(other, _core.RaggedRows):
            wrong = (part.lengths != other.lengths).nonzero()[0]
            if len(wrong):
                row = int(wrong[0])
                raise ValueError(
                    f"[{place}] X has at row {row} {part.lengths[row]} steps for {first!r} and "
                    f"{other.lengths[row]} for {name!r}: they go together"
                )
        elif part.shape[1] != other.shape[1]:
            raise ValueError(
                f"[{place}] X has {part.shape[1]} steps for {first!r} and {other.shape[1]} for "
                f"{name!r}: they go together"
            )


def check_network_finite(
    place: str,
    X: Inputs,
    recipe: Recipe,
    dtype: str,
    columns: Sequence[Any] | None = None,
) -> None:
    """Raise for the first input that is not finite, see `check_inputs_finite`."""
    if not isinstance(X, Bundle):
        check_inputs_finite(place, X, dtype, columns)
        return
    for name, part in zip(recipe.input_names, X.parts, strict=True):
        check_inputs_finite(_of(place, name), part, dtype)


def check_samples(
    place: str,
    X: Inputs,
    y: Any,
    recipe: Recipe,
    output_shapes: Sequence[Shape],
    dtype: str,
    sample_weight: Any = None,
    form: Form = Form(),  # noqa: B008 (a tuple)
) -> Samples:
    """Return the arrays of a training or an evaluation.

    Parameters
    ----------
    place : str
        What was called, for the error.
    X : ndarray, SparseRows, RaggedRows, Stream or Bundle, shape (n, ...)
        Checked inputs.
    y : array_like, shape (n, ...)
        Targets that fit the loss; a list of sequences where X is one, and the network gives a
        result for each step. Of several outputs a tuple or a dict of them.
    recipe : Recipe
        Tells which targets fit.
    output_shapes : sequence of tuple
        (None, ...) of the predictions; (None, None, ...) of those of each step of such sequences.
    dtype : {"float32", "float64"}
        Of the network.
    sample_weight : array_like, shape (n,), optional
        Not negative. Of shape (n, steps), or a list of sequences, where the predictions of the only
        output have steps.
    form : Form, optional
        Of the inputs.

    Raises
    ------
    TypeError
        When targets or weights are not numbers.
    ValueError
        When targets are missing or do not fit the loss, lengths differ, or a weight is negative or
        not finite.
    """
    if y is None:
        raise ValueError(f"[{place}] y is missing")
    if len(recipe.heads) == 1:
        y = _only(place, "y", y, recipe, recipe.output_names)
        target = check_target(place, X, y, recipe.heads[0].loss, output_shapes[0], dtype)
        weight = check_sample_weight(place, X, sample_weight, output_shapes[0], dtype)
        return Samples(X, target, weight, form)
    given = zip(
        recipe.output_names,
        recipe.heads,
        output_shapes,
        in_order(place, "y", y, recipe.output_names),
        strict=True,
    )
    targets = Bundle(
        [
            check_target(_of(place, name), X, part, head.loss, shape, dtype)
            for name, head, shape, part in given
        ]
    )
    given_parts = [*sample_weight.values()] if isinstance(sample_weight, Mapping) else sample_weight
    if isinstance(given_parts, (list, tuple)) and any(np.ndim(part) for part in given_parts):
        raise TypeError(
            f"[{place}] sample_weight must be one array, of shape {(len(X),)}, which counts in all "
            "outputs; loss_weights weigh the outputs"
        )
    if sample_weight is not None:
        sample_weight = as_array(place, "sample_weight", sample_weight)
    weight = check_sample_weight(place, X, sample_weight, (None,), dtype)
    return Samples(X, targets, weight, form)
