"""The training loop: sums, updates, and how it stops."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import Any

import numpy as np
import pytest
from linear import Regression

from ganglion import _core

# The sums.


def test_sums_weigh_the_loss_by_rows_and_add_the_rest() -> None:
    regression = Regression(100)
    trainer = regression.trainer(32)
    trainer.start_epoch(0, 0)
    assert regression.run(trainer, 10, update=False) == (4, True)
    assert trainer.rows == 100
    assert trainer.sums[0]["rows"] == 100
    assert trainer.sums[0]["loss"] == pytest.approx(np.sum(regression.y**2), rel=1e-6)
    assert regression.run(trainer, 10) == (0, True)
    trainer.start_epoch(0, 1)
    assert trainer.rows == 0
    assert trainer.sums[0]["loss"] == 0


def test_an_epoch_may_be_run_in_parts() -> None:
    whole, parts = Regression(), Regression()
    trainer = whole.trainer(8)
    trainer.start_epoch(1, 0)
    whole.run(trainer, 100)
    trainer = parts.trainer(8)
    trainer.start_epoch(1, 0)
    assert [parts.run(trainer, 5, step=step)[0] for step in (0, 5, 10)] == [5, 5, 3]
    np.testing.assert_array_equal(whole.weights.array, parts.weights.array)


def test_training_reaches_the_least_squares() -> None:
    regression = Regression(dtype="float64")
    regression.fit(200)
    best = np.linalg.lstsq(regression.X, regression.y, rcond=None)[0]
    np.testing.assert_allclose(regression.weights.array, best, atol=1e-6)


def test_scalars_have_a_value_for_each_step() -> None:
    regression, expected = Regression(64, dtype="float64"), Regression(64, dtype="float64")
    rates = [0.1, 0.0]
    trainer = regression.trainer(32)
    trainer.run(2, 0, 0, [{"learning_rate": np.array(rates)}])
    expected.run(expected.trainer(32), 1, rate=0.1)
    np.testing.assert_array_equal(regression.weights.array, expected.weights.array)


@pytest.mark.parametrize("step, updates", [(0, [False, False, True, False]), (2, [True, False])])
def test_accumulation_updates_in_every_nth_step(step: int, updates: list[bool]) -> None:
    regression = Regression()
    turn = _core.Turn([regression.executable], accumulation=3)
    trainer = _core.Trainer([turn], [regression.X, regression.y], 8)
    for offset, expected in enumerate(updates):
        before = np.array(regression.weights.array)
        regression.run(trainer, 1, step=step + offset)
        assert np.any(before != regression.weights.array) == expected


# How it stops.


def test_a_loss_that_is_not_finite_stops_before_the_update() -> None:
    regression = Regression(100)
    regression.y[70] = np.nan
    trainer = regression.trainer(32)
    assert regression.run(trainer, 4) == (2, False)
    assert np.isfinite(regression.weights.array).all()
    assert trainer.rows == 64
    assert np.isfinite(trainer.sums[0]["loss"])


def test_an_evaluation_shows_a_loss_that_is_not_finite() -> None:
    regression = Regression(100)
    regression.y[70] = np.inf
    trainer = regression.trainer(32)
    assert regression.run(trainer, 4, update=False) == (4, True)
    assert trainer.sums[0]["loss"] == np.inf


class Stop(Exception):
    pass


def run_on(regression: Regression, trainer: Any, **settings: Any) -> None:
    """Epoch after epoch of a large part of a second."""
    while True:
        trainer.start_epoch(0, 0)
        regression.run(trainer, len(regression.X), rate=1e-3, **settings)


def test_an_error_in_progress_ends_the_run_after_a_whole_step() -> None:
    regression = Regression(1_000_000)
    trainer = regression.trainer(1)
    calls = []

    def progress(steps: int, loss: float) -> None:
        calls.append((steps, loss, trainer.rows, float(trainer.sums[0]["loss"])))
        raise Stop

    with pytest.raises(Stop):
        run_on(regression, trainer, progress=progress)
    ((steps, loss, rows, total),) = calls
    assert rows == trainer.rows == steps
    assert loss == pytest.approx(total / rows)
    assert regression.run(trainer, 1) == (1, True)


def test_progress_is_asked_ten_times_a_second() -> None:
    regression = Regression(1_000_000)
    trainer = regression.trainer(1)
    times: list[float] = []

    def progress(steps: int, loss: float) -> None:
        times.append(time.perf_counter())
        if len(times) == 4:
            raise Stop

    with pytest.raises(Stop):
        run_on(regression, trainer, progress=progress)
    assert min(np.diff(times)) > 0.05


def test_an_executable_cannot_be_used_from_its_own_progress() -> None:
    regression = Regression(1_000_000)
    trainer = regression.trainer(1)

    def progress(steps: int, loss: float) -> None:
        regression.run(trainer, 1)

    with pytest.raises(RuntimeError, match="progress callback"):
        run_on(regression, trainer, progress=progress)


@pytest.mark.skipif(sys.platform == "win32", reason="signals cannot be sent to oneself")
def test_keyboard_interrupt_ends_within_a_second_and_leaves_it_usable() -> None:
    regression = Regression(1_000_000)
    trainer = regression.trainer(1)
    sent: list[float] = []

    def interrupt() -> None:
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(0.15, interrupt)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        run_on(regression, trainer)
    assert time.perf_counter() - sent[0] < 1
    timer.join()
    trainer.start_epoch(0, 0)
    assert regression.run(trainer, 3) == (3, True)
    assert np.isfinite(regression.weights.array).all()


# What is refused.


def test_wrong_settings_are_refused() -> None:
    regression = Regression(100)
    with pytest.raises(ValueError, match=r"\[Trainer\] batch_size must be positive, got 0"):
        regression.trainer(0)
    with pytest.raises(ValueError, match=r"\[Trainer\] the program has 2 inputs, got 1"):
        _core.Trainer([_core.Turn([regression.executable])], [regression.X], 32)
    trainer = regression.trainer()
    with pytest.raises(ValueError, match=r"\[Trainer\] scalar 'learning_rate' is missing"):
        trainer.run(1, 0, 0, [{}])
    with pytest.raises(ValueError, match=r"one value for each of 3 steps, got shape \(2,\)"):
        trainer.run(3, 0, 0, [{"learning_rate": np.zeros(2)}])
    with pytest.raises(TypeError, match="contiguous float64"):
        trainer.run(3, 0, 0, [{"learning_rate": np.zeros(3, np.float32)}])
    with pytest.raises(ValueError, match="accumulation must be positive, got 0"):
        _core.Turn([regression.executable], accumulation=0)


def test_wrong_stores_are_refused() -> None:
    program = Regression().executable.program
    with pytest.raises(ValueError, match="parameters are float32, expected float64"):
        _core.Executable(program, "float64", _core.Store(8, "float32"), None)
    with pytest.raises(ValueError, match=r"\[Executable\] the program has 8 parameters, got 7"):
        _core.Executable(program, "float32", _core.Store(7, "float32"), None)
    with pytest.raises(ValueError, match="the program has 8 parameters, but none were given"):
        _core.Executable(program, "float32", None, None)
    with pytest.raises(ValueError, match="dtype must be 'float32' or 'float64', got 'int8'"):
        _core.Store(8, "int8")


# Turns.


def two_turns(every: int = 1) -> tuple[Regression, Any, Any]:
    """A regression that takes every batch, and one of other weights that takes some of them."""
    first, second = Regression(100, dtype="float64"), Regression(100, dtype="float64")
    turns = [_core.Turn([first.executable]), _core.Turn([second.executable], every)]
    trainer = _core.Trainer(turns, [first.X, first.y], 8)
    return first, second, trainer


def rates(*turns: float, steps: int = 100) -> list[dict[str, np.ndarray]]:
    return [{"learning_rate": np.full(steps, rate)} for rate in turns]


@pytest.mark.parametrize("every", [1, 2, 5])
def test_a_turn_takes_the_batches_that_are_its(every: int) -> None:
    first, second, trainer = two_turns(every)
    trainer.start_epoch(None, 0)
    assert trainer.run(100, 0, 0, rates(0.1, 0.02)) == (13, True)
    for regression, rate, step in ((first, 0.1, 1), (second, 0.02, every)):
        alone = Regression(100, dtype="float64")
        rows = 0
        for number in range(step, 14, step):
            batch = slice(8 * (number - 1), 8 * number)
            part = [alone.X[batch], alone.y[batch]]
            rows += len(part[0])
            alone.executable.run(part, len(part[0]), {"learning_rate": rate})
        np.testing.assert_array_equal(regression.weights.array, alone.weights.array)
        weight = trainer.loss_weights[0 if regression is first else 1]
        assert weight == trainer.sums[0 if regression is first else 1]["rows"] == rows
    assert trainer.rows == 100


def test_turns_see_what_the_one_before_left() -> None:
    shared, alone = Regression(64, dtype="float64"), Regression(64, dtype="float64")
    program = shared.executable.program
    again = _core.Executable(program, "float64", shared.weights, None)
    turns = [_core.Turn([shared.executable]), _core.Turn([again])]
    trainer = _core.Trainer(turns, [shared.X, shared.y], 64)
    trainer.run(1, 0, 0, rates(0.1, 0.2))
    for rate in (0.1, 0.2):
        alone.executable.run([alone.X, alone.y], 64, {"learning_rate": rate})
    np.testing.assert_array_equal(shared.weights.array, alone.weights.array)


def test_accumulation_counts_the_batches_of_its_turn() -> None:
    first, second, _ = two_turns()
    turns = [_core.Turn([first.executable]), _core.Turn([second.executable], 2, 3)]
    trainer = _core.Trainer(turns, [first.X, first.y], 8)
    updates = []
    for step in range(12):
        before = np.array(second.weights.array)
        trainer.run(1, step, 0, rates(0.1, 0.1))
        updates.append(bool(np.any(before != second.weights.array)))
    assert updates == [step in (5, 11) for step in range(12)]


def test_the_first_loss_that_is_not_finite_stops_whosever_it_is() -> None:
    first, second, trainer = two_turns()
    second.weights.array[:] = np.nan
    assert trainer.run(5, 0, 0, rates(0.1, 0.1)) == (0, False)
    assert trainer.rows == 0
    assert np.isfinite(first.weights.array).all() and first.weights.array.any()


def test_wrong_turns_are_refused() -> None:
    first, second, trainer = two_turns()
    turn, data = _core.Turn([first.executable]), [first.X, first.y]
    with pytest.raises(ValueError, match=r"\[Turn\] every must be positive, got 0"):
        _core.Turn([first.executable], 0)
    with pytest.raises(ValueError, match=r"\[Turn\] needs an executable"):
        _core.Turn([])
    with pytest.raises(ValueError, match=r"\[Trainer\] needs a turn"):
        _core.Trainer([], data, 8)
    with pytest.raises(ValueError, match="an executable can stand in one place only"):
        _core.Trainer([turn, turn], data, 8)
    other = _core.Turn([Regression().executable])
    with pytest.raises(ValueError, match="as many executables each, of one dtype"):
        _core.Trainer([turn, other], data, 8)
    with pytest.raises(ValueError, match="there are 2 turns, and scalars for 1"):
        trainer.run(1, 0, 0, rates(0.1))
