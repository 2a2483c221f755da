"""How many threads programs run on.

At first it is the environment variable ``GANGLION_NUM_THREADS``, or else the number of processors
that the scheduler, the container and ``OMP_NUM_THREADS`` leave to this process. The results do not
depend on it.

threadpoolctl, and what builds on it, limits ganglion with the others:

>>> import ganglion
>>> from threadpoolctl import threadpool_limits
>>> with threadpool_limits(1):
...     ganglion.get_num_threads()
1
"""

from __future__ import annotations

import importlib.machinery
import numbers
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType

from ganglion import _core
from ganglion.errors import warn


def _check_environment() -> None:
    given = os.environ.get("GANGLION_NUM_THREADS", "1")
    if not (given.strip().isdigit() and 1 <= int(given) <= 1024):
        warn(
            f"[threads] GANGLION_NUM_THREADS must be a whole number from 1 to 1024, got {given!r}: "
            "it is not followed"
        )


def get_num_threads() -> int:
    """Return the number of threads that programs run on.

    Examples
    --------
    >>> get_num_threads() >= 1
    True
    """
    return _core.get_num_threads()


def set_num_threads(threads: int) -> None:
    """Set the number of threads that programs run on, in the whole process.

    Parameters
    ----------
    threads : int
        From 1 to 1024. More than there are processors is slower than as many.

    Raises
    ------
    TypeError
        Not an integer.
    ValueError
        Out of range.

    Examples
    --------
    >>> before = get_num_threads()
    >>> set_num_threads(2)
    >>> get_num_threads()
    2
    >>> set_num_threads(before)
    """
    if isinstance(threads, bool) or not isinstance(threads, numbers.Integral):
        raise TypeError(f"[set_num_threads] threads must be a whole number, got {threads!r}")
    _core.set_num_threads(int(threads))


@contextmanager
def threads(number: int) -> Iterator[None]:
    """Run a block on a number of threads, then go back to the number before.

    Parameters
    ----------
    number : int
        As for `set_num_threads`. It holds for the whole process, not for the calling thread alone.

    Examples
    --------
    >>> with threads(1):
    ...     get_num_threads()
    1
    """
    before = get_num_threads()
    set_num_threads(number)
    try:
        yield
    finally:
        set_num_threads(before)


def _register(threadpoolctl: ModuleType) -> None:
    """Make ganglion one of the libraries that threadpoolctl finds."""

    class GanglionController(threadpoolctl.LibController):  # type: ignore[misc,name-defined]
        user_api = "ganglion"
        internal_api = "ganglion"
        filename_prefixes = ("_core",)
        check_symbols = ("ganglion_get_num_threads",)

        def get_num_threads(self) -> int:
            return get_num_threads()

        def set_num_threads(self, num_threads: int) -> None:
            set_num_threads(num_threads)

        def get_version(self) -> str:
            return _core.__version__

    threadpoolctl.register(GanglionController)


class _RegisterWhenImported:
    """Waits on ``sys.meta_path`` for threadpoolctl, so that ganglion need not import it."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != "threadpoolctl":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            _register(module)
            if self in sys.meta_path:
                sys.meta_path.remove(self)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


_check_environment()
if "threadpoolctl" in sys.modules:
    _register(sys.modules["threadpoolctl"])
else:
    sys.meta_path.insert(0, _RegisterWhenImported())
