"""What the constructor of a `Joint` refuses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ganglion.engines import engine_for
from ganglion.errors import suggestion
from ganglion.joint.objective import Objective
from ganglion.training import Training


def check_networks(networks: Any) -> None:
    """Raise for anything but a dict of networks that can be trained together."""
    if not isinstance(networks, Mapping) or not networks:
        raise TypeError(f"[Joint] networks must be a dict of networks by name, got {networks!r}")
    seen: dict[int, str] = {}
    for name, network in networks.items():
        if not isinstance(name, str) or not name.isidentifier() or name.startswith("_"):
            raise ValueError(
                f"[Joint] a network's name must be a word without '_' in front, got {name!r}"
            )
        if not isinstance(network, Training):
            raise TypeError(
                f"[Joint] network {name!r} must be a Sequential or a Model, got {network!r}"
            )
        if id(network) in seen:
            raise ValueError(f"[Joint] {seen[id(network)]!r} and {name!r} are one network")
        seen[id(network)] = name
    dtypes = {name: network.dtype for name, network in networks.items()}
    if len(set(dtypes.values())) > 1:
        raise ValueError(f"[Joint] the networks must be of one dtype, got {dtypes}")
    devices = {name: network.device for name, network in networks.items()}
    if len({engine_for(device).name for device in devices.values()}) > 1:
        raise ValueError(f"[Joint] the networks must be on one device, got {devices}")


def check_objectives(objectives: Any, networks: Mapping[str, Training]) -> None:
    """Raise for anything but a list of objectives of these networks."""
    if not isinstance(objectives, Sequence) or not objectives:
        raise TypeError(f"[Joint] objectives must be a list of Objectives, got {objectives!r}")
    names: set[str] = set()
    for objective in objectives:
        if not isinstance(objective, Objective):
            raise TypeError(f"[Joint] objectives must be Objectives, got {objective!r}")
        if objective.name in names:
            raise ValueError(
                f"[Joint] two objectives are named {objective.name!r}: give one name=..."
            )
        names.add(objective.name)
        for name in objective.trains or ():
            if name not in networks:
                raise ValueError(
                    f"[Joint] objective {objective.name!r} trains {name!r}, and no network is "
                    f"named so{suggestion(name, networks)}"
                )
    if all(objective.every > 1 for objective in objectives):
        raise ValueError("[Joint] one objective at least must have every=1, and take all batches")
