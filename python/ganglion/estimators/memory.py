"""Fits kept in a folder, so that one of more epochs goes on from one of fewer."""

from __future__ import annotations

import json
import numbers
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib

from ganglion import spec
from ganglion._core import __version__
from ganglion.errors import check_count
from ganglion.sequential import Sequential

if TYPE_CHECKING:
    from ganglion.estimators.base import NeuralEstimator

_SUFFIX = ".safetensors"


def fit_memory(estimator: NeuralEstimator, data: Any) -> FitMemory:
    """Return what an estimator's ``memory`` keeps of earlier fits like the one it begins.

    Parameters
    ----------
    estimator : NeuralEstimator
        Its network is built and not yet trained.
    data : sequence
        Arrays, or None, that the network is trained on.

    Raises
    ------
    TypeError
        For something else than a folder, and for a network with parts that can't be described, such
        as a function.
    ValueError
        Where a fit that goes on would differ from one as a whole.
    """
    name = type(estimator).__name__
    check_count(estimator, "epochs")
    if not isinstance(estimator.memory, (str, os.PathLike)):
        raise TypeError(f"[{name}] memory must be a folder or None, got {estimator.memory!r}")
    if estimator.early_stopping or estimator.callbacks:
        raise ValueError(
            f"[{name}] memory must be None with early_stopping or callbacks: what they have seen "
            "is not kept"
        )
    if not isinstance(estimator.random_state, numbers.Integral):
        raise ValueError(
            f"[{name}] random_state must be an integer with memory, got "
            f"{estimator.random_state!r}: with another seed each fit has a network of its own"
        )
    if estimator.network_.optimizer.use_ema:
        raise ValueError(
            f"[{name}] memory must be None with an optimizer that has use_ema: a fit ends with "
            "the average in the place of the weights"
        )
    settings = {
        # Found by the fit that begins: the optimizer does not have it yet.
        "finds_learning_rate": estimator._finds_learning_rate,
        "batch_size": estimator.batch_size,
        "shuffle": estimator.shuffle,
    }
    return FitMemory(estimator.memory, estimator.network_, data, settings)


class FitMemory:
    """The fits of one network to the same data in the same way, which differ in their epochs.

    Since the order of the samples and all that is random follow from seed and epoch, a fit that
    goes on from the file of a shorter one ends with the same bits as one from the beginning.

    Parameters
    ----------
    folder : str or path
        Made when it is not there, with a folder in it for each such network. Several processes may
        use it at once: a file is written as a whole or not at all.
    network : Sequential
        As it is before the fit.
    data : sequence
        Arrays, or None, that the network is trained on.
    settings : dict
        What else the result depends on, fit for JSON.

    Raises
    ------
    TypeError
        For a network with parts that can't be described, such as a function.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from ganglion import layers
    >>> X = np.arange(6.0).reshape(3, 2)
    >>> def new(): return Sequential([layers.Dense(1)], loss="mse", random_state=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     memory = FitMemory(folder, new(), [X, X[:, :1]], {"batch_size": 3})
    ...     memory.keep(new().fit(X, X[:, :1], epochs=2, batch_size=3))
    ...     memory.recall(most_epochs=5).epoch_, memory.recall(most_epochs=1)
    (2, None)
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        network: Sequential,
        data: Any,
        settings: dict[str, Any],
    ) -> None:
        parts = [network.layers, network.loss, network.optimizer, network.metrics]
        described = {
            "version": __version__,
            "network": [spec.serialize(part) for part in parts],
            "seed": network.seed_,
            "dtype": network.dtype,
            "settings": settings,
        }
        key = joblib.hash([json.dumps(described, sort_keys=True), data], hash_name="sha1")
        self._folder = Path(folder) / key

    def recall(self, most_epochs: int) -> Sequential | None:
        """Return the network that was trained longest, but no longer than so many epochs.

        Raises
        ------
        ValueError
            For a file that is damaged; the message names it.
        """
        epochs = [int(path.stem) for path in self._folder.glob(f"*{_SUFFIX}")]
        fitting = [number for number in epochs if number <= most_epochs]
        return Sequential.load(self._folder / f"{max(fitting)}{_SUFFIX}") if fitting else None

    def keep(self, network: Sequential) -> None:
        """Write the network, with all that going on needs."""
        self._folder.mkdir(parents=True, exist_ok=True)
        network.save(self._folder / f"{network.epoch_}{_SUFFIX}", training_state=True)
