"""The loop over epochs: batches in the core, then validation, history and callbacks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from ganglion import _core
from ganglion.batching import LookedAtBatches, TrainingBatches
from ganglion.callbacks.base import Callback, Logs, overrides
from ganglion.errors import DivergenceWarning, warn
from ganglion.progress import Progress
from ganglion.samples import Samples
from ganglion.streaming import stop_reading

if TYPE_CHECKING:
    from ganglion.built import Built
    from ganglion.sequential import Sequential
    from ganglion.training import Training

# Whether to shuffle, or a function from an epoch's number to the order of its rows.
Shuffle = bool | Callable[[int], Any]

# Rows evaluated together. The results hardly depend on it; the speed does.
EVALUATION_BATCH = 512
# Steps that the core takes in one call: their learning rates are in memory together.
_STEPS_AT_ONCE = 65536


class Evaluation:
    """Loss and metrics of samples under the weights as they are, again and again."""

    def __init__(self, batches: LookedAtBatches, samples: Samples) -> None:
        self._batches = batches
        self._samples = samples

    def run(self) -> Logs:
        """Evaluate now."""
        try:
            self._batches.start_epoch()
            nothing = [{} for _ in self._batches.trainer.sums]
            self._batches.trainer.run(self._batches.count, 0, 0, nothing, False, None)
        finally:
            stop_reading(self._samples.X)
        return self._batches.logs()


class Steps:
    """Training steps of a network on samples, in as many calls as it takes."""

    def __init__(
        self, net: Training, batches: TrainingBatches, samples: int, batch_size: int
    ) -> None:
        self.per_epoch = -(-samples // batch_size)
        self._net = net
        self._batch_size = batch_size
        self._batches = batches
        self._trainer = batches.trainer
        self._first = net.step_

    def start_epoch(self, shuffle: Shuffle, epoch: int) -> None:
        """Go back to the first batch; the rows come shuffled, as they lie, or in an order given."""
        if callable(shuffle):
            order = np.asarray(shuffle(epoch))
            if order.dtype.kind not in "iu":
                raise TypeError(f"[fit] shuffle must give row numbers, got dtype {order.dtype}")
            self._batches.start_epoch_in(order.astype(np.int64, copy=False))
        else:
            self._batches.start_epoch(self._net.seed_ if shuffle else None, epoch)
        self._first = self._net.step_

    def run(self, count: int, progress: Progress | None) -> bool:
        """Take up to ``count`` steps; False when the loss of one was not finite.

        The network's step number is right however this ends.
        """
        starts = range(0, count, _STEPS_AT_ONCE)
        return all(self._run(min(_STEPS_AT_ONCE, count - start), progress) for start in starts)

    def _run(self, count: int, progress: Progress | None) -> bool:
        net = self._net
        try:
            _, finite = self._trainer.run(
                count,
                net.step_,
                net.seed_,
                self._batches.scalars(net, np.arange(net.step_, net.step_ + count)),
                True,
                None if progress is None else self._report(progress),
            )
        finally:
            net.step_ = self._first + -(-self._trainer.rows // self._batch_size)
        return finite

    def _report(self, progress: Progress) -> Callable[[int, float], None]:
        before = self._net.step_ - self._first
        return lambda steps, loss: progress.batch(
            (before + steps) * self._batch_size, {"loss": loss}
        )

    def logs(self) -> Logs:
        """Return the mean loss and the metrics since the epoch began."""
        return self._batches.logs()


class Fit:
    """One call of ``fit``: its arguments are checked, its network is built."""

    def __init__(
        self,
        net: Training,
        built: Built,
        samples: Samples,
        validation: Samples | None,
        *,
        epochs: int,
        batch_size: int,
        callbacks: Sequence[Callback],
        shuffle: Shuffle,
        verbose: int,
    ) -> None:
        self._net = net
        self._samples = samples
        self._validation_samples = validation
        self._first_epoch, self._epochs = net.epoch_, epochs
        self._batch_size = batch_size
        self._take(built)
        self._callbacks = sorted(callbacks, key=lambda callback: callback.comes_last)
        self._shuffle = shuffle
        self._by_batch = any(
            overrides(callback, hook)
            for callback in callbacks
            for hook in ("on_train_batch_begin", "on_train_batch_end")
        )
        # What a fit that diverges goes back to: its best epoch, or where it began.
        self._first_weights: NDArray[np.floating[Any]] = built.parameters.array.copy()
        self._best_weights = self._first_weights.copy()
        self._best_loss = math.inf
        self._best_epoch: int | None = None
        # Last: from here on it is open until the end of `run`.
        self._progress = Progress(verbose, net.epoch_, epochs, len(samples))

    def _take(self, built: Built) -> None:
        """Make ready to train and evaluate the network as it is built now."""
        self._built = built
        batches = TrainingBatches(built, self._samples, self._batch_size)
        self._steps = Steps(self._net, batches, len(self._samples), self._batch_size)
        self._validation: Evaluation | None = None
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

    def run(self) -> None:
        """Train. Callbacks end it early, and so does a loss that is not finite."""
        net = self._net
        names = self._names()
        if self._validation is not None:
            names += [f"val_{name}" for name in names]
        params = {
            "epochs": self._epochs,
            "steps": self._steps.per_epoch,
            "samples": len(self._samples),
            "metrics": names,
        }
        net.stop_training = False
        logs: Logs = {}
        try:
            self._notify("set_model", cast("Sequential", net))
            for callback in self._callbacks:
                callback.set_params(dict(params))  # each may change its own
            self._notify("on_train_begin", {})
            net.begin_callbacks(self._callbacks)
            for epoch in range(self._first_epoch, self._first_epoch + self._epochs):
                finite = self._run_epoch(epoch)
                if not finite:
                    break
                logs = self._end_epoch(epoch)
                if net.stop_training:
                    break
            net.finalize()
            self._notify("on_train_end", logs)
        finally:
            stop_reading(self._samples.X)
            net.end_callbacks()
            self._progress.close(logs)

    def _names(self) -> list[str]:
        """Return the names of what an epoch reports."""
        return ["loss", *self._built.recipe.metrics]

    def _notify(self, hook: str, *arguments: Any) -> None:
        for callback in self._callbacks:
            getattr(callback, hook)(*arguments)

    def _run_epoch(self, epoch: int) -> bool:
        """Train on all batches; False when the loss or the weights became infinite or NaN."""
        self._notify("on_epoch_begin", epoch, {})
        self._follow(epoch)
        self._progress.begin_epoch(epoch)
        steps = self._steps
        steps.start_epoch(self._shuffle, epoch)
        with self._net.held():
            finite = (
                self._run_batches()
                if self._by_batch
                else steps.run(steps.per_epoch, self._progress.if_shown())
            )
        # As one row they are read in a tenth of the time.
        weights = self._built.parameters.array[np.newaxis]
        if not finite or _core.first_not_finite(weights) >= 0:
            self._recover(epoch)
            return False
        return True

    def _run_batches(self) -> bool:
        shown = self._progress.if_shown()
        for batch in range(self._steps.per_epoch):
            self._notify("on_train_batch_begin", batch, {})
            if not self._steps.run(1, None):
                return False
            logs = self._steps.logs()
            if shown is not None:
                shown.batch((batch + 1) * self._batch_size, logs)
            self._notify("on_train_batch_end", batch, logs)
            if self._net.stop_training:
                break
        return True

    def _end_epoch(self, epoch: int) -> Logs:
        logs = self._steps.logs()
        if self._validation is not None:
            logs |= {f"val_{name}": value for name, value in self._validation.run().items()}
        self._net.epoch_ = epoch + 1
        self._judge(epoch, logs)
        # Before the callbacks, so that what they save has it; after each, for what it adds.
        position = max(map(len, self._net.history_.values()), default=0)
        self._record(position, logs)
        for callback in self._callbacks:
            try:
                callback.on_epoch_end(epoch, logs)
            finally:
                self._record(position, logs)
        self._progress.end_epoch(logs)
        return logs

    def _record(self, position: int, logs: Logs) -> None:
        """Write an epoch's logs into the history, behind so many; what it did not have is NaN."""
        history = self._net.history_
        for name in logs:
            history.setdefault(name, [])
        for name, values in history.items():
            values += [math.nan] * (position + 1 - len(values))
            values[position] = logs.get(name, math.nan)

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
