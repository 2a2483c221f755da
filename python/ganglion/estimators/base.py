"""What the estimators share: checking the data, building the network, training it."""

from __future__ import annotations

import copy
import numbers
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from ganglion import layers as layer_library
from ganglion import losses, optimizers
from ganglion.arguments import names_arguments
from ganglion.callbacks import Callback, EarlyStopping
from ganglion.callbacks.base import check_callbacks
from ganglion.errors import (
    check_at_least,
    check_boolean,
    check_choice,
    check_integer,
    check_share,
)
from ganglion.estimators.checking import check_inputs, check_samples
from ganglion.estimators.failing import leaves_estimator_whole
from ganglion.estimators.labels import weights_of_both
from ganglion.estimators.memory import fit_memory
from ganglion.estimators.tasks import CallbackSupport
from ganglion.estimators.warm import adjusted, network_settings
from ganglion.model import Model
from ganglion.range_test import find_learning_rate
from ganglion.sequential import Sequential
from ganglion.spec import settings_of

# What Keras's and scikit-learn's users write, and where it stands here.
ELSEWHERE_IN_FIT = {
    "validation_data": "X_val and y_val",
    "validation_split": "early_stopping and validation_fraction of the estimator",
    **dict.fromkeys(["epochs", "batch_size", "callbacks", "verbose"], "a setting of the estimator"),
}
ELSEWHERE = {
    "hidden_layer_sizes": "layers",
    "max_iter": "epochs",
    "learning_rate_init": "learning_rate",
    "lr": "learning_rate",
    "solver": "optimizer",
    "alpha": "kernel_regularizer",
    "n_iter_no_change": "patience",
    "tol": "min_delta",
}


@dataclass(frozen=True)
class Head:
    """The end of a network: how many outputs, their activation, and the loss that fits them."""

    units: int
    activation: str
    loss: str | losses.Loss


class HeldOut(NamedTuple):
    """Samples to validate on, as ``fit`` was given them; nothing where there are none."""

    X: Any = None
    y: Any = None
    sample_weight: Any = None


class NeuralEstimator(CallbackSupport, BaseEstimator, ABC):
    """A network that is built from ``y`` and trained anew by ``fit``.

    The constructor only stores, as scikit-learn's estimators do; values are checked by ``fit``.
    """

    network_: Sequential
    _made_with: dict[str, Any]

    @names_arguments("NeuralRegressor", ELSEWHERE)
    def __init__(
        self,
        layers: Sequence[int | layer_library.Layer] = (100,),
        *,
        activation: Any = "relu",
        dropout: float = 0.0,
        kernel_regularizer: Any = None,
        loss: str | losses.Loss = "auto",
        optimizer: str | optimizers.Optimizer = "adam",
        learning_rate: Any = None,
        epochs: int = 100,
        batch_size: int | None = 32,
        shuffle: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 10,
        min_delta: float = 0.0,
        metrics: Sequence[Any] | None = (),
        callbacks: Sequence[Callback] | None = (),
        warm_start: bool = False,
        memory: str | os.PathLike[str] | None = None,
        random_state: Any = None,
        dtype: str = "float32",
        device: str = "auto",
        verbose: int | str = 0,
    ) -> None:
        self.layers = layers
        self.activation = activation
        self.dropout = dropout
        self.kernel_regularizer = kernel_regularizer
        self.loss = loss
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.min_delta = min_delta
        self.metrics = metrics
        self.callbacks = callbacks
        self.warm_start = warm_start
        self.memory = memory
        self.random_state = random_state
        self.dtype = dtype
        self.device = device
        self.verbose = verbose

    @abstractmethod
    def _check_targets(self, y: Any) -> NDArray[Any]:
        """Return ``y`` as an array, or say why it can't be learned."""

    @abstractmethod
    def _learn_targets(self, y: NDArray[Any], classes: ArrayLike | None) -> None:
        """Take the classes or the number of targets from ``y``."""

    @abstractmethod
    def _encode(self, y: NDArray[Any]) -> NDArray[Any]:
        """Turn ``y`` into what the loss takes."""

    @abstractmethod
    def _head(self) -> Head:
        """Return the output layer for the targets learned, and the loss it takes."""

    def _strata(self, y: NDArray[Any]) -> NDArray[Any] | None:
        """Return the groups whose shares the validation split keeps, or None."""
        return None

    def _class_weight_of(self, y: NDArray[Any]) -> NDArray[Any] | None:
        """Return what the classes of ``y`` weigh, sample by sample, or None."""
        return None

    @leaves_estimator_whole
    def _fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None,
        *,
        partial: bool = False,
        classes: ArrayLike | None = None,
        held_out: HeldOut | None = None,
        tasks: Sequence[Callback] = (),
    ) -> None:
        """Train for ``epochs``, or, when ``partial``, for one on from the weights there are."""
        self._check_settings()
        reset = not ((partial or self.warm_start) and hasattr(self, "network_"))
        inputs, labels = self._checked(X, y, reset=reset)
        if reset:
            self._learn_targets(labels, classes)
        target = self._encode(labels)
        weight = self._sample_weight(inputs, labels, sample_weight)
        seed = self._seed()
        callbacks = list(check_callbacks(type(self).__name__, self.callbacks))
        validation = self._validation(held_out)
        if weight is not None and not partial:
            # The scale of the weights must not act as a second learning rate.
            weight = weight / weight.mean()
        if self.early_stopping and not partial:
            if validation is None:
                inputs, target, weight, validation = self._split(
                    inputs, labels, target, weight, seed
                )
            callbacks.append(EarlyStopping(patience=self.patience, min_delta=self.min_delta))
        epochs = 1 if partial else self.epochs
        memory = None
        if reset:
            self.network_ = self._build(seed)
            if self.memory is not None and not partial:
                memory = fit_memory(self, [inputs, target, weight, validation])
                self.network_ = memory.recall(epochs) or self.network_
                epochs -= self.network_.epoch_
            if self._finds_learning_rate and not self.network_.epoch_:
                self._find_learning_rate(inputs, target, weight)
        else:
            self.network_ = adjusted(self, self.network_, self._made_with)
        self._made_with = network_settings(self)
        if memory is None or epochs:
            self.network_.fit(
                inputs,
                target,
                epochs=epochs,
                batch_size=self.batch_size,
                validation_data=validation,
                sample_weight=weight,
                callbacks=[*callbacks, *tasks],
                shuffle=self.shuffle,
                verbose=self.verbose,
            )
        if memory is not None and self.network_.epoch_ == self.epochs:  # not when it diverged
            memory.keep(self.network_)
        for name, value in self._fitted(self.network_).items():
            setattr(self, name, value)

    def _fitted(self, network: Sequential) -> dict[str, Any]:
        """Return the attributes that a network trained so far gives the estimator."""
        history = network.history_
        losses_by_epoch = history.get("loss", [])  # empty when the first epoch diverged
        return {
            "network_": network,
            "history_": history,
            "loss_": losses_by_epoch[-1] if losses_by_epoch else np.nan,
            "n_iter_": len(losses_by_epoch),
        }

    def _check_settings(self) -> None:
        """Check what is not checked by the network, or only with some other settings."""
        check_boolean(self, "early_stopping", "warm_start")
        if isinstance(self.learning_rate, str):
            check_choice(self, ["auto"], "learning_rate")
        check_integer(self, "patience")
        check_at_least(self, 0, "patience", "min_delta")
        check_share(self, "dropout")

    def _checked(self, X: ArrayLike, y: ArrayLike, *, reset: bool) -> tuple[Any, Any]:
        X, y = check_samples(self, X, y, reset=reset, ragged=True)
        return X, self._check_targets(y)

    def _validation(self, given: HeldOut | None) -> tuple[Any, ...] | None:
        """Return what the network validates on, weighed as what it trains on."""
        if given is None or all(part is None for part in given):
            return None
        try:
            if given.X is None or given.y is None:
                raise ValueError("X_val and y_val must both be given")
            X, labels = self._checked(given.X, given.y, reset=False)
            target = self._encode(labels)
            weight = self._sample_weight(X, labels, given.sample_weight)
        except ValueError as error:
            message = str(error).removeprefix(f"[{type(self).__name__}] ")
            raise ValueError(f"[{type(self).__name__}] validation data: {message}") from error
        return (X, target) if weight is None else (X, target, weight / weight.mean())

    def _sample_weight(
        self, X: NDArray[Any], y: NDArray[Any], sample_weight: ArrayLike | None
    ) -> NDArray[Any] | None:
        if sample_weight is None:
            return self._class_weight_of(y)
        given: NDArray[Any] = _check_sample_weight(sample_weight, X, ensure_non_negative=True)
        if not given.any():  # scikit-learn's check says so itself, but only in its newer releases
            raise ValueError(f"[{type(self).__name__}] sample_weight is 0 for every sample")
        return weights_of_both(self, self._class_weight_of(y), given)

    def _seed(self) -> int:
        if isinstance(self.random_state, numbers.Integral):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))

    def _split(
        self,
        X: NDArray[Any],
        y: NDArray[Any],
        target: NDArray[Any],
        weight: NDArray[Any] | None,
        seed: int,
    ) -> tuple[Any, Any, Any, tuple[Any, ...]]:
        """Set a fraction aside to stop by. The only place where the data is copied."""
        fraction = self.validation_fraction
        if not 0 < fraction < 1:
            raise ValueError(
                f"[{type(self).__name__}] validation_fraction must be in (0, 1), got {fraction!r}"
            )
        arrays = [X, target] if weight is None else [X, target, weight]
        try:
            halves = train_test_split(
                *arrays,
                test_size=fraction,
                random_state=seed,
                stratify=self._strata(y),
            )
        except ValueError as error:
            raise ValueError(
                f"[{type(self).__name__}] early_stopping cannot hold out validation_fraction "
                f"{fraction!r} of {len(target)} samples: {error}"
            ) from error
        kept, held_out = halves[0::2], tuple(halves[1::2])
        return kept[0], kept[1], kept[2] if weight is not None else None, held_out

    def _build(self, seed: int) -> Sequential:
        head = self._head()
        output = layer_library.Dense(
            head.units, activation=head.activation, kernel_regularizer=self.kernel_regularizer
        )
        return Sequential(
            [*self._hidden_layers(), output],
            loss=self._loss(),
            optimizer=self._optimizer(),
            metrics=copy.deepcopy(self.metrics),
            random_state=seed,
            dtype=self.dtype,
            device=self.device,
        )

    def _hidden_layers(self) -> list[layer_library.Layer]:
        if isinstance(self.layers, str) or not isinstance(self.layers, Iterable):
            raise TypeError(
                f"[{type(self).__name__}] layers must be a list of widths and Layers, "
                f"got {self.layers!r}{_of_network(self.layers)}"
            )
        hidden: list[layer_library.Layer] = []
        for layer in self.layers:
            if isinstance(layer, layer_library.Layer):
                if getattr(getattr(layer, "layer", layer), "stateful", False):
                    raise ValueError(
                        f"[{type(self).__name__}] layers must not be stateful, since samples are "
                        f"shuffled: use Sequential, got {layer!r}"
                    )
                hidden.append(copy.deepcopy(layer))
            elif isinstance(layer, numbers.Integral) and not isinstance(layer, bool):
                hidden.append(
                    layer_library.Dense(
                        int(layer),
                        activation=self.activation,
                        kernel_regularizer=self.kernel_regularizer,
                    )
                )
                if self.dropout:
                    hidden.append(layer_library.Dropout(self.dropout))
            else:
                raise TypeError(
                    f"[{type(self).__name__}] layers must hold widths and Layers, got {layer!r}"
                    f"{_of_network(layer)}"
                )
        return hidden

    def _loss(self) -> losses.Loss:
        head = self._head()
        if isinstance(self.loss, str) and self.loss == "auto":
            return losses.get(head.loss)
        loss = copy.deepcopy(losses.get(self.loss))
        if head.activation != "linear" and getattr(loss, "from_logits", False):
            raise ValueError(
                f"[{type(self).__name__}] loss must not be from_logits, since the network ends in "
                f"a {head.activation}, got {loss!r}: without it the logits are seen through the "
                f"{head.activation} all the same"
            )
        return loss

    def _optimizer(self) -> optimizers.Optimizer:
        optimizer = copy.deepcopy(optimizers.get(self.optimizer))
        if self.learning_rate is None or self._finds_learning_rate:
            return optimizer
        return with_learning_rate(optimizer, self.learning_rate)

    @property
    def _finds_learning_rate(self) -> bool:
        return isinstance(self.learning_rate, str)

    def _find_learning_rate(self, X: Any, target: Any, weight: Any) -> None:
        found = find_learning_rate(
            self.network_, X, target, sample_weight=weight, batch_size=self.batch_size
        )
        net = self.network_
        net.compile(
            loss=net.loss,
            optimizer=with_learning_rate(net.optimizer, found.suggestion),
            metrics=net.metrics,
        )

    def network_and_samples(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        fitted: bool = True,
    ) -> tuple[Sequential, Any, Any, Any]:
        """Return the network behind the estimator, and the data as that takes it.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.
        fitted : bool, default=True
            Whether the network that was trained is meant, or a new one, as `fit` would begin with.

        Returns
        -------
        network : Sequential
            The estimator itself does not change.
        X, y, sample_weight : ndarray
            Nothing is set aside for early stopping; the weights may be None.

        Raises
        ------
        NotFittedError
            When it was not trained and should be.
        """
        if fitted:
            check_is_fitted(self, "network_")
        model = self if fitted else clone(self)
        model._check_settings()
        inputs, labels = model._checked(X, y, reset=not fitted)
        if not fitted:
            model._learn_targets(labels, None)
        weight = model._sample_weight(inputs, labels, sample_weight)
        if weight is not None:
            weight = weight / weight.mean()
        network = model.network_ if fitted else model._build(model._seed())
        return network, inputs, model._encode(labels), weight

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _outputs(self, X: ArrayLike) -> NDArray[Any]:
        """Return what the network's last layer gives for each row, (n, units)."""
        check_is_fitted(self, "network_")
        inputs = check_inputs(self, X, reset=False, ragged=True)
        outputs: NDArray[Any] = self.network_.predict(inputs)
        return outputs


def with_learning_rate(optimizer: optimizers.Optimizer, rate: Any) -> optimizers.Optimizer:
    """Return an optimizer of the same settings with another learning rate."""
    return type(optimizer)(**{**settings_of(optimizer), "learning_rate": rate})


def _of_network(given: object) -> str:
    """Return what to do with a network in the place of layers."""
    if isinstance(given, Sequential):
        return ": its layers are net.layers, without their weights"
    return ": a Model is trained by its own fit" if isinstance(given, Model) else ""
