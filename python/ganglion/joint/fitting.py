"""The epochs of networks that are trained together."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ganglion.callbacks.base import Logs
from ganglion.engines import Turn
from ganglion.epochs import EVALUATION_BATCH, Epochs, Evaluation, Steps
from ganglion.errors import DivergenceWarning, warn
from ganglion.joint.arrays import Arrays
from ganglion.joint.programs import JointPrograms
from ganglion.progress import Progress
from ganglion.streaming import rows_together

if TYPE_CHECKING:
    from ganglion.joint.joint import Joint


class JointBatches:
    """Batches, each of which the objectives take one after the other.

    Parameters
    ----------
    programs : JointPrograms
        Of the networks.
    samples : Arrays
        What they are trained or evaluated on.
    batch_size : int
        Samples of one batch.
    train : bool
        Whether they are trained.

    Attributes
    ----------
    trainer : Trainer
        Runs them.
    count : int
        Batches of an epoch.
    """

    def __init__(
        self, programs: JointPrograms, samples: Arrays, batch_size: int, train: bool
    ) -> None:
        self._parts = programs.parts
        if train:
            turns = [
                Turn(
                    [part.train], part.objective.every, part.objective.optimizer.batches_per_update
                )
                for part in programs.parts
            ]
        else:
            turns = [Turn([part.evaluate]) for part in programs.parts]
            batch_size = rows_together(samples.X, batch_size)
        self.trainer = programs.engine.trainer(turns, samples.arrays, batch_size)
        self.count = -(-len(samples) // batch_size)

    def start_epoch(self, seed: int | None = None, epoch: int = 0) -> None:
        """Go back to the first batch; the rows come shuffled, or without a seed as they lie."""
        self.trainer.start_epoch(seed, epoch)

    def start_epoch_in(self, order: NDArray[np.int64]) -> None:
        """Go back to the first batch; the rows come in the order given."""
        self.trainer.start_epoch_in(order)

    def scalars(self, steps: NDArray[np.int64]) -> list[dict[str, NDArray[np.float64]]]:
        """Return what the program of each objective is given at some steps.

        Its optimizer counts the batches that the objective takes.
        """
        return [
            part.objective.optimizer.scalars(np.maximum((steps + 1) // part.objective.every - 1, 0))
            for part in self._parts
        ]

    def logs(self) -> Logs:
        """Return all that is reported, as means since the epoch began."""
        logs: Logs = {}
        trainer = self.trainer
        for part, sums, rows in zip(self._parts, trainer.sums, trainer.loss_weights, strict=True):
            logs |= part.logs(sums, rows)
        return logs


class JointSteps(Steps):
    """Training steps of several networks."""

    def _report(self, progress: Progress) -> Callable[[int, float], None]:
        before = self._net.step_ - self._first
        return lambda steps, _: progress.batch((before + steps) * self._batch_size, self.logs())


class JointFit(Epochs["Joint", Arrays]):
    """One call of ``fit`` of a `Joint`, whose programs are made."""

    def __init__(
        self,
        joint: Joint,
        programs: JointPrograms,
        samples: Arrays,
        validation: Arrays | None,
        **settings: Any,
    ) -> None:
        super().__init__(joint, samples, validation, **settings)
        self._programs = programs
        batches = JointBatches(programs, samples, self._batch_size, train=True)
        self._steps = JointSteps(joint, batches, len(samples), self._batch_size)
        self._validation = None
        if validation is not None:
            size = max(self._batch_size, EVALUATION_BATCH)
            looked_at = JointBatches(programs, validation, size, train=False)
            self._validation = Evaluation(looked_at, validation)
        # What a fit that diverges goes back to: its last epoch, or where it began.
        self._last_weights = programs.parameters.array.copy()
        self._last_epoch: int | None = None

    def _names(self) -> list[str]:
        return [name for part in self._programs.parts for name in part.reported]

    def _weights(self) -> NDArray[np.floating[Any]]:
        return self._programs.parameters.array

    def _follow(self, epoch: int) -> None:
        """Go on with the weights that callbacks left in the networks."""
        if self._programs.outdated:
            raise RuntimeError(
                "[fit] a callback changed what the layers of a network are or train: end the fit "
                "by model.stop_training, and call it again"
            )
        self._programs.pull()

    def _judge(self, epoch: int, logs: Logs) -> None:
        # Losses of several objectives, often against each other, say nothing about the best.
        self._last_epoch = epoch
        np.copyto(self._last_weights, self._programs.parameters.array)

    def _recover(self, epoch: int) -> None:
        """Go back to the weights of the epoch before, with the optimizers as they are at first."""
        step = self._net.step_
        np.copyto(self._programs.parameters.array, self._last_weights)
        self._programs.push()
        self._programs.reset_optimizers()
        self._net.step_ = 0
        kept = (
            "those from before the fit"
            if self._last_epoch is None
            else f"those of epoch {self._last_epoch + 1}"
        )
        warn(
            f"[fit] training diverged in epoch {epoch + 1}, step {step}: a loss or a weight is no "
            f"longer finite. Stopped; the weights are {kept}. A smaller learning rate, clipnorm or "
            "scaled data may help.",
            DivergenceWarning,
        )
