"""The loop over epochs: batches in the core, then validation, history and callbacks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from ganglion import _core
from ganglion.callbacks.base import Callback, Logs, overrides
from ganglion.progress import Progress
from ganglion.streaming import stop_reading

if TYPE_CHECKING:
    from ganglion.sequential import Sequential

# Whether to shuffle, or a function from an epoch's number to the order of its rows.
Shuffle = bool | Callable[[int], Any]

# Rows evaluated together. The results hardly depend on it; the speed does.
EVALUATION_BATCH = 512
# Steps that the core takes in one call: their learning rates are in memory together.
_STEPS_AT_ONCE = 65536


class Trained(Protocol):
    """What is trained: a network, or several of them."""

    seed_: int
    step_: int
    epoch_: int
    history_: dict[str, list[float]]
    stop_training: bool

    def held(self) -> AbstractContextManager[None]:
        """Have what is changed while batches run wait."""

    def begin_callbacks(self, callbacks: Sequence[Callback]) -> None:
        """Note the callbacks of a fit that begins."""

    def end_callbacks(self) -> None:
        """Forget them."""

    def finalize(self) -> None:
        """Let optimizers do what comes last."""


class Data(Protocol):
    """Checked arrays."""

    def __len__(self) -> int:
        """Return the number of rows."""

    @property
    def X(self) -> Any:
        """What may be a stream."""


class Batches(Protocol):
    """Batches, and the programs that take them."""

    trainer: _core.Trainer

    def logs(self) -> Logs:
        """Return the results since the epoch began."""


class TrainedBatches(Batches, Protocol):
    """Those of an epoch of training."""

    def start_epoch(self, seed: int | None, epoch: int) -> None:
        """Go back to the first batch; the rows come shuffled, or without a seed as they lie."""

    def start_epoch_in(self, order: NDArray[np.int64]) -> None:
        """Go back to the first batch; the rows come in the order given."""

    def scalars(self, steps: NDArray[np.int64]) -> list[dict[str, NDArray[np.float64]]]:
        """Return what the programs of each turn are given at some steps."""


class EvaluatedBatches(Batches, Protocol):
    """Those of an evaluation."""

    count: int

    def start_epoch(self) -> None:
        """Go back to the first batch."""


Net = TypeVar("Net", bound=Trained)
Rows = TypeVar("Rows", bound=Data)


class Evaluation:
    """Loss and metrics of samples under the weights as they are, again and again."""

    def __init__(self, batches: EvaluatedBatches, samples: Data) -> None:
        self._batches = batches
        self._samples = samples

    def run(self) -> Logs:
        """Evaluate now."""
        trainer = self._batches.trainer
        scalars: list[dict[str, NDArray[np.float64]]] = [{} for _ in trainer.sums]
        try:
            self._batches.start_epoch()
            trainer.run(self._batches.count, 0, 0, scalars, update=False)
        finally:
            stop_reading(self._samples.X)
        return self._batches.logs()


class Steps:
    """Training steps of a network on samples, in as many calls as it takes."""

    def __init__(
        self, net: Trained, batches: TrainedBatches, samples: int, batch_size: int
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
                self._batches.scalars(np.arange(net.step_, net.step_ + count)),
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


class Epochs(Generic[Net, Rows]):
    """One call of ``fit``, its arguments checked: the loop, whatever is trained.

    Parameters
    ----------
    net : Sequential or Joint
        What is trained.
    samples, validation : Samples or Arrays
        Checked data; what it is evaluated on after each epoch may be None.
    epochs, batch_size, callbacks, shuffle, verbose
        As of ``fit``.
    """

    _steps: Steps
    _validation: Evaluation | None
    _progress: Progress

    def __init__(
        self,
        net: Net,
        samples: Rows,
        validation: Rows | None,
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
        self._callbacks = sorted(callbacks, key=lambda callback: callback.comes_last)
        self._shuffle = shuffle
        self._by_batch = any(
            overrides(callback, hook)
            for callback in callbacks
            for hook in ("on_train_batch_begin", "on_train_batch_end")
        )
        self._verbose = verbose

    def _names(self) -> list[str]:
        """Return the names of what an epoch reports."""
        raise NotImplementedError

    def _weights(self) -> NDArray[np.floating[Any]]:
        """Return all weights as they are, flat."""
        raise NotImplementedError

    def _follow(self, epoch: int) -> None:
        """Go on with what callbacks left."""
        raise NotImplementedError

    def _judge(self, epoch: int, logs: Logs) -> None:
        """Keep the weights, if a fit that diverges is to go back to these."""
        raise NotImplementedError

    def _recover(self, epoch: int) -> None:
        """Go back to the weights that were kept, with the optimizer as it is at first."""
        raise NotImplementedError

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
        self._progress = Progress(
            self._verbose, self._first_epoch, self._epochs, len(self._samples)
        )
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
        if not finite or _core.first_not_finite(self._weights()[np.newaxis]) >= 0:
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
