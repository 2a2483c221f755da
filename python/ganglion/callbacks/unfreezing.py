"""A callback that lets more and more layers learn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ganglion.callbacks.base import Callback, Logs
from ganglion.errors import check_count


class GradualUnfreezing(Callback):
    """Unfreeze a network from the head downward, some layers at a time (Howard & Ruder, 2018).

    To be used on a network of which layers were frozen, with `Sequential.freeze`. Those that are
    trained keep their optimizer's state when others join them. The epochs are counted over all fits
    that have this callback, so that a fit that is resumed goes on.

    Parameters
    ----------
    every : int, default=1
        Epochs from one unfreezing to the next; the first is after so many.
    layers : int, default=1
        How many of the network's layers are unfrozen each time, a normalisation and a residual
        block as one each. Those without weights are not counted: they join the layer before them.
    verbose : int, default=0
        1 prints what is unfrozen.

    Raises
    ------
    ValueError
        When the first fit begins with no layer frozen, or for settings out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion import Sequential, layers
    >>> net = Sequential([layers.Input((4,)), layers.Dense(8, "relu"), layers.Dense(1)], loss="mse")
    >>> net.freeze()
    >>> X = np.eye(4)
    >>> _ = net.fit(X, X[0], epochs=3, callbacks=[GradualUnfreezing(every=2, verbose=1)])
    epoch 3: dense is trained
    """

    of_one_network = True

    def __init__(self, every: int = 1, layers: int = 1, verbose: int = 0) -> None:
        self.every = every
        self.layers = layers
        self.verbose = verbose
        check_count(self, "every", "layers")
        self._waited = 0

    def get_state(self) -> dict[str, Any]:
        return {"waited": self._waited}

    def set_state(self, state: Mapping[str, Any]) -> None:
        self._waited = int(state["waited"])

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Unfreeze the next layers, when it is time."""
        net = self.model
        outer = [row for row in net.layer_rows if not row.depth]
        frozen = [row for row in outer if row.weights and not row.layer.trainable]
        if not frozen and not self._waited:
            raise ValueError(
                "[GradualUnfreezing] no layer of the network is frozen: call freeze() before fit"
            )
        if frozen and self._waited and self._waited % self.every == 0:
            joining = frozen[-self.layers :]
            # The first of all takes those before it along, which have no weights.
            net.unfreeze(joining[0].name if joining != frozen else None)
            if self.verbose:
                names = ", ".join(row.name for row in joining)
                trained = "is trained" if len(joining) == 1 else "are trained"
                print(f"epoch {epoch + 1}: {names} {trained}")
        self._waited += 1
