"""The fit of one network."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ganglion.batching import LookedAtBatches, TrainingBatches
from ganglion.callbacks.base import Logs
from ganglion.epochs import EVALUATION_BATCH, Epochs, Evaluation, Steps
from ganglion.errors import DivergenceWarning, warn
from ganglion.samples import Samples

if TYPE_CHECKING:
    from ganglion.built import Built
    from ganglion.training import Training


class Fit(Epochs["Training", Samples]):
    """One call of ``fit`` of a network, which is built."""

    def __init__(
        self,
        net: Training,
        built: Built,
        samples: Samples,
        validation: Samples | None,
        **settings: Any,
    ) -> None:
        super().__init__(net, samples, validation, **settings)
        self._take(built)
        # What a fit that diverges goes back to: its best epoch, or where it began.
        self._first_weights: NDArray[np.floating[Any]] = built.parameters.array.copy()
        self._best_weights = self._first_weights.copy()
        self._best_loss = math.inf
        self._best_epoch: int | None = None

    def _take(self, built: Built) -> None:
        """Make ready to train and evaluate the network as it is built now."""
        self._built = built
        batches = TrainingBatches(self._net, built, self._samples, self._batch_size)
        self._steps = Steps(self._net, batches, len(self._samples), self._batch_size)
        self._validation = None
        if self._validation_samples is not None:
            batch = built.batch_size or max(self._batch_size, EVALUATION_BATCH)
            looked_at = LookedAtBatches(built, self._validation_samples, batch)
            self._validation = Evaluation(looked_at, self._validation_samples)

    def _follow(self, epoch: int) -> None:
        """Go on with the network as a callback left it: with other layers trained, perhaps."""
        before, built = self._built, self._net.current("fit")
        if built is not before:
            if [weight.name for weight in built.variables] != [w.name for w in before.variables]:
                raise RuntimeError(
                    "[fit] a callback added or replaced layers: end the fit by "
                    "model.stop_training, and call it again"
                )
            self._take(built)
            self._first_weights = built.laid_out_anew(self._first_weights, before)
            self._best_weights = built.laid_out_anew(self._best_weights, before)
        if epoch == self._first_epoch and built.is_frozen:
            warn(
                "[fit] nothing is trained: every layer that has weights is frozen; unfreeze() "
                "trains them again"
            )

    def _names(self) -> list[str]:
        """Return the names of what an epoch reports."""
        return ["loss", *self._built.recipe.metrics]

    def _weights(self) -> NDArray[np.floating[Any]]:
        return self._built.parameters.array

    def _judge(self, epoch: int, logs: Logs) -> None:
        """Keep the weights of the best epoch."""
        monitored = logs.get("val_loss", logs["loss"])
        if monitored < self._best_loss:
            self._best_loss, self._best_epoch = monitored, epoch
            np.copyto(self._best_weights, self._built.parameters.array)

    def _loss_of(self, weights: NDArray[np.floating[Any]]) -> float:
        np.copyto(self._built.parameters.array, weights)
        evaluation = self._validation
        if evaluation is None:
            batch = self._built.batch_size or EVALUATION_BATCH
            evaluation = Evaluation(
                LookedAtBatches(self._built, self._samples, batch), self._samples
            )
        return evaluation.run()["loss"]

    def _recover(self, epoch: int) -> None:
        """Go back to the best weights so far, with the optimizer as it is at first."""
        step = self._net.step_
        # A first epoch may have ended, finite, on the way to infinity.
        if self._best_epoch is not None and not (
            self._loss_of(self._best_weights) <= self._loss_of(self._first_weights)
        ):
            np.copyto(self._best_weights, self._first_weights)
            self._best_epoch = None
        np.copyto(self._built.parameters.array, self._best_weights)
        self._built.reset_optimizer()
        self._net.step_ = 0
        kept = (
            "those from before the fit"
            if self._best_epoch is None
            else f"those of epoch {self._best_epoch + 1}, with loss {self._best_loss:.4g}"
        )
        warn(
            f"[fit] training diverged in epoch {epoch + 1}, step {step}: the loss or a weight is "
            f"no longer finite. Stopped; the weights are {kept}. A smaller learning rate, clipnorm "
            "or scaled data may help.",
            DivergenceWarning,
        )
