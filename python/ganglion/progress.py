"""What a fit shows while it runs: a bar, a line for each epoch, or nothing."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from ganglion.callbacks.base import Logs

# Time left, rate, then results; in a narrow terminal without the rate.
_BAR = "{desc}{percentage:3.0f}%|{bar}| {remaining}, {rate_fmt}{postfix}"
_NARROW_BAR = _BAR.replace(", {rate_fmt}", "")
# Of a line, what is no result: the percentage, a bar that can be seen, time left; and the rate.
_BESIDE, _RATE = 24, 18
# Seconds between two updates of the numbers beside the bar.
_INTERVAL = 0.1


def resolve_verbose(verbose: int | str | bool) -> int:
    """Return 0 for silence, 1 for a bar, 2 for a line each epoch.

    Parameters
    ----------
    verbose : {"auto", 0, 1, 2}
        "auto" shows a bar in terminals and notebooks, and nothing where output goes elsewhere.

    Raises
    ------
    ValueError
        For anything else.

    Examples
    --------
    >>> resolve_verbose(2)
    2
    """
    if isinstance(verbose, str) and verbose == "auto":
        # A program without a console has no stderr, and what stands in for it may be no file.
        return int(in_notebook() or bool(getattr(sys.stderr, "isatty", bool)()))
    if isinstance(verbose, (int, np.integer)) and verbose in (0, 1, 2):
        return int(verbose)
    raise ValueError(f"[fit] verbose must be 'auto', 0, 1 or 2, got {verbose!r}")


def in_notebook() -> bool:
    """Tell whether what runs was typed into a notebook, and shown there.

    Examples
    --------
    >>> in_notebook()
    False
    """
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)
    return hasattr(get_ipython(), "kernel")


def _bar_class() -> Any:
    """Return tqdm's bar of widgets for a notebook that has them, else that of text."""
    import tqdm

    with warnings.catch_warnings():
        # It tells users of a notebook without widgets to install them, at each first fit.
        warnings.simplefilter("ignore", tqdm.TqdmWarning)
        from tqdm.auto import tqdm as bar_class
    return bar_class


class Progress:
    """Shows one fit.

    The bar counts samples over all epochs, so that its rate is samples a second and its time left
    that of the whole fit. Without tqdm installed there is a line for each epoch instead.

    Parameters
    ----------
    verbose : int
        As `resolve_verbose` returns it.
    first_epoch, epochs : int
        Number of the first epoch, and how many there will be.
    samples : int
        Samples of one epoch.
    """

    def __init__(self, verbose: int, first_epoch: int, epochs: int, samples: int) -> None:
        self._last_epoch = first_epoch + epochs
        self._first_epoch = first_epoch
        self._samples = samples
        self._done = 0
        self._shown_at = 0.0
        self._bar: Any = None
        self._lines = verbose == 2
        if verbose == 1:
            try:
                tqdm = _bar_class()
            except ImportError:
                self._lines = True
            else:
                self._bar = tqdm(
                    desc=f"{self._name(first_epoch)}: ",
                    total=epochs * samples,
                    unit=" samples",
                    unit_scale=True,
                    dynamic_ncols=True,
                    bar_format=_BAR,
                    # How often it is drawn is decided here.
                    mininterval=0,
                    miniters=1,
                )

    def _name(self, epoch: int) -> str:
        return f"epoch {epoch + 1}/{self._last_epoch}"

    def if_shown(self) -> Progress | None:
        """Return itself when there is something to show within an epoch."""
        return None if self._bar is None else self

    def begin_epoch(self, epoch: int) -> None:
        """Show which epoch runs."""
        self._epoch = epoch
        self._began = time.perf_counter()
        if self._bar is not None:
            self._bar.set_description(self._name(epoch), refresh=False)

    def batch(self, samples: int, logs: Logs) -> None:
        """Show how far the epoch is, and its results so far."""
        # The last batch of an epoch may have been counted as a whole one.
        before = (self._epoch - self._first_epoch) * self._samples
        self._done = before + min(samples, self._samples)
        self._show(logs)

    def end_epoch(self, logs: Logs) -> None:
        """Show the results of the epoch."""
        self._done = (self._epoch - self._first_epoch + 1) * self._samples
        if self._bar is not None:
            self._show(logs)
        elif self._lines:
            seconds = time.perf_counter() - self._began
            numbers = " - ".join(f"{name}: {value:.4g}" for name, value in logs.items())
            print(f"{self._name(self._epoch)} - {seconds:.2f}s - {numbers}")

    def _show(self, numbers: Logs) -> None:
        now = time.perf_counter()
        if now - self._shown_at >= _INTERVAL:
            self._shown_at = now
            shown = {name: f"{value:.3g}" for name, value in numbers.items()}
            width = self._bar.format_dict["ncols"]  # None where a widget makes its own room
            room = (width or sys.maxsize) - len(self._bar.desc) - _BESIDE
            self._bar.bar_format = _BAR if _length(shown) + _RATE <= room else _NARROW_BAR
            self._bar.set_postfix_str(
                _text(shown if _length(shown) <= room else _paired(shown)), refresh=False
            )
            self._bar.update(self._done - self._bar.n)

    def close(self, logs: Logs) -> None:
        """Show the final numbers, and leave the bar as it stands."""
        if self._bar is not None:
            if logs:
                self._shown_at = 0.0
                self._show(logs)
            self._bar.close()


def _text(numbers: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={number}" for name, number in numbers.items())


def _length(numbers: Mapping[str, str]) -> int:
    return len(_text(numbers))


def _paired(numbers: Mapping[str, str]) -> dict[str, str]:
    """Return numbers of training and validation in one: ``loss=0.5/0.6``."""
    return {
        name: f"{number}/{numbers[f'val_{name}']}" if f"val_{name}" in numbers else number
        for name, number in numbers.items()
        if not (name.startswith("val_") and name[4:] in numbers)
    }
