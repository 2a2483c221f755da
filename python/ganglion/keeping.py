"""What training leaves behind in a network, and how it is kept: learning rate, history, copies."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganglion.callbacks.base import Callback
from ganglion.data import non_negative
from ganglion.network import LearningRate, Network

Array = NDArray[Any]


class Keeping(Network):
    """State of a training. `Sequential` documents what a user sees of it."""

    @property
    def learning_rate(self) -> float:
        """Learning rate of the next step. Can be set, unless the optimizer follows a schedule."""
        rate = self._rate
        if callable(rate):
            return float(self.optimizer.scalars([self.step_])["learning_rate"][0])
        return float(rate)

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self.need_settable_learning_rate()
        rate = non_negative("Sequential", "learning_rate", value)
        self._own_rate = (self.optimizer.learning_rate, rate)

    @property
    def _rate(self) -> LearningRate:
        # What was set here, until the optimizer is given another rate, as Keras's users do.
        rate = self.optimizer.learning_rate
        if self._own_rate is None or self._own_rate[0] != rate:
            return rate
        return self._own_rate[1]

    @property
    def follows_schedule(self) -> bool:
        """Whether the optimizer's schedule says what the learning rate is."""
        return callable(self._rate)

    def need_settable_learning_rate(self) -> None:
        """Raise `TypeError` where the learning rate follows a schedule, and so cannot be set."""
        if self.follows_schedule:
            raise TypeError(f"[learning_rate] follows {self._rate!r} and cannot be set beside it")

    def scalars(self, steps: NDArray[np.int64]) -> dict[str, Array]:
        """Return what the training program takes at each step: learning rate and iteration."""
        scalars = self.optimizer.scalars(steps)
        if not self.follows_schedule:
            scalars["learning_rate"] = np.full(len(steps), self.learning_rate)
        return scalars

    def reset_optimizer(self) -> None:
        """Set the optimizer back to what it is before training: state, steps and learning rate."""
        self._own_rate = None
        self.step_ = 0
        if self._built is not None:
            self._built.reset_optimizer()

    def finalize(self) -> None:
        """End a fit: an optimizer that keeps an average of the weights sets them to it."""
        built = self._need_built("fit")
        if built.states is not None and built.slots is not None:
            updates = self.step_ // self.optimizer.batches_per_update
            self.optimizer.finalize(
                built.parameters.array, built.states.array, built.slots, updates
            )

    def begin_callbacks(self, callbacks: Sequence[Callback]) -> None:
        """Note the callbacks of a fit that begins; those that a file had the state of go on."""
        for callback in callbacks:
            for position, (key, state) in enumerate(self._callback_states):
                if key == callback.key():
                    callback.set_state(state)
                    del self._callback_states[position]
                    break
        self._callback_states = []
        self._callbacks = callbacks

    def end_callbacks(self) -> None:
        """Forget the callbacks of a fit that ends."""
        self._callbacks = ()

    def callback_states(self) -> list[tuple[str, dict[str, Any]]]:
        """Return the callbacks of the fit that runs, or is to go on: their keys and states."""
        if not self._callbacks:
            return list(self._callback_states)
        states = [(callback, callback.get_state()) for callback in self._callbacks]
        return [(callback.key(), state) for callback, state in states if state]

    def training_state(self) -> dict[str, Any]:
        """Return what a resumed training needs beside the optimizer's state, fit for JSON."""
        counts = {"epoch": self.epoch_, "step": self.step_}
        firsts = {} if self._built is None else self._built.first_updates
        return {**counts, "history": self.history_, "first_updates": firsts}

    def optimizer_state(self) -> dict[str, Array]:
        """Return copies of the optimizer's state by name; empty before training."""
        return {} if self._built is None else self._built.get_states()

    def restore_training(
        self,
        state: Mapping[str, Any],
        optimizer_state: Mapping[str, Array],
        callback_states: Sequence[tuple[str, dict[str, Any]]],
    ) -> None:
        """Go on where `training_state` and `callback_states` were taken.

        Raises
        ------
        KeyError
            When something is missing.
        ValueError
            When the optimizer's state is not that of this optimizer.
        """
        epoch, step = int(state["epoch"]), int(state["step"])
        history = {name: [float(v) for v in values] for name, values in state["history"].items()}
        firsts = state.get("first_updates")
        self._need_built("load").set_states(optimizer_state, firsts)
        self.epoch_, self.step_, self.history_ = epoch, step, history
        self._callback_states = list(callback_states)

    # Copies. What runs is made again when it is first needed.

    def __getstate__(self) -> dict[str, Any]:
        self._follow_layers()
        state = self.__dict__.copy()
        for name in ("_built", "_row_shape", "_predict_rows", "_last_forward", "_callbacks"):
            state.pop(name, None)
        state["_held"] = False
        if self._built is not None:
            built = self._built
            states = built.get_states(), built.first_updates
            state["_kept"] = built.recipe.input_shapes, self.get_weights(), states
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        kept = state.pop("_kept", None)
        self.__dict__.update(state)
        self._last_forward = None
        self._callbacks = ()
        self._set_built(None)
        if kept is not None:
            input_shapes, weights, states = kept
            built = self._make_built(input_shapes)
            built.set_weights(weights)
            built.set_states(*states)
            self._set_built(built)

    def __copy__(self) -> Any:
        return copy.deepcopy(self)
