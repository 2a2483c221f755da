"""What a trace notes of the layers and activations that are applied in it."""

from __future__ import annotations

from typing import NamedTuple

from ganglion.value import Value


class LayerCall(NamedTuple):
    """A layer as it was applied in a trace, and how many rows it took for each sample.

    And whether it was given the states that it starts with. Of an operation of a graph ``layer`` is
    the name.
    """

    path: str
    layer: object
    input: Value
    output: Value
    fold: int = 1
    has_initial_state: bool = False

    @property
    def kind(self) -> str:
        """Name of the layer's class, or of the operation."""
        return self.layer if isinstance(self.layer, str) else type(self.layer).__name__


class ActivationCall(NamedTuple):
    """An activation as it was applied in a trace, within the layer of a path."""

    path: str
    activation: object
    input: Value
    output: Value
