"""The Keras object with the settings of a ganglion one: same class name, same arguments.

What Keras lacks or calls otherwise stands in the tables below, with the reason.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import torch
from keras.src.backend.common import dtypes

from ganglion.spec import Spec, settings_of

# On PyTorch, Keras promotes float64 to float32, as JAX does: means and losses would have 24 bits.
dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"

Array = np.ndarray

MODULES = {
    "layer": keras.layers,
    "initializer": keras.initializers,
    "regularizer": keras.regularizers,
    "loss": keras.losses,
    "optimizer": keras.optimizers,
    "schedule": keras.optimizers.schedules,
    "metric": keras.metrics,
}

# kind -> name -> why there is no counterpart
WITHOUT: dict[str, dict[str, str]] = {
    "activation": {
        "prelu": "a layer in Keras: compared as one",
        "squash": "Keras has none; tests/formulas.py has the formula",
    },
    "schedule": {"one_cycle": "Keras has none; tests/test_schedules.py has the formula"},
    "layer": {
        "input": "no layer in Keras, but where a model begins",
        "random_crop": "Keras cuts nothing in prediction",
        "positional_encoding": "KerasHub's; tests/test_attention.py has the formula",
        "position_embedding": "KerasHub's; tests/test_attention.py has the formula",
        "gaussian_sampling": "Keras has none; parity/test_torch_generative.py trains with it",
        **dict.fromkeys(
            ["primary_capsule", "capsule_layer", "capsule_length", "longest_capsule"],
            "Keras has none; tests/capsule_formulas.py has the formula",
        ),
        "spectral_normalization": "Keras overwrites the kernel; compared with PyTorch's",
    },
    "loss": {
        "function_loss": "made from a user's function",
        "quantile": "Keras has none; tests/test_losses.py has the formula",
        "bernoulli_nll": "Keras has none; tests/test_losses.py has the formula",
        "margin": "Keras has none; tests/formulas.py has the formula",
        "gaussian_nll": "Keras has none; tests/test_losses.py has the formula",
    },
}

# Settings that the Keras class does not take.
OURS_ALONE = {
    "normalization": {"method"},
    "activity_regularization": {"activity_regularizer"},
    "spatial_dropout1d": {"trainable", "activity_regularizer"},
    "spatial_dropout2d": {"trainable", "activity_regularizer"},
}


def chain(layers: Sequence[Any], x: Any) -> Any:
    for layer in layers:
        x = mirror(layer)(x)
    return x


def combined(layer: Any) -> Any:
    """A combinator as a functional model, which is a layer in Keras."""
    x = keras.Input(layer.example_shape)
    if layer.registered_name == "residual":
        y = keras.layers.Add()([chain(layer.layers, x), chain(layer.shortcut or [], x)])
    else:
        merge = {
            "concat": keras.layers.Concatenate(axis=layer.axis),
            "add": keras.layers.Add(),
            "average": keras.layers.Average(),
            "multiply": keras.layers.Multiply(),
            "maximum": keras.layers.Maximum(),
            "minimum": keras.layers.Minimum(),
        }[layer.merge]
        y = merge([chain(branch, x) for branch in layer.branches])
    if layer.activity_regularizer is not None:
        regularizer = mirror(layer.activity_regularizer)
        y = keras.layers.Activation("linear", activity_regularizer=regularizer)(y)
    return keras.Model(x, y)


def attending(layer: Any) -> Any:
    """Attention of a sequence to itself as a functional model; causal is said in the call."""
    x = keras.Input(layer.example_shape)
    settings = {name: mirror(item) for name, item in settings_of(layer).items()}
    causal = settings.pop("causal")
    settings.pop("learning_rate_multiplier", None)
    return keras.Model(x, keras.layers.MultiHeadAttention(**settings)(x, x, use_causal_mask=causal))


def mirror(value: Any) -> Any:
    """The counterpart of a spec, and of the specs among its settings."""
    if isinstance(value, Spec) and value.registered_name in ("residual", "branches"):
        return combined(value)
    if isinstance(value, Spec) and value.registered_name == "multi_head_attention":
        return attending(value)
    if isinstance(value, (list, tuple)):
        return type(value)(mirror(item) for item in value)
    if not isinstance(value, Spec):
        return value
    settings = {name: mirror(item) for name, item in settings_of(value).items()}
    for name in OURS_ALONE.get(value.registered_name, ()):
        del settings[name]
    settings.pop("learning_rate_multiplier", None)  # Keras's layers all learn at one rate
    if value.kind == "activation":
        function = getattr(keras.activations, value.registered_name)
        return functools.partial(function, **settings) if settings else function
    return getattr(MODULES[value.kind], type(value).__name__)(**settings)


def tensor(array: Array, dtype: str) -> torch.Tensor:
    return torch.tensor(np.asarray(array), dtype=getattr(torch, dtype))


def numpy(value: Any) -> Array:
    return np.asarray(keras.ops.convert_to_numpy(value))
