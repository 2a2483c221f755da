"""Threads: how many there are, callers at once, forks, and threadpoolctl."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from linear import Regression, copy_program

import ganglion
from ganglion import _core
from ganglion.threads import threads

VARIABLES = ("GANGLION_NUM_THREADS", "OMP_NUM_THREADS")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
needs_two_cores = pytest.mark.skipif(_core.available_cores() < 2, reason="there is one processor")


@pytest.fixture(autouse=True)
def threads_as_before() -> Iterator[None]:
    with threads(ganglion.get_num_threads()):
        yield


def run_python(code: str, **variables: str) -> str:
    """What a new process prints."""
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parent,
        env=environment | variables,
        timeout=60,
    )
    return done.stdout.strip()


def initial_threads(before: str = "", **variables: str) -> int:
    code = f"{before}\nfrom ganglion import _core; print(_core.get_num_threads())"
    return int(run_python(code, **variables))


# How many.


def test_threads_are_the_processors_at_first() -> None:
    assert initial_threads() == _core.available_cores()


def test_ganglion_num_threads_comes_first() -> None:
    assert initial_threads(GANGLION_NUM_THREADS="5") == 5
    assert initial_threads(GANGLION_NUM_THREADS="5", OMP_NUM_THREADS="1") == 5


@needs_two_cores
def test_omp_num_threads_limits() -> None:
    assert initial_threads(OMP_NUM_THREADS="1") == 1
    assert initial_threads(OMP_NUM_THREADS="1,4") == 1
    assert initial_threads(OMP_NUM_THREADS="1000") == _core.available_cores()


@pytest.mark.parametrize("value", ["", "0", "-3", "many"])
def test_variables_that_are_no_number_are_ignored(value: str) -> None:
    cores = _core.available_cores()
    assert initial_threads(GANGLION_NUM_THREADS=value, OMP_NUM_THREADS=value) == cores


@needs_two_cores
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system has no affinity")
def test_affinity_limits() -> None:
    assert (
        initial_threads("import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})") == 1
    )


def write_files(root: Path, files: dict[str, str]) -> str:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return str(root)


# A group's limits: version 2, version 1, and a container that sees the host's path.
LIMITS = {
    "v2": {"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": "100000 100000\n"},
    "v2_parent": {
        "proc/self/cgroup": "0::/a/b\n",
        "sys/fs/cgroup/a/b/cpu.max": "max 100000\n",
        "sys/fs/cgroup/a/cpu.max": "50000 100000\n",
    },
    "v1": {
        "proc/self/cgroup": "5:memory:/x\n3:cpu,cpuacct:/x\n0::/\n",
        "sys/fs/cgroup/cpu/x/cpu.cfs_quota_us": "90000\n",
        "sys/fs/cgroup/cpu/x/cpu.cfs_period_us": "100000\n",
    },
    "v1_container": {
        "proc/self/cgroup": "3:cpu,cpuacct:/docker/abc\n",
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "100000\n",
        "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
    },
}
NO_LIMITS = {
    "none": {},
    "v2_max": {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"},
    "v1_none": {
        "proc/self/cgroup": "3:cpu:/\n",
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
        "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
    },
    "more_than_there_are": {
        "proc/self/cgroup": "0::/\n",
        "sys/fs/cgroup/cpu.max": "99900000 100000\n",
    },
}


@pytest.mark.parametrize("files", LIMITS.values(), ids=LIMITS)
def test_control_groups_limit(tmp_path: Path, files: dict[str, str]) -> None:
    assert _core.available_cores(write_files(tmp_path, files)) == 1


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system has no affinity")
@pytest.mark.parametrize("files", NO_LIMITS.values(), ids=NO_LIMITS)
def test_groups_without_a_limit_leave_all(tmp_path: Path, files: dict[str, str]) -> None:
    cores = len(os.sched_getaffinity(0))
    assert _core.available_cores(write_files(tmp_path, files)) == cores


def test_threads_can_be_set() -> None:
    before = ganglion.get_num_threads()
    with threads(3):
        assert ganglion.get_num_threads() == 3
        ganglion.set_num_threads(8)
        assert ganglion.get_num_threads() == 8
    assert ganglion.get_num_threads() == before


@pytest.mark.parametrize("number", [0, -1, 1025])
def test_wrong_numbers_of_threads_are_refused(number: int) -> None:
    with pytest.raises(
        ValueError, match=rf"\[set_num_threads\] .* between 1 and 1024, got {number}"
    ):
        ganglion.set_num_threads(number)


@pytest.mark.parametrize("number", [2, 3, 8])
def test_bits_do_not_depend_on_the_threads(number: int) -> None:
    with threads(1):
        expected = Regression(2000, 300).fit(2, batch_size=1000)
    with threads(number):
        found = Regression(2000, 300).fit(2, batch_size=1000)
    np.testing.assert_array_equal(found, expected)


# At once.


def test_eight_threads_predict_on_one_executable() -> None:
    arrays = [np.random.default_rng(seed).normal(size=(50, 20)) for seed in range(8)]
    executable = _core.Executable(copy_program((20,)), "float64", None, None)

    def predict(array: np.ndarray) -> bool:
        return all(np.array_equal(executable.predict([array], 7)[0], array) for _ in range(300))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(predict, arrays))


def test_eight_threads_train_at_once() -> None:
    expected = Regression(2000, 300).fit(2, batch_size=1000)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: Regression(2000, 300).fit(2, batch_size=1000), range(8)))
    for weights in found:
        np.testing.assert_array_equal(weights, expected)


def test_results_are_not_read_in_the_middle_of_a_step() -> None:
    regression = Regression(20_000)
    trainer = regression.trainer(1)
    trainer.start_epoch(0, 0)
    running = threading.Thread(target=lambda: regression.run(trainer, 20_000, rate=1e-3))
    running.start()
    rows = trainer.rows
    running.join()
    assert rows in (0, 20_000)


# Forks.


def in_child(work: Callable[[], bool]) -> bool:
    """Whether `work` gives True in a fork of this process, within 20 seconds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of fork in a process with threads
        child = os.fork()
    if child == 0:
        threading.Timer(20, lambda: os._exit(2)).start()
        try:
            good = work()
        except BaseException:
            good = False
        os._exit(0 if good else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@needs_fork
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_fork_trains_on(number: int) -> None:
    with threads(number):
        expected = Regression(2000, 300)
        expected.fit(2, batch_size=1000)
        forked = Regression(2000, 300)
        forked.fit(1, batch_size=1000)

        def train_on() -> bool:
            trainer = forked.trainer(1000)
            trainer.start_epoch(0, 1)
            forked.run(trainer, 2)
            return np.array_equal(forked.weights.array, expected.weights.array)

        assert in_child(train_on)
        assert train_on()


@needs_fork
def test_a_fork_while_others_train() -> None:
    regressions = [Regression(2000, 300) for _ in range(2)]
    stop = threading.Event()

    def train(regression: Regression) -> None:
        while not stop.is_set():
            regression.fit(1, batch_size=1000)

    running = [threading.Thread(target=train, args=[regression]) for regression in regressions]
    for thread in running:
        thread.start()
    try:
        # Each executable may have been forked in the middle of a run.
        for _ in range(10):
            assert in_child(lambda: all(np.isfinite(r.fit(2)).all() for r in regressions))
    finally:
        stop.set()
        for thread in running:
            thread.join()


@needs_fork
def test_a_fork_in_progress_leaves_both_usable() -> None:
    regression = Regression(1_000_000)
    trainer = regression.trainer(1)
    forked: list[bool] = []

    def progress(steps: int, loss: float) -> None:
        forked.append(in_child(lambda: regression.run(trainer, 3) == (3, True)))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        regression.run(trainer, 10**6, rate=1e-3, progress=progress)
    assert forked == [True]
    assert regression.run(trainer, 3) == (3, True)


# threadpoolctl.

LIMIT = """
from ganglion import _core
found = [i for i in threadpoolctl.threadpool_info() if i["user_api"] == "ganglion"]
assert len(found) == 1, found
assert found[0]["num_threads"] == 3 and found[0]["version"] == _core.__version__, found
with threadpoolctl.threadpool_limits(1):
    print(_core.get_num_threads())
with threadpoolctl.threadpool_limits(2, user_api="ganglion"):
    print(_core.get_num_threads())
print(_core.get_num_threads())
"""


FIRST = {
    "ganglion": "import ganglion.threads",
    "threadpoolctl": "import threadpoolctl",
    "looked_for": "import ganglion.threads, importlib.util as u; u.find_spec('threadpoolctl')",
}


@pytest.mark.parametrize("first", FIRST.values(), ids=FIRST)
def test_threadpoolctl_limits(first: str) -> None:
    pytest.importorskip("threadpoolctl")
    code = f"{first}\nimport threadpoolctl, ganglion.threads\n{LIMIT}"
    assert run_python(code, GANGLION_NUM_THREADS="3").split() == ["1", "2", "3"]


def test_threadpoolctl_is_not_imported() -> None:
    code = "import sys, ganglion; print('threadpoolctl' in sys.modules)"
    assert run_python(code) == "False"


def test_a_missing_threadpoolctl_is_still_missing() -> None:
    code = """
import sys, ganglion.threads
sys.path = []
try:
    import threadpoolctl
except ModuleNotFoundError:
    print("missing")
"""
    assert run_python(code) == "missing"


def test_joblib_limits_its_workers() -> None:
    pytest.importorskip("joblib")
    code = """
import joblib
from ganglion import _core
with joblib.parallel_config("loky", inner_max_num_threads=1):
    print(*joblib.Parallel(2)(joblib.delayed(_core.get_num_threads)() for _ in range(2)))
"""
    assert run_python(code) == "1 1"


@needs_two_cores
def test_other_programs_on_the_processors_do_not_stop_the_team() -> None:
    """Waiting for a thread that is not scheduled, at every step, once cost 200 times the work."""
    code = """
import time, numpy as np
from ganglion import Sequential, layers, set_num_threads
X = np.zeros((640, 64), np.float32)
net = Sequential([layers.Dense(128), layers.Dense(64), layers.Dense(1)], loss="mse", random_state=0)
net.fit(X, X[:, 0], batch_size=64)
for threads in (1, 2):
    set_num_threads(threads)
    start = time.perf_counter()
    net.fit(X, X[:, 0], epochs=40, batch_size=64)
    print(time.perf_counter() - start)
"""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        alone, together = map(float, run_python(code).split())
    finally:
        for process in busy:
            process.kill()
            process.wait()
    assert together < 30 * alone


@pytest.mark.parametrize("value", ["abc", "0", "-1"])
def test_an_environment_that_is_no_number_is_warned_of(value, monkeypatch):
    monkeypatch.setenv("GANGLION_NUM_THREADS", value)
    with pytest.warns(UserWarning, match=rf"GANGLION_NUM_THREADS .* got '{value}'"):
        ganglion.threads._check_environment()
