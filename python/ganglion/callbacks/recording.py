"""Callbacks that keep what a network went through, for `ganglion.plot` to draw."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ganglion.callbacks.base import Callback, Logs
from ganglion.errors import check_count

Array = NDArray[Any]


class WeightRecorder(Callback):
    """Keep the weights after each epoch: the path of the descent.

    `ganglion.plot.loss_landscape` draws it. It begins anew in each fit, with the weights before the
    first epoch.

    Parameters
    ----------
    every : int, default=1
        Epochs from one copy to the next. The last epoch is always kept.

    Attributes
    ----------
    epochs : list of int
        Epochs trained when each copy was made.
    weights : list of list of ndarray
        The copies, as `Sequential.get_weights` returns them.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion import Sequential, layers
    >>> recorder = WeightRecorder()
    >>> net = Sequential([layers.Dense(1)], loss="mse", random_state=0)
    >>> _ = net.fit(np.eye(4), np.arange(4), epochs=3, callbacks=[recorder])
    >>> recorder.epochs
    [0, 1, 2, 3]
    """

    def __init__(self, every: int = 1) -> None:
        self.every = every
        check_count(self, "every")
        self.epochs: list[int] = []
        self.weights: list[list[Array]] = []

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Begin anew, with the weights there are."""
        self.epochs, self.weights = [], []
        self._keep(self.model.epoch_)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Keep the weights of every so many epochs."""
        if (epoch + 1 - self.epochs[0]) % self.every == 0:
            self._keep(epoch + 1)

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Keep the weights that the fit ended with."""
        if self.epochs[-1] != self.model.epoch_:
            self._keep(self.model.epoch_)

    def _keep(self, epoch: int) -> None:
        self.epochs.append(epoch)
        self.weights.append(self.model.get_weights())


class LayerRecorder(Callback):
    """Keep how weights and gradients are distributed after each epoch, and count dead units.

    `ganglion.plot.weight_histograms` and `ganglion.plot.dead_units` draw it. It begins anew in each
    fit, with the network before the first epoch.

    A unit is dead when its activation is the same number for every sample looked at: a ReLU that is
    always 0, a tanh that is always 1. Its weights hardly learn any more.

    Parameters
    ----------
    X, y : array_like
        Some hundred samples to look at, and their targets, as the network takes them. Layers act as
        in prediction.
    values : int, default=5000
        Elements that are kept of a weight that has more: the same, drawn once, at each epoch.

    Attributes
    ----------
    epochs : list of int
        Epochs trained at each look.
    weights, gradients : dict of str to list of ndarray
        For each weight that is trained, such as ``"dense/kernel"``, its elements and those of the
        gradient of the loss on the samples, at each look.
    kernels : list of str
        The names of those that have two and more dimensions.
    units, dead_units : dict of str to int, and to list of int
        For each layer with an activation, but the last, how many units it has, and how many of them
        were dead at each look.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion import Sequential, layers
    >>> X, y = np.eye(4), np.arange(4)
    >>> recorder = LayerRecorder(X, y)
    >>> net = Sequential([layers.Dense(8, "relu"), layers.Dense(1)], loss="mse", random_state=0)
    >>> _ = net.fit(X, y, epochs=2, callbacks=[recorder])
    >>> [kernel.shape for kernel in recorder.weights["dense/kernel"]]
    [(32,), (32,), (32,)]
    >>> recorder.units
    {'dense': 8}
    """

    of_one_network = True

    def __init__(self, X: ArrayLike, y: ArrayLike, values: int = 5000) -> None:
        self.X = X
        self.y = y
        self.values = values
        check_count(self, "values")
        self._forget()

    def _forget(self) -> None:
        self.epochs: list[int] = []
        self.weights: dict[str, list[Array]] = {}
        self.gradients: dict[str, list[Array]] = {}
        self.kernels: list[str] = []
        self.units: dict[str, int] = {}
        self.dead_units: dict[str, list[int]] = {}

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Begin anew, with a look at the network as it is."""
        self._forget()
        self._look(self.model.epoch_)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Look at the network."""
        self._look(epoch + 1)

    def _look(self, epoch: int) -> None:
        net = self.model
        _, found = net.loss_and_gradients(self.X, self.y)
        gradients = dict(zip(net.trainable_weight_names, found, strict=True))
        self.kernels = [name for name, gradient in gradients.items() if gradient.ndim > 1]
        weights = dict(zip(net.weight_names, net.get_weights(), strict=True))
        outputs = net.layer_outputs(self.X)
        for name, gradient in gradients.items():
            self.weights.setdefault(name, []).append(self._some(weights[name]))
            self.gradients.setdefault(name, []).append(self._some(gradient))
        hidden = [row for row in net.layer_rows if row.layer is not net.layers[-1]]
        for row in hidden:
            if getattr(row.layer, "activation", None) is not None:
                units = outputs[row.name].reshape(-1, outputs[row.name].shape[-1])
                self.units[row.name] = units.shape[1]
                dead = int((np.ptp(units, axis=0) == 0).sum())
                self.dead_units.setdefault(row.name, []).append(dead)
        self.epochs.append(epoch)

    def _some(self, array: Array) -> Array:
        flat = array.ravel()
        if flat.size > self.values:
            flat = flat[np.random.default_rng(0).choice(flat.size, self.values, replace=False)]
        kept: Array = flat.copy()
        return kept
