"""The loop that runs an epoch of a program on the GPU: the same methods as the core's `Trainer`."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
from numba import cuda
from numpy.typing import NDArray

from ganglion import _core
from ganglion.engines.numba_cuda.bound import Bound
from ganglion.engines.numba_cuda.executable import Executable, Mirror, read_scalars
from ganglion.engines.numba_cuda.interrupts import Interrupts
from ganglion.engines.numba_cuda.sources import Inputs, Order

Array = NDArray[Any]
Progress = Callable[[int, float], None]

# How often the progress is told.
_POLL_SECONDS = 0.1


@functools.cache
def _begin_kernel() -> Any:
    """Return a kernel that takes the numbers of one step from those of all."""

    def kernel(scalars, key, all_scalars, keys, step, count):
        for i in range(cuda.grid(1), count + 2, cuda.gridsize(1)):
            if i < count:
                scalars[i] = all_scalars[step * count + i]
            else:
                key[i - count] = keys[2 * step + i - count]

    return cuda.jit(kernel)


class Trainer:
    """Runs whole epochs of programs over arrays, which are on the GPU for as long as it is there.

    Each batch is taken turn by turn; each turn sees the weights as the one before left them.

    Parameters
    ----------
    turns : sequence of (executables, every, accumulation)
        See `ganglion.engines.Turn`.
    inputs : sequence of array, SparseRows, RaggedRows or Stream
        Of the programs.
    batch_size : int
        Samples of a step.
    """

    def __init__(self, turns: Sequence[Any], inputs: Sequence[Any], batch_size: int) -> None:
        if batch_size < 1:
            raise ValueError(f"[Trainer] batch_size must be positive, got {batch_size}")
        first: Executable = turns[0].executables[0]
        self._device = first.device
        self._batch_size = batch_size
        shared = Inputs(self._device)
        self._turns = [_Turn(turn, inputs, shared) for turn in turns]
        self._data_rows = self._turns[0].data_rows
        self._order = Order(self._device)
        self._batches: NDArray[np.int64] | None = None
        self._begin()

    @property
    def sums(self) -> list[dict[str, NDArray[np.float64]]]:
        """For each turn, each output summed over its batches; the loss weighted."""
        return [
            {name: array.copy() for name, array in zip(turn.names, turn.sums, strict=True)}
            for turn in self._turns
        ]

    @property
    def loss_weights(self) -> list[float]:
        """For each turn, what the means of its loss were over, summed."""
        return [turn.loss_weight for turn in self._turns]

    @property
    def rows(self) -> int:
        """Samples seen since the epoch began."""
        return self._position

    # The epoch.

    def start_epoch(self, order_seed: int | None, epoch: int) -> None:
        """Go back to the first batch; the order of the rows is the core's."""
        rows = None
        if order_seed is not None:
            rows = _core.epoch_order(self._data_rows, order_seed, epoch).astype(np.int64)
        self._order = Order(self._device, rows)
        self._batches = None
        self._begin()

    def start_epoch_in(
        self, order: NDArray[np.int64], batches: NDArray[np.int64] | None = None
    ) -> None:
        """Go back to the first batch; rows come in the order given, perhaps in batches given too.

        Raises
        ------
        ValueError
            When the order has not a row number for each row.
        """
        if order.shape != (self._data_rows,):
            raise ValueError(
                f"[Trainer] the order must have shape ({self._data_rows},), got {order.shape}"
            )
        wrong = np.flatnonzero((order < 0) | (order >= self._data_rows))
        if wrong.size:
            raise ValueError(
                f"[Trainer] the order must hold rows from 0 to {self._data_rows - 1}, got "
                f"{order[wrong[0]]} at position {wrong[0]}"
            )
        self._order = Order(self._device, np.ascontiguousarray(order, np.int64))
        self._batches = batches
        self._begin()

    def _begin(self) -> None:
        self._position = self._batches_done = 0
        for turn in self._turns:
            turn.begin(self._order, self._batch_size)

    def _next_batch(self) -> tuple[int, int]:
        """Return how many rows the next batch has, and the number of its program."""
        if self._batches is None:
            return min(self._batch_size, self._data_rows - self._position), 0
        count, program = self._batches[self._batches_done]
        return int(count), int(program)

    # Steps.

    def run(
        self,
        steps: int,
        step: int,
        seed: int,
        scalars: Sequence[Mapping[str, NDArray[np.float64]]],
        update: bool = True,
        progress: Progress | None = None,
    ) -> tuple[int, bool]:
        """Run up to ``steps`` further batches; weights travel to the GPU and back once.

        Ctrl-C is heard between steps, so that weights are those behind a whole number of them.

        Returns
        -------
        done : int
            How many were run.
        finite : bool
            False when a loss of the next one was not finite; that update was left out.
        """
        steps = min(steps, self._data_rows)  # a step has a row at least
        mirrors = {id(m): m for turn in self._turns for m in turn.mirrors}.values()
        with ExitStack() as stack:
            stack.enter_context(self._device.lock)
            self._device.check_process()
            for turn, numbers in zip(self._turns, scalars, strict=True):
                turn.take_numbers(numbers, seed, step, steps)
            for mirror in mirrors:
                mirror.take()
            interrupts = stack.enter_context(Interrupts())
            stack.callback(_give_all, mirrors)
            return self._run(steps, step, update, progress, interrupts)

    def _run(
        self,
        steps: int,
        step: int,
        update: bool,
        progress: Progress | None,
        interrupts: Interrupts,
    ) -> tuple[int, bool]:
        told = time.monotonic()
        for done in range(steps):
            if self._position >= self._data_rows or interrupts.pending:
                return done, True
            count, program = self._next_batch()
            for turn in self._turns:
                if (step + done + 1) % turn.every:
                    continue
                times = (step + done + 1) // turn.every
                whole = update and times % turn.accumulation == 0
                if not turn.run(program, self._position, count, done, update, whole):
                    return done, False
            self._position += count
            self._batches_done += 1
            if progress is not None and time.monotonic() - told >= _POLL_SECONDS:
                told = time.monotonic()
                progress(done + 1, self._turns[0].mean_loss)
        return steps, True


class _Turn:
    """One turn, with its inputs on the GPU and its sums."""

    def __init__(self, turn: Any, inputs: Sequence[Any], shared: Inputs) -> None:
        self._executables: list[Executable] = list(turn.executables)
        self.every, self.accumulation = turn.every, turn.accumulation
        program = self._executables[0].program
        self.names = [name for name, _ in program.outputs]
        for name, shape in program.outputs:
            if shape and shape[0] is None:
                raise ValueError(
                    f"[Trainer] output '{name}' has shape {shape}, but outputs are summed over "
                    "batches and cannot depend on their size"
                )
        self._shapes = [[size or 0 for size in shape] for _, shape in program.outputs]
        self._sources = []
        for executable in self._executables:
            sources, self.data_rows = executable.sources(inputs, shared)
            self._sources.append(sources)

    @property
    def mirrors(self) -> list[Mirror]:
        """The weights and states that it works on."""
        return [mirror for executable in self._executables for mirror in executable.mirrors]

    @property
    def mean_loss(self) -> float:
        """Since the epoch began; 0 where nothing was seen, or there is no loss."""
        if "loss" not in self.names or not self.loss_weight:
            return 0.0
        return float(self.sums[self.names.index("loss")]) / self.loss_weight

    def begin(self, order: Order, batch_size: int) -> None:
        """Set the sums back, and go to the first batch."""
        self.loss_weight = 0.0
        self.sums = [np.zeros(shape) for shape in self._shapes]
        for sources in self._sources:
            for source in sources:
                source.start(order, batch_size)

    def take_numbers(
        self, scalars: Mapping[str, NDArray[np.float64]], seed: int, step: int, steps: int
    ) -> None:
        """Send the numbers of all steps of a call: scalars, seed and step."""
        executable = self._executables[0]
        given = read_scalars("Trainer", executable.program, scalars)
        columns = [np.asarray(array, np.float64)[:steps] for array in given]
        table = np.stack(columns, axis=1) if columns else np.empty((steps, 0))
        keys = np.empty((steps, 2), np.uint64)
        keys[:, 0] = seed
        keys[:, 1] = np.arange(step, step + steps)
        device = executable.device
        self._table = device.upload(table.astype(executable.T)), device.upload(keys), len(columns)

    def run(
        self, program: int, first: int, count: int, step: int, checked: bool, update: bool
    ) -> bool:
        """Run a batch; False, without the update, when its loss is ``checked`` and not finite."""
        executable = self._executables[program]
        bound = executable.bound(count)
        scalars, keys, width = self._table
        arrays = (executable.scalars, executable.key, scalars, keys)
        executable.device.over(_begin_kernel(), width + 2, *arrays, step, width)()
        for source, place in zip(self._sources[program], bound.inputs, strict=True):
            source.fill(place, first, count)
        bound.run(False)
        outputs = dict(zip(self.names, _read(executable, bound), strict=True))
        if checked and "loss" in outputs and not np.isfinite(outputs["loss"]).all():
            return False
        if update:
            bound.run_update()
        weight = float(outputs["loss_weight"]) if "loss_weight" in outputs else float(count)
        self.loss_weight += weight
        for name, total in zip(self.names, self.sums, strict=True):
            total += (weight if name == "loss" else 1.0) * outputs[name].astype(np.float64)
        return True


def _read(executable: Executable, bound: Bound) -> list[Array]:
    """Return the outputs of a step, which ends when they are here."""
    places, report = bound.outputs, bound.report
    if report is None:
        arrays = [np.empty(place.size, executable.T) for place in places]
        for place, array in zip(places, arrays, strict=True):
            executable.device.read(place.array, array)
    else:
        memory, offsets = report
        flat = np.empty(memory.shape[0], executable.T)
        executable.device.read(memory, flat)
        arrays = [flat[at : at + p.size] for at, p in zip(offsets, places, strict=True)]
    return [array.reshape(p.shape) for array, p in zip(arrays, places, strict=True)]


def _give_all(mirrors: Iterable[Mirror]) -> None:
    for mirror in mirrors:
        mirror.give()
