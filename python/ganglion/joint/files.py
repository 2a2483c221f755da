"""Networks that are trained together in one file: all of them, and how far they were trained."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ganglion import files
from ganglion.joint.programs import State
from ganglion.model import Model
from ganglion.sequential import Sequential
from ganglion.training import Training

if TYPE_CHECKING:
    from ganglion.joint.joint import Joint

Array = NDArray[Any]

_NETWORKS = {"Sequential": Sequential, "Model": Model}


def save(joint: Joint, path: str | os.PathLike[str], training_state: bool) -> None:
    """Write networks to a file; see `Joint.save`."""
    networks: dict[str, Any] = {}
    arrays: dict[str, Array] = {}
    for name, network in joint.networks.items():
        networks[name], weights = files.describe(network, network.current("save"))
        arrays |= {f"networks/{name}/{key}": array for key, array in weights.items()}
    description: dict[str, Any] = {"class": "Joint", "networks": networks, "seed": joint.seed_}
    if training_state:
        states = joint.optimizer_states()
        description["training"] = {
            "epoch": joint.epoch_,
            "step": joint.step_,
            "history": joint.history_,
            "trained": {name: list(state.trained) for name, state in states.items()},
        }
        for name, state in states.items():
            arrays |= {f"optimizers/{name}/{slot}": a for slot, a in state.slots.items()}
    files.write(path, description, arrays)


def load(make: Any, path: str | os.PathLike[str], objectives: Sequence[Any]) -> Any:
    """Return what `save` wrote; see `Joint.load`.

    Parameters
    ----------
    make : callable
        Called with networks, objectives and seed.
    path : str or path
        The file.
    objectives : sequence of Objective
        For the networks of the file.
    """
    with files.reading(path) as (description, arrays):
        if description.get("class") != "Joint":
            raise ValueError(f"it is a {description.get('class')}, and no Joint")
        networks: dict[str, Training] = {
            name: files.restore(
                _NETWORKS[network["class"]],
                network,
                files.with_prefix(arrays, f"networks/{name}/"),
            )
            for name, network in description["networks"].items()
        }
        seed = description["seed"]
        training = description.get("training")
        if training is not None:
            trained = {
                name: State(weights, files.with_prefix(arrays, f"optimizers/{name}/"))
                for name, weights in training["trained"].items()
            }
            counts = int(training["epoch"]), int(training["step"])
            history = {name: list(values) for name, values in training["history"].items()}
    joint = make(networks, objectives, seed)
    if training is not None:
        joint.go_on(*counts, history, trained)
    return joint
