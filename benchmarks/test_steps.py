"""Training steps and predictions of ganglion alone, to compare two commits.

``pytest benchmarks -k steps``; the peers are in ``python -m benchmarks``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import ganglion
from benchmarks.cases import CASES, PREDICTIONS, Case
from benchmarks.machine import processors
from benchmarks.training import Prediction, Training

THREADS = sorted({1, processors()})


@pytest.fixture(autouse=True)
def threads_as_before() -> Iterator[None]:
    before = ganglion.get_num_threads()
    yield
    ganglion.set_num_threads(before)


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_training(benchmark: Any, case: Case, threads: int) -> None:
    task = Training("ganglion", threads=threads, **case.arguments)
    benchmark.pedantic(task.run, rounds=10, warmup_rounds=1)
    step = benchmark.stats.stats.median / task.units
    benchmark.extra_info["microseconds a step"] = round(step * 1e6, 2)
    benchmark.extra_info["GFLOP/s"] = round(case.flops / step / 1e9, 1)


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("case", PREDICTIONS, ids=lambda case: case.name)
def test_prediction(benchmark: Any, case: Case, threads: int) -> None:
    task = Prediction("ganglion", list(case.widths), case.batch_size, threads)
    benchmark.pedantic(task.run, rounds=20, iterations=max(1, 2000 // case.batch_size))
