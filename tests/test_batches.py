"""Batches: the order of the rows, and arrays of every kind read where they lie."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from linear import Regression, copy_program, moment_program

from ganglion import _core

DTYPES = ["bool", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"]


def numbers(dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    values = np.random.default_rng(1).integers(0, 2 if dtype == "bool" else 100, size=shape)
    return values.astype(dtype)


def gathered(array: np.ndarray, dtype: str = "float64", batch_size: int = 4) -> np.ndarray:
    """The array as a program sees it, batch by batch."""
    executable = _core.Executable(copy_program(array.shape[1:]), dtype, None, None)
    return executable.predict([array], batch_size)[0]


def moment_trainer(X: np.ndarray, y: np.ndarray, batch_size: int) -> Any:
    executable = _core.Executable(moment_program(X.shape[1:]), "float64", None, None)
    return _core.Trainer([_core.Turn([executable])], [X, y], batch_size)


def orders(rows: int, seed: int | None, epochs: list[int]) -> list[tuple[int, ...]]:
    """The rows in the order in which each epoch visits them."""
    trainer = moment_trainer(np.ones((rows, 1)), np.arange(rows), 1)
    found = []
    for epoch in epochs:
        trainer.start_epoch(seed, epoch)
        sums = [0]
        for step in range(rows):
            trainer.run(1, step, 0, [{}])
            sums.append(int(trainer.sums[0]["moment"][0]))
        found.append(tuple(int(row) for row in np.diff(sums)))
    return found


# The order of the rows.


@pytest.mark.parametrize("seed", [0, 1, 2**64 - 1])
def test_an_epoch_visits_every_row_once(seed: int) -> None:
    (visits,) = orders(50, seed, [3])
    assert sorted(visits) == list(range(50))
    assert visits != tuple(range(50))


def test_order_is_a_function_of_seed_and_epoch() -> None:
    first, second = orders(30, 5, [2, 3])
    assert orders(30, 5, [3, 2]) == [second, first]
    assert len({first, second, *orders(30, 6, [2, 3])}) == 4
    assert orders(30, None, [2]) == [tuple(range(30))]


def test_every_order_is_as_likely() -> None:
    epochs = 1200
    counts = Counter(orders(3, 0, list(range(epochs))))
    five_deviations = 5 * np.sqrt(epochs * 5 / 36)
    assert len(counts) == 6
    assert all(abs(count - epochs / 6) < five_deviations for count in counts.values())


def test_inputs_are_read_in_the_same_order() -> None:
    X, y = numbers("f4", (101, 3)), numbers("u1", (101,))
    trainer = moment_trainer(X, y, 8)
    trainer.start_epoch(7, 0)
    assert trainer.run(100, 0, 0, [{}]) == (13, True)
    np.testing.assert_array_equal(trainer.sums[0]["moment"], X.T.astype(float) @ y)


# How they are read.


@pytest.mark.parametrize("program_dtype", ["float32", "float64"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_is_read(dtype: str, program_dtype: str) -> None:
    array = numbers(dtype, (10, 3))
    np.testing.assert_array_equal(gathered(array, program_dtype), array.astype(program_dtype))


VIEWS = {
    "contiguous": lambda a: a,
    "fortran": np.asfortranarray,
    "every_second_row": lambda a: a[::2],
    "rows_backwards": lambda a: a[::-1],
    "columns_backwards": lambda a: a[..., ::-1],
    "all_backwards": lambda a: a[::-1, ::-1, ::-1],
    "some_columns": lambda a: a[:, 1:3, ::2],
    "transposed": lambda a: a.transpose(0, 2, 1),
    "rows_last": lambda a: a.transpose(2, 0, 1),
    "one_row_again": lambda a: np.broadcast_to(a[0], a.shape),
    "one_value": lambda a: a[:, :1, :1],
    "four_axes": lambda a: a.reshape(*a.shape[:2], -1, 1),
    "flat": lambda a: a.reshape(-1),
    "windows": lambda a: np.lib.stride_tricks.sliding_window_view(a.reshape(-1), 5),
}


@pytest.mark.parametrize("dtype", ["u1", "f4", "f8"])
@pytest.mark.parametrize("view", VIEWS)
def test_every_layout_is_read(view: str, dtype: str) -> None:
    array = VIEWS[view](numbers(dtype, (9, 4, 6)))
    array.flags.writeable = False
    np.testing.assert_array_equal(gathered(array), array)


def test_large_batches_are_read_by_all_threads() -> None:
    array = numbers("f4", (3000, 200))
    np.testing.assert_array_equal(gathered(array, "float32", 3000), array)
    np.testing.assert_array_equal(gathered(array[::-1, ::3], "float32", 1000), array[::-1, ::3])


def test_records_at_odd_addresses_are_read() -> None:
    records = np.zeros(10, dtype=[("flag", "u1"), ("value", "f8"), ("pair", "f4", 2)])
    records["value"] = np.arange(10)
    records["pair"] = numbers("f4", (10, 2))
    np.testing.assert_array_equal(gathered(records["value"]), records["value"])
    np.testing.assert_array_equal(gathered(records["pair"]), records["pair"])


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_memory_maps_are_read(tmp_path: Path, mode: str) -> None:
    array = numbers("f4", (50, 6))
    np.save(tmp_path / "array.npy", array)
    mapped = np.load(tmp_path / "array.npy", mmap_mode=mode)
    if mode != "r":
        mapped[3] = array[3] = 7
    np.testing.assert_array_equal(gathered(mapped), array)
    np.testing.assert_array_equal(gathered(mapped[::-2, 1:]), array[::-2, 1:])


@pytest.fixture(scope="module")
def large_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """140 MB, more than is left to the mapping; entry i of row r is r + i / 8."""
    path = tmp_path_factory.mktemp("large") / "array.npy"
    mapped = np.lib.format.open_memmap(path, "w+", np.float32, (140_000, 250))
    for first in range(0, len(mapped), 1000):
        rows = np.arange(first, first + 1000, dtype=np.float32)
        mapped[first : first + 1000] = rows[:, None] + np.arange(250) / 8
    mapped.flush()
    return path


LARGE_VIEWS = {
    "whole": lambda a: a,
    "tail": lambda a: a[5:],
    "backwards": lambda a: a[::-1],
    "some_columns": lambda a: a[:, ::-3],
    "odd_rows": lambda a: a.reshape(-1, 500)[:, 250:],
    "channels_last": lambda a: a.reshape(-1, 2, 125).transpose(0, 2, 1),
    "sparse": lambda a: a[:, :250:249],
}


@pytest.mark.parametrize("mode", ["r", "c"])
@pytest.mark.parametrize("view", LARGE_VIEWS)
def test_large_memory_maps_are_read(large_file: Path, view: str, mode: str) -> None:
    array = LARGE_VIEWS[view](np.load(large_file, mmap_mode=mode))
    if mode == "c":
        array[77] = -1  # which the file does not have
    y = np.arange(len(array)) % 3
    expected = np.tensordot(y.astype(np.float64), array.astype(np.float64), 1)
    for seed in (None, 0):
        trainer = moment_trainer(array, y, 1000)
        trainer.start_epoch(seed, 0)
        trainer.run(len(array), 0, 0, [{}])
        np.testing.assert_array_equal(trainer.sums[0]["moment"], expected)


MEMORY = """
import sys
import numpy as np
from ganglion import _core
from linear import training_program

def peak():  # of this process, in MB
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024

X = np.load(sys.argv[1], mmap_mode="r")
y = np.zeros(len(X), np.float32)
store = _core.Store(X.shape[1], "float32")
executable = _core.Executable(training_program(X.shape[1]), "float32", store, None)
steps = -(-len(X) // 128)
scalars = {"learning_rate": np.zeros(steps)}
before = peak()
assert _core.first_not_finite(X) == -1
trainer = _core.Trainer([_core.Turn([executable])], [X, y], 128)
for seed in (None, 0):
    trainer.start_epoch(seed, 0)
    assert trainer.run(steps, 0, 0, [scalars]) == (steps, True)
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the mapping itself is read")
def test_an_epoch_over_a_large_memory_map_needs_little_memory(large_file: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(large_file)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parent,
    )
    assert float(done.stdout) < 20  # MB


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_the_first_row_that_is_not_finite_is_found(value: float, dtype: str) -> None:
    array = np.zeros((5000, 70), dtype)
    assert _core.first_not_finite(array) == -1
    array[4321, 69] = value
    array[4999] = value
    assert _core.first_not_finite(array) == 4321
    assert _core.first_not_finite(array[:, :69]) == 4999
    assert _core.first_not_finite(array[:4999, 0]) == -1
    assert _core.first_not_finite(array[:0]) == -1


def test_large_finite_doubles_are_finite_up_to_the_largest_allowed() -> None:
    array = np.array([5e-324, 1e300, -1e308])
    assert _core.first_not_finite(array) == -1
    assert _core.first_not_finite(array, largest=1e301) == 2
    assert _core.first_not_finite(array, largest=1e38) == 1


# What is refused.


@pytest.mark.parametrize(
    "change, error, message",
    [
        (lambda x: x.astype(object), TypeError, r"input 'x' has dtype object"),
        (lambda x: x.astype(">f4"), TypeError, r"'x' has dtype >f4, whose bytes are in the other"),
        (lambda x: x.astype(complex), TypeError, r"'x' has dtype complex128"),
        (lambda x: x.astype(str), TypeError, r"'x' has dtype <U"),
        (lambda x: x.tolist(), TypeError, r"'x' must be a NumPy array, got list"),
        (lambda x: x[:, :7], ValueError, r"'x' has shape \(100, 7\), expected \(None, 8\)"),
        (lambda x: x[:, :, None], ValueError, r"'x' has shape \(100, 8, 1\)"),
        (lambda x: x[:99], ValueError, r"'x' and 'y' differ in length: 99 against 100"),
    ],
)
def test_wrong_arrays_are_refused(change, error: type[Exception], message: str) -> None:
    regression = Regression(100)
    with pytest.raises(error, match=rf"^\[Trainer\].*{message}"):
        _core.Trainer(
            [_core.Turn([regression.executable])], [change(regression.X), regression.y], 32
        )


def test_arrays_live_as_long_as_their_trainer() -> None:
    arrays = [np.ones((1000, 3)), np.ones(1000)]
    executable = _core.Executable(moment_program((3,)), "float64", None, None)
    trainer = _core.Trainer([_core.Turn([executable])], arrays, 10)
    arrays.clear()
    del executable
    np.full((1000, 3), 5.0)  # would take the place of freed memory
    trainer.run(100, 0, 0, [{}])
    np.testing.assert_array_equal(trainer.sums[0]["moment"], [1000, 1000, 1000])
