"""What networks that are trained together keep between fits: weights, counters, states."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike, NDArray

from ganglion.callbacks.base import Callback
from ganglion.joint.objective import Objective
from ganglion.joint.part import State
from ganglion.joint.programs import JointPrograms
from ganglion.training import Training

if TYPE_CHECKING:
    from typing_extensions import Self

Array = NDArray[Any]


class Keeping:
    """State of a training. `Joint` documents what a user sees of it."""

    def __init__(
        self, networks: Mapping[str, Training], objectives: Sequence[Objective], seed: int
    ) -> None:
        self.networks = dict(networks)
        self.objectives = list(objectives)
        first = next(iter(networks.values()))
        self.dtype, self.device = first.dtype, first.device
        self.seed_ = seed
        self.history_: dict[str, list[float]] = {}
        self.epoch_ = 0
        self.step_ = 0
        self.stop_training = False
        self._programs: JointPrograms | None = None
        self._states: dict[str, State] = {}

    def get_weights(self) -> list[Array]:
        """Return copies of all weights, network by network, as each of them gives its own."""
        return [weight for network in self.networks.values() for weight in network.get_weights()]

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Replace all weights, given as `get_weights` returns them.

        Raises
        ------
        ValueError
            For another number of arrays, or one that does not fit; then none is replaced.
        """
        counts = [len(network.weights) for network in self.networks.values()]
        if len(weights) != sum(counts):
            raise ValueError(
                f"[set_weights] the networks have {sum(counts)} weights, got {len(weights)}"
            )
        before = self.get_weights()
        try:
            self._set_weights(weights, counts)
        except (TypeError, ValueError):
            self._set_weights(before, counts)
            raise

    def _set_weights(self, weights: Sequence[ArrayLike], counts: Sequence[int]) -> None:
        ends = itertools.accumulate(counts)
        for network, count, end in zip(self.networks.values(), counts, ends, strict=True):
            network.set_weights(weights[end - count : end])

    # What files and copies keep. What runs is made again when it is first needed.

    def optimizer_states(self) -> dict[str, State]:
        """Return copies of the state of all optimizers, by objective; empty before training."""
        return self._states if self._programs is None else self._programs.get_states()

    def go_on(
        self, epoch: int, step: int, history: dict[str, list[float]], states: dict[str, State]
    ) -> None:
        """Go on where a training was when these were taken."""
        self.epoch_, self.step_, self.history_, self._states = epoch, step, history, states

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_programs": None, "_states": self.optimizer_states()}

    def __copy__(self) -> Self:
        return copy.deepcopy(self)

    # What a fit and its callbacks ask for.

    def need_settable_learning_rate(self) -> None:
        """Raise `TypeError`: each objective has an optimizer, and a learning rate, of its own."""
        raise TypeError(
            "[learning_rate] a Joint has one for each objective: set that of its optimizer, or give"
            " it a schedule"
        )

    @contextmanager
    def held(self) -> Iterator[None]:
        """While the batches of an epoch run the weights are here; then the networks have them."""
        assert self._programs is not None  # `fit` made them
        try:
            yield
        finally:
            self._programs.push()

    def begin_callbacks(self, callbacks: Sequence[Callback]) -> None:
        """Begin a fit; no states of callbacks are kept."""

    def end_callbacks(self) -> None:
        """End a fit."""

    def finalize(self) -> None:
        """End a fit: optimizers that keep averages of the weights set them to those."""
        assert self._programs is not None  # `fit` made them
        self._programs.pull()
        self._programs.finalize_optimizers(self.step_)
        self._programs.push()
