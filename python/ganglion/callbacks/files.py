"""Callbacks that write files."""

from __future__ import annotations

import os
from typing import Any

from ganglion.callbacks.base import Callback, Logs
from ganglion.callbacks.monitor import MonitorCallback


class ModelCheckpoint(MonitorCallback):
    """Save the network after each epoch, or after each that improves.

    Called after the other callbacks, so that what it saves has what they did. A fit that begins
    with the loaded network and the same callbacks goes on where they were.

    Keras's ``save_weights_only``, ``save_freq`` and ``initial_value_threshold`` are left out: the
    whole network is saved, at the end of epochs. What comes after ``save_best_only`` is given by
    name.

    Parameters
    ----------
    filepath : str or path
        Where to save; may hold fields of the epoch (counted from 1) and of its logs, as in
        ``"net-{epoch:02d}-{val_loss:.3f}.safetensors"``.
    monitor : str, default="val_loss"
        Name in the logs of an epoch; looked at only with ``save_best_only``.
    verbose : int, default=0
        1 prints each save.
    save_best_only : bool, default=False
        Whether to save only when the monitored quantity is the best so far.
    mode : {"auto", "min", "max"}, default="auto"
        Whether smaller or larger is better; "auto" tells from the name.
    training_state : bool, default=True
        Whether training can be resumed from the file; see `Sequential.save`.

    Raises
    ------
    ValueError
        For a ``filepath`` with fields that are not named; and after the first epoch, without the
        monitored quantity or one that ``filepath`` names.
    OSError
        When the file cannot be written. One that was there before then stays as it was.

    Examples
    --------
    >>> callback = ModelCheckpoint("best.safetensors", save_best_only=True)
    """

    comes_last = True
    file_settings = ("filepath",)

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        *,
        mode: str = "auto",
        training_state: bool = True,
    ) -> None:
        super().__init__(monitor, mode)
        self.filepath = os.fspath(filepath)
        self._check_fields()
        self.verbose = verbose
        self.save_best_only = save_best_only
        self.training_state = training_state

    def _check_fields(self) -> None:
        import string  # compiles a regular expression: a millisecond

        try:
            fields = [field for _, field, _, _ in string.Formatter().parse(self.filepath)]
        except ValueError as error:
            raise ValueError(f"[ModelCheckpoint] filepath {self.filepath!r}: {error}") from None
        if any(field is not None and not field.isidentifier() for field in fields):
            raise ValueError(
                "[ModelCheckpoint] filepath must name its fields, as in 'net-{epoch:02d}', "
                f"got {self.filepath!r}"
            )

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Begin anew."""
        if self.save_best_only:
            super().on_train_begin(logs)

    def get_state(self) -> dict[str, Any]:
        return super().get_state() if self.save_best_only else {}

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Save, where there is reason to."""
        if self.save_best_only:
            value = self.monitored(logs)
            if not self.improves(value, self.best):
                return
            self.best = value
        try:
            path = self.filepath.format(epoch=epoch + 1, **(logs or {}))
        except KeyError as error:
            raise ValueError(
                f"[ModelCheckpoint] filepath {self.filepath!r} names {error}, which is not logged"
            ) from None
        except ValueError as error:
            raise ValueError(f"[ModelCheckpoint] filepath {self.filepath!r}: {error}") from None
        self.model.save(path, training_state=self.training_state)
        if self.verbose:
            print(f"epoch {epoch + 1}: saved {path}")


class CSVLogger(Callback):
    """Write the logs of each epoch to a file of comma-separated values.

    Parameters
    ----------
    filename : str or path
        Where to write; the first line holds the names.
    separator : str, default=","
        What stands between two values.
    append : bool, default=False
        Whether to write on at the end of a file that is there, rather than anew.

    Raises
    ------
    OSError
        When the file cannot be written.

    Examples
    --------
    >>> callback = CSVLogger("training.csv")
    """

    file_settings = ("filename",)

    def __init__(
        self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False
    ) -> None:
        self.filename = os.fspath(filename)
        self.separator = separator
        self.append = append

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Start the file."""
        self._names: list[str] | None = None
        if not self.append:
            with open(self.filename, "w", encoding="utf-8"):
                pass

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Write one line, so that a fit that is cut short leaves all its epochs."""
        import csv

        logs = logs or {}
        with open(self.filename, "a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter=self.separator)
            if self._names is None:
                self._names = sorted(logs)
                if file.tell() == 0:
                    writer.writerow(["epoch", *self._names])
            writer.writerow([epoch, *(logs.get(name, "") for name in self._names)])
