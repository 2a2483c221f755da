"""The parent's side: each library in a process of its own, which take turns.

In one process the libraries disturb each other: the threads of one hold the processors in the turn
of the next, and each allocates and pins memory as it likes.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import IO, Any

from benchmarks.timing import Failed, interleave

ROOT = Path(__file__).resolve().parents[1]
# Seconds after which a worker is held to hang: compiling, and a single turn.
START_LIMIT, TURN_LIMIT = 300.0, 120.0
# Seconds before each turn. The threads of OpenBLAS and OpenMP wait for more work by spinning, for
# up to 0.1 seconds, and would hold the processors in the next worker's turn. The worker itself
# pauses, so that the parent, which woke it, sleeps again before the clock runs.
PAUSE = 0.15
# A shorter call is repeated until a turn takes about so many seconds: the first calls after a pause
# are slower, those of PyTorch with two threads by a factor of five; and a virtual machine may get
# its processors back one by one, within 0.1 s.
SHORTEST_TURN = 0.25


@dataclass(frozen=True)
class Job:
    """What a worker is to do: a class of tasks, ``"module:Class"``, and its arguments."""

    target: str
    arguments: dict[str, Any] = field(default_factory=dict)
    threads: int = 1


def environment(threads: int) -> dict[str, str]:
    """Return the environment of a worker: the number of threads, as each library reads it."""
    number = str(threads)
    limits = dict.fromkeys(
        ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "GANGLION_NUM_THREADS"],
        number,
    )
    eigen = "true" if threads > 1 else "false"
    return {
        **os.environ,
        **limits,
        "XLA_FLAGS": f"--xla_cpu_multi_thread_eigen={eigen} intra_op_parallelism_threads={number}",
        "KERAS_BACKEND": "jax",
    }


class Worker:
    """A process with one task in it. Leaving the ``with`` block ends it.

    Parameters
    ----------
    job : Job
        Its task, which the process begins to make at once.
    """

    def __init__(self, job: Job) -> None:
        order = {"target": job.target, "arguments": job.arguments, "threads": job.threads}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", json.dumps(order)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
            env=environment(job.threads),
        )
        self._answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        assert self._process.stdout is not None
        threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True).start()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.kill()
        self._process.communicate()

    def _read(self, answers: IO[str]) -> None:
        for line in answers:
            self._answers.put(line)
        self._answers.put("")

    def receive(self, limit: float = START_LIMIT) -> dict[str, Any]:
        """Wait for the next answer; the first one says that the task is made.

        Raises
        ------
        Failed
            When the task raised, or the process died, or hangs.
        """
        try:
            line = self._answers.get(timeout=limit)
        except queue.Empty:
            self._process.kill()
            raise Failed(f"no answer within {limit:.0f} s") from None
        if not line:
            raise Failed(f"the process ended with {self._process.wait()}")
        reply: dict[str, Any] = json.loads(line)
        if "error" in reply:
            raise Failed(str(reply["error"]).partition("\n")[0])
        return reply

    def call(
        self,
        method: str,
        *arguments: Any,
        repeats: int = 1,
        pause: float = 0.0,
        limit: float = TURN_LIMIT,
    ) -> dict[str, Any]:
        """Call a method of the task, after a pause in the worker.

        Returns
        -------
        dict
            ``call``: seconds it took; ``unit``: the same by the task's ``units``, the steps of an
            epoch for instance; ``value``: what it returned.

        Raises
        ------
        Failed
            As `receive`.
        """
        request = {"method": method, "arguments": arguments, "repeats": repeats, "pause": pause}
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except OSError:
            pass  # it died: reading its answer says how
        return self.receive(limit)


class _Turns:
    """A warm worker's turns: as many repetitions of its ``run`` as make a turn long enough."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        worker.receive()
        worker.call("run", limit=START_LIMIT)
        self.repeats = 1
        # Step by step, since a few calls, which are slower, say little of many.
        while (taken := self.repeats * self._call()["call"]) < SHORTEST_TURN / 2:
            wanted = ceil(self.repeats * SHORTEST_TURN / taken)
            self.repeats = min(10 * self.repeats, wanted)

    def _call(self) -> dict[str, Any]:
        return self.worker.call("run", repeats=self.repeats, pause=PAUSE)

    def __call__(self) -> float:
        return float(self._call()["unit"])


def race(
    jobs: Mapping[str, Job], *, seconds: float = 2.0, rounds: int = 5
) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Measure the ``run`` of each job's task, each in a process of its own, in turns.

    Parameters
    ----------
    jobs : dict of str to Job
        By name. The processes start together; warming up, where compilers run, is one by one.
    seconds, rounds
        As for `timing.interleave`.

    Returns
    -------
    measured : dict of str to list of float
        Seconds a unit, turn by turn.
    failures : dict of str to str
        Why a job is not among them.
    """
    with ExitStack() as stack:
        workers = {name: stack.enter_context(Worker(job)) for name, job in jobs.items()}
        turns: dict[str, _Turns] = {}
        failures: dict[str, str] = {}
        for name, worker in workers.items():
            try:
                turns[name] = _Turns(worker)
            except Failed as failure:
                failures[name] = str(failure)
        measured, later = interleave(turns, seconds=seconds, rounds=rounds)
    return measured, {**failures, **later}
