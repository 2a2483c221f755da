"""Keeping networks in files: the weights as safetensors, their description as JSON in the header.

Loading constructs layers, losses and optimizers known by their names. It runs no code of the file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganglion import spec, tensors
from ganglion.built import Built
from ganglion.training import Training

Array = NDArray[Any]

FORMAT = "ganglion"
VERSION = 1
_WEIGHTS = "weights/"
_STATES = "optimizer/"
_CALLBACKS = "callbacks/"


def save(
    net: Training,
    built: Built,
    path: str | os.PathLike[str],
    training_state: bool,
    vectorization: Any = None,
) -> None:
    """Write a network to a file; see `Sequential.save`."""
    description, arrays = describe(net, built)
    if vectorization is not None:
        description["vectorization"] = vectorization.get_config()
    if training_state:
        callbacks = net.callback_states()
        described = [{"callback": key, "state": _numbers(key, state)} for key, state in callbacks]
        description["training"] = {**net.training_state(), "callbacks": described}
        arrays |= {_STATES + name: array for name, array in built.get_states().items()}
        for index, (_, state) in enumerate(callbacks):
            arrays |= {f"{_CALLBACKS}{index}/{name}": a for name, a in _arrays(state).items()}
    write(path, description, arrays)


def write(
    path: str | os.PathLike[str], description: Mapping[str, Any], arrays: Mapping[str, Array]
) -> None:
    """Write a description, fit for JSON, and arrays to a file."""
    metadata = {
        "format": FORMAT,
        "version": str(VERSION),
        "description": json.dumps(description),
    }
    tensors.write(path, arrays, metadata)


def describe(net: Training, built: Built) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return what a network is, without its training, and its weights."""
    description: dict[str, Any] = {
        "class": type(net).__name__,
        **net.get_config(),
        "loss": spec.serialize(net.loss),
        "optimizer": spec.serialize(net.optimizer),
        "metrics": spec.serialize(net.metrics),
        "feature_names": net.feature_names_in_,
        "dtype": net.dtype,
        "seed": net.seed_,
        "learning_rate": None if net.follows_schedule else net.learning_rate,
    }
    return description, {_WEIGHTS + weight.name: built.view(weight) for weight in built.variables}


def load(cls: type[Any], path: str | os.PathLike[str]) -> Any:
    """Return the network of a file; see `Sequential.load`.

    Parameters
    ----------
    cls : type
        `Sequential` or `Model`.
    path : str or path
        The file.
    """
    with reading(path) as (description, arrays):
        if "networks" in description:
            raise ValueError("it holds several networks: ganglion.Joint.load reads it")
        net = restore(cls, description, arrays)
        if "training" in description:
            training = description["training"]
            callbacks = _callback_states(training.get("callbacks", []), arrays)
            net.restore_training(training, with_prefix(arrays, _STATES), callbacks)
    return net


def restore(cls: type[Any], description: Mapping[str, Any], arrays: Mapping[str, Array]) -> Any:
    """Return the network that was described."""
    net = cls.from_config(
        description,
        loss=spec.deserialize(description["loss"]),
        optimizer=spec.deserialize(description["optimizer"]),
        metrics=spec.deserialize(description["metrics"]),
        random_state=description["seed"],
        dtype=description["dtype"],
    )
    net.set_weights(_in_order(arrays, [f"{_WEIGHTS}{name}" for name in net.weight_names]))
    net.feature_names_in_ = description.get("feature_names")
    rate = description.get("learning_rate")
    if rate is not None:
        net.learning_rate = rate
    return net


@contextmanager
def reading(path: str | os.PathLike[str]) -> Iterator[tuple[dict[str, Any], dict[str, Array]]]:
    """Give the description and the arrays of a file; what is wrong with them names it."""
    arrays, metadata = tensors.read(path)
    description = _description(os.fspath(path), metadata)
    try:
        yield description, arrays
    except KeyError as error:
        raise tensors.unreadable(path, f"{error} is missing") from None
    except (
        ValueError,
        TypeError,
        AttributeError,
        OverflowError,
        RecursionError,
        MemoryError,
    ) as error:
        raise tensors.unreadable(path, str(error)) from error


def vectorization(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what `save` kept of a vectorization; see `TextVectorization.load`."""
    _, metadata = tensors.read(path)
    kept = _description(os.fspath(path), metadata).get("vectorization")
    if not isinstance(kept, dict):
        raise tensors.unreadable(path, "it was saved without a vectorization")
    return kept


def _description(path: str, metadata: Mapping[str, str]) -> dict[str, Any]:
    if metadata.get("format") != FORMAT:
        raise tensors.unreadable(path, "it holds no network of ganglion")
    version = metadata.get("version", "")
    if not version.isdigit() or int(version) > VERSION:
        raise tensors.unreadable(
            path, f"it has version {version or 'none'}, this ganglion reads up to {VERSION}"
        )
    try:
        description = json.loads(metadata["description"])
    except (KeyError, ValueError, RecursionError):
        description = None
    if not isinstance(description, dict):
        raise tensors.unreadable(path, "its description is missing or damaged")
    return description


def _numbers(key: str, state: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is no array, fit for JSON."""
    numbers = {}
    for name, value in state.items():
        if isinstance(value, np.ndarray):
            continue
        number = value.item() if isinstance(value, np.generic) else value
        try:
            json.dumps(number)
        except (TypeError, ValueError):
            raise TypeError(
                f"[save] {key}: get_state must give numbers, text or arrays, got {value!r} as "
                f"{name!r}"
            ) from None
        numbers[name] = number
    return numbers


def _arrays(state: Mapping[str, Any]) -> dict[str, Array]:
    return {name: value for name, value in state.items() if isinstance(value, np.ndarray)}


def _callback_states(
    described: list[dict[str, Any]], arrays: Mapping[str, Array]
) -> list[tuple[str, dict[str, Any]]]:
    return [
        (entry["callback"], entry["state"] | with_prefix(arrays, f"{_CALLBACKS}{index}/"))
        for index, entry in enumerate(described)
    ]


def _in_order(arrays: Mapping[str, Array], names: list[str]) -> list[Array]:
    missing = [name for name in names if name not in arrays]
    if missing:
        raise ValueError(f"weight {missing[0]!r} is missing")
    return [arrays[name] for name in names]


def with_prefix(arrays: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    """Return the arrays whose names begin so, without it."""
    return {name[len(prefix) :]: array for name, array in arrays.items() if name.startswith(prefix)}
