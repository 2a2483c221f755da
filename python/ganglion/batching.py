"""The batches of an epoch, and the programs that take them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ganglion import _core
from ganglion.buckets import Buckets, Rows
from ganglion.callbacks.base import Logs
from ganglion.compile import Form
from ganglion.engines import Turn
from ganglion.parts import looked_at_buckets, ragged_together
from ganglion.samples import Samples
from ganglion.streaming import rows_together

if TYPE_CHECKING:
    from ganglion.built import Built
    from ganglion.training import Training


def _trainer(
    built: Built, name: str, samples: Samples, batch_size: int, buckets: Buckets | None
) -> _core.Trainer:
    """Return what runs a program over samples; over those of each bucket one for its length."""
    forms = [samples.form]
    if buckets is not None:
        forms = [Form(int(end), ragged=True) for end in buckets.ends]
    executables = [built.executable(name, samples.weight_axes, form) for form in forms]
    turn = Turn(executables, accumulation=built.recipe.optimizer.batches_per_update)
    return built.engine.trainer([turn], samples.arrays, batch_size)


def _logs(built: Built, trainer: _core.Trainer) -> Logs:
    """Return the mean loss and the metrics since the epoch began."""
    (sums,), (weight,) = trainer.sums, trainer.loss_weights
    # There may be nothing but padding.
    logs = {"loss": float(sums["loss"]) / (weight or 1.0) if trainer.rows else math.nan}
    for name, metric in built.recipe.metrics.items():
        logs[name] = float(metric.result(sums[name]))
    return logs


class TrainingBatches:
    """Batches of one size; sequences of different lengths are with those of about the same.

    Parameters
    ----------
    net : Sequential
        The network.
    built : Built
        What it is built as.
    samples : Samples
        What it is trained on.
    batch_size : int
        Samples of one update.

    Attributes
    ----------
    trainer : Trainer
        Runs them.
    """

    def __init__(self, net: Training, built: Built, samples: Samples, batch_size: int) -> None:
        self._net = net
        self._buckets: Buckets | None = None
        self._built = built
        self._batch_size = batch_size
        self._count = len(samples)
        if samples.lengths is not None:
            assert samples.form.steps is not None
            self._buckets = Buckets(samples.lengths, batch_size, samples.form.steps)
        self.trainer = _trainer(built, "train", samples, batch_size, self._buckets)
        program = built.executable("train", samples.weight_axes, samples.form).program
        self._scalars = program.scalars

    def scalars(self, steps: Rows) -> list[dict[str, NDArray[np.float64]]]:
        """Return what the programs of the only turn are given at some steps."""
        scalars = self._net.scalars(steps)
        return [{name: scalars[name] for name in self._scalars}]

    def logs(self) -> Logs:
        """Return the mean loss and the metrics since the epoch began."""
        return _logs(self._built, self.trainer)

    def start_epoch(self, seed: int | None, epoch: int) -> None:
        """Go back to the first batch; the rows come shuffled, or without a seed as they lie."""
        if self._buckets is None:
            self.trainer.start_epoch(seed, epoch)
        elif seed is None:
            self._start(np.arange(self._count), None)
        else:
            self._start(_core.epoch_order(self._count, seed, epoch), (seed, epoch))

    def start_epoch_in(self, order: Rows) -> None:
        """Go back to the first batch; the rows come in the order given."""
        fits = order.shape == (self._count,) and 0 <= order.min() <= order.max() < self._count
        if self._buckets is None or not fits:  # then the trainer says what is wrong
            self.trainer.start_epoch_in(order)
        else:
            self._start(order, None)

    def _start(self, order: Rows, key: tuple[int, int] | None) -> None:
        assert self._buckets is not None
        self.trainer.start_epoch_in(*self._buckets.batches(self._batch_size, order, key))


class LookedAtBatches:
    """Batches for a program that changes nothing: of any size, as they lie.

    Parameters
    ----------
    built : Built
        The network.
    samples : Samples
        What it is evaluated on.
    batch_size : int
        Samples in memory at a time, at most.

    Attributes
    ----------
    trainer : Trainer
        Runs them.
    count : int
        How many there are.
    """

    def __init__(self, built: Built, samples: Samples, batch_size: int) -> None:
        self._built = built
        self._plan: tuple[Rows, Rows] | None = None
        buckets = None
        if samples.lengths is not None:
            assert samples.form.steps is not None
            buckets = looked_at_buckets(samples.lengths, samples.form.steps)
            together = ragged_together(batch_size, samples.form.steps)
            self._plan = buckets.one_by_one(together)
            self.count = len(self._plan[1])
        else:
            together = rows_together(samples.X, batch_size)
            self.count = -(-len(samples) // together)
        self.trainer = _trainer(built, "evaluate", samples, together, buckets)

    def start_epoch(self) -> None:
        """Go back to the first batch."""
        if self._plan is None:
            self.trainer.start_epoch(None, 0)
        else:
            self.trainer.start_epoch_in(*self._plan)

    def logs(self) -> Logs:
        """Return the mean loss and the metrics since the epoch began."""
        return _logs(self._built, self.trainer)
