"""The recurrent layers in NumPy, step by step; padding as Keras defines it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from formulas import ACTIVATIONS

Array = np.ndarray
Weights = dict[str, Array]
# Settings, weights, the input's part of a step, the states before; the states after.
Cell = Callable[[Any, Weights, Array, list[Array]], list[Array]]


def activated(activation: Any, x: Array) -> Array:
    return x if activation is None else ACTIVATIONS[activation.registered_name](activation, x)


def simple_rnn(s: Any, w: Weights, x: Array, states: list[Array]) -> list[Array]:
    return [activated(s.activation, x + states[0] @ w["recurrent_kernel"])]


def lstm(s: Any, w: Weights, x: Array, states: list[Array]) -> list[Array]:
    h, c = states
    i, f, g, o = np.split(x + h @ w["recurrent_kernel"], 4, axis=-1)
    i, f, o = (activated(s.recurrent_activation, z) for z in (i, f, o))
    c = f * c + i * activated(s.activation, g)
    return [o * activated(s.activation, c), c]


def gru(s: Any, w: Weights, x: Array, states: list[Array]) -> list[Array]:
    h = states[0]
    u_z, u_r, u_g = np.split(w["recurrent_kernel"], 3, axis=1)
    b_z, b_r, b_g = np.zeros((3, s.units))
    if s.use_bias and s.reset_after:
        b_z, b_r, b_g = np.split(w["bias"][1], 3)
    x_z, x_r, x_g = np.split(x, 3, axis=-1)
    z = activated(s.recurrent_activation, x_z + h @ u_z + b_z)
    r = activated(s.recurrent_activation, x_r + h @ u_r + b_r)
    reset = r * (h @ u_g + b_g) if s.reset_after else (r * h) @ u_g
    return [z * h + (1 - z) * activated(s.activation, x_g + reset)]


CELLS: dict[str, Cell] = {"simple_rnn": simple_rnn, "lstm": lstm, "gru": gru}


def run(
    s: Any,
    w: Weights,
    x: Array,
    backwards: bool,
    mask: Array | None = None,
    states: list[Array] | None = None,
) -> tuple[Array, list[Array]]:
    """What is returned, and the states after the last step."""
    name = s.registered_name
    if states is None:
        states = [np.zeros((len(x), s.units))] * (2 if name == "lstm" else 1)
    shown = np.zeros((len(x), s.units))
    outputs = []
    order = range(x.shape[1])
    for step in reversed(order) if backwards else order:
        read = x[:, step] @ w["kernel"]
        if s.use_bias:
            bias = w["bias"]
            read = read + (bias[0] if bias.ndim == 2 else bias)
        following = CELLS[name](s, w, read, states)
        counts = np.ones((len(x), 1)) if mask is None else mask[:, step, None]
        states = [np.where(counts, new, old) for new, old in zip(following, states, strict=True)]
        before = np.zeros_like(shown) if s.zero_output_for_mask else shown
        shown = np.where(counts, following[0], before)
        outputs.append(shown)
    return np.stack(outputs, axis=1) if s.return_sequences else shown, states


def recurrent(s: Any, w: Weights, x: Array, backwards: bool) -> Array:
    return run(s, w, x, backwards)[0]


RECURRENT_LAYERS = {
    name: lambda s, w, x, training: recurrent(s, w, x, s.go_backwards) for name in CELLS
}
