"""Operations that are not elementwise: kind -> function of inputs, attributes and rows.

Each takes float64 arrays, the batch at its run-time size, and returns a list of outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

Array = np.ndarray
Attributes = dict[str, Any]
ALIGNMENT = 16  # elements at which each slice of a flat buffer starts

OPERATIONS: dict[str, Callable[..., list[Array]]] = {}


def operation(kind: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a function into the table; one that returns a single array is wrapped."""

    def enter(function: Callable[..., Any]) -> Callable[..., Any]:
        def run(inputs: list[Array], attributes: Attributes, rows: int) -> list[Array]:
            result = function(inputs, attributes, rows)
            return result if isinstance(result, list) else [result]

        OPERATIONS[kind] = run
        return function

    return enter


def full_shape(attributes: Attributes, rows: int) -> tuple[int, ...]:
    shape = list(attributes["shape"])
    if attributes.get("batched", 0):
        shape[0] *= rows
    return tuple(shape)


def reduced_axes(attributes: Attributes) -> tuple[int, ...]:
    return tuple(range(attributes["first"], attributes["last"] + 1))


@operation("matmul")
def matmul(inputs: list[Array], attributes: Attributes, rows: int) -> Array:
    a, b = inputs
    if attributes.get("transpose_a", 0):
        a = np.swapaxes(a, -1, -2)
    if attributes.get("transpose_b", 0):
        b = np.swapaxes(b, -1, -2)
    return np.einsum("...ij,...jk->...ik", a, b)


@operation("reduce_sum")
def reduce_sum(inputs: list[Array], attributes: Attributes, rows: int) -> Array:
    return np.asarray(inputs[0].sum(axis=reduced_axes(attributes)))


@operation("reduce_max")
def reduce_max(inputs: list[Array], attributes: Attributes, rows: int) -> Array:
    return np.asarray(inputs[0].max(axis=reduced_axes(attributes)))


@operation("axis_size")
def axis_size(inputs: list[Array], attributes: Attributes, rows: int) -> Array:
    shape = inputs[0].shape
    return np.asarray(float(np.prod([shape[axis] for axis in reduced_axes(attributes)])))


@operation("reshape")
def reshape(inputs: list[Array], attributes: Attributes, rows: int) -> Array:
    return inputs[0].reshape(full_shape(attributes, rows))


@operation("transpose")
def transpose(inputs: list[Array], attributes: Attributes, rows: int) -> Array:
    return np.ascontiguousarray(inputs[0].transpose(attributes["permutation"]))


@operation("slice")
def slice_(inputs: list[Array], attributes: Attributes, rows: int) -> Array:
    index = [slice(None)] * inputs[0].ndim
    index[attributes["axis"]] = slice(attributes["start"], attributes["stop"])
    return inputs[0][tuple(index)]


@operation("pad")
def pad(inputs: list[Array], attributes: Attributes, rows: int) -> Array:
    widths = [(0, 0)] * inputs[0].ndim
    widths[attributes["axis"]] = (attributes["before"], attributes["after"])
    return np.pad(inputs[0], widths)


@operation("concat")
def concat(inputs: list[Array], attributes: Attributes, rows: int) -> Array:
    return np.concatenate(inputs, axis=attributes["axis"])


@operation("flip")
def flip(inputs: list[Array], attributes: Attributes, rows: int) -> Array:
    return np.flip(inputs[0], attributes["axis"])


@operation("as_batch")
@operation("from_batch")
def same_rows(inputs: list[Array], attributes: Attributes, rows: int) -> Array:
    return inputs[0]


@operation("roll")
def roll(inputs: list[Array], attributes: Attributes, rows: int) -> Array:
    return np.roll(inputs[0], attributes["shift"], axis=0)


@operation("pack")
def pack(inputs: list[Array], attributes: Attributes, rows: int) -> Array:
    padded = [np.pad(x.ravel(), (0, -x.size % ALIGNMENT)) for x in inputs]
    return np.concatenate(padded)


@operation("kth_largest")
def kth_largest(inputs: list[Array], attributes: Attributes, rows: int) -> Array:
    x, k = inputs
    return np.sort(x, axis=-1)[..., -int(k)]


@operation("take")
def take(inputs: list[Array], attributes: Attributes, rows: int) -> Array:
    table, index = inputs
    return table[index.astype(int)]


@operation("take_gradient")
def take_gradient(inputs: list[Array], attributes: Attributes, rows: int) -> Array:
    index, d_out = inputs
    d_table = np.zeros((attributes["rows"], d_out.shape[-1]))
    np.add.at(d_table, index.astype(int), d_out)
    return d_table


@operation("argmax")
def argmax(inputs: list[Array], attributes: Attributes, rows: int) -> Array:
    return inputs[0].argmax(axis=-1).astype(np.float64)


@operation("softmax")
def softmax(inputs: list[Array], attributes: Attributes, rows: int) -> Array:
    return special.softmax(inputs[0], axis=-1)


@operation("log_softmax")
def log_softmax(inputs: list[Array], attributes: Attributes, rows: int) -> Array:
    return special.log_softmax(inputs[0], axis=-1)


def softmax_losses(logits: Array) -> Array:
    """-log softmax of each class: log(1 + others / mine), exact where mine rounds to one."""
    losses = np.empty_like(logits)
    for column in range(logits.shape[-1]):
        others = special.logsumexp(np.delete(logits, column, axis=-1), axis=-1)
        losses[..., column] = np.logaddexp(0.0, others - logits[..., column])
    return losses


@operation("sparse_crossentropy")
def sparse_crossentropy(inputs: list[Array], attributes: Attributes, rows: int) -> list[Array]:
    logits, index = inputs
    columns = logits.shape[-1]
    valid = (index >= 0) & (index < columns)
    chosen = np.where(valid, index, 0).astype(int)[..., None]
    loss = np.take_along_axis(softmax_losses(logits), chosen, axis=-1)[..., 0]
    return [np.where(valid, loss, np.nan), special.softmax(logits, axis=-1)]


@operation("crossentropy")
def crossentropy(inputs: list[Array], attributes: Attributes, rows: int) -> list[Array]:
    logits, target = inputs
    return [(target * softmax_losses(logits)).sum(axis=-1), special.softmax(logits, axis=-1)]


@operation("softmax_gradient")
def softmax_gradient(inputs: list[Array], attributes: Attributes, rows: int) -> Array:
    probabilities, d_out = inputs
    jacobian = np.eye(probabilities.shape[-1]) - probabilities[..., None, :]
    return np.einsum("...j,...j,...ji->...i", probabilities, d_out, jacobian)


@operation("log_softmax_gradient")
def log_softmax_gradient(inputs: list[Array], attributes: Attributes, rows: int) -> Array:
    out, d_out = inputs
    return d_out - np.exp(out) * d_out.sum(axis=-1, keepdims=True)


@operation("sparse_crossentropy_gradient")
def sparse_crossentropy_gradient(inputs: list[Array], attributes: Attributes, rows: int) -> Array:
    probabilities, index, d_loss = inputs
    chosen = np.arange(probabilities.shape[-1]) == index[..., None]
    others = np.where(chosen, 0.0, probabilities)
    # minus the share of the others, where probability - 1 would round to 0
    return d_loss[..., None] * np.where(chosen, -others.sum(axis=-1, keepdims=True), others)


@operation("crossentropy_gradient")
def crossentropy_gradient(inputs: list[Array], attributes: Attributes, rows: int) -> Array:
    probabilities, target, d_loss = inputs
    total = target.sum(axis=-1, keepdims=True)
    return d_loss[..., None] * (probabilities * total - target)


@operation("stop_gradient")
def stop_gradient(inputs: list[Array], attributes: Attributes, rows: int) -> Array:
    return inputs[0]
