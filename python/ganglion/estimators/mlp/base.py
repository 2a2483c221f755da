"""What `MLPClassifier` and `MLPRegressor` share: scikit-learn's conventions around one network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from ganglion.errors import warn
from ganglion.estimators.base import HeldOut
from ganglion.estimators.checking import check_inputs, check_samples
from ganglion.estimators.failing import leaves_estimator_whole
from ganglion.estimators.mlp import building, checks, conversion, lbfgs
from ganglion.estimators.mlp.solvers import Monitor, Shuffling, Solver
from ganglion.estimators.tasks import CallbackSupport, EpochTasks
from ganglion.losses import Loss
from ganglion.sequential import Sequential

if TYPE_CHECKING:
    from typing_extensions import Self

Array = NDArray[Any]
# Inputs, encoded targets (n, outputs), and weights.
Samples = tuple[Any, Array, Array | None]

# Samples of one update unless batch_size says otherwise, scikit-learn's choice.
_AUTO_BATCH = 200


class BaseMLP(CallbackSupport, BaseEstimator, ABC):
    """A multi-layer perceptron with scikit-learn's settings and attributes, trained by the core.

    ``coefs_`` and ``intercepts_`` are lists of the network's own arrays. What is assigned there, or
    written into them, is what the network computes with from then on.
    """

    network_: Sequential
    coefs_: list[Array]
    intercepts_: list[Array]
    out_activation_: str
    n_outputs_: int

    def __init__(self, **settings: Any) -> None:
        for name, value in settings.items():
            setattr(self, name, value)

    # What classification and regression differ in.

    @abstractmethod
    def _learn_targets(self, y: Array, *, first: bool, partial: bool) -> None:
        """Take the classes from ``y``, or check that it goes with what is known."""

    @abstractmethod
    def _encode(self, y: Array) -> Array:
        """Return ``y`` as scikit-learn's network learns it, (n, outputs)."""

    @abstractmethod
    def _output(self) -> str:
        """Return the name of the output activation."""

    @abstractmethod
    def _loss(self) -> Loss:
        """Return what is minimised."""

    @abstractmethod
    def _score_outputs(self, target: Array, outputs: Array, weight: Array | None) -> float:
        """Return accuracy or R2 of the network's outputs for encoded targets."""

    def _targets(self, encoded: Array) -> Array:
        """Return encoded targets as the loss takes them."""
        return encoded

    def _strata(self, target: Array) -> Array | None:
        """Return the groups whose shares the validation split keeps, or None."""
        return None

    def _weighted(self, y: Array, weight: Array | None) -> Array | None:
        """Return the sample weights times those of the classes."""
        return weight

    # Training.

    @leaves_estimator_whole
    def _fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None,
        *,
        partial: bool = False,
        held_out: HeldOut | None = None,
        tasks: Sequence[EpochTasks] = (),
    ) -> None:
        checks.check(self)
        if partial and self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        first = not hasattr(self, "coefs_") or not (self.warm_start or partial)
        if not first:
            checks.check_kept(self)
        X, y, weight = self._checked(X, y, sample_weight, reset=first)
        self._learn_targets(y, first=first, partial=partial)
        samples = X, self._encode(y), self._weighted(y, weight)
        validation = self._validation(held_out or HeldOut())
        self.n_outputs_ = samples[1].shape[1]
        # Drawn from in scikit-learn's order: weights, the split, the order of each epoch.
        random = check_random_state(self.random_state)
        if first:
            self._initialize(samples[0], random)
        if self.early_stopping and validation is None and self.solver != "lbfgs":
            samples, validation = self._split(*samples, random)
        fresh = first or not hasattr(self, "network_")
        goes_on = partial and not fresh and hasattr(self, "_optimizer")
        network = (
            building.build(self, random)
            if fresh
            else building.adjusted(self, self.network_, goes_on=goes_on)
        )
        if fresh or network is not self.network_:
            self.network_ = network
            # A fit that fails goes back to the lists that were there, with the arrays in them.
            self.coefs_, self.intercepts_ = list(self.coefs_), list(self.intercepts_)
        self._share_weights()
        if self.solver == "lbfgs":
            self.__dict__.pop("_optimizer", None)  # the network has none to go on with
            self._minimize(samples, tasks)
            return
        if not goes_on:
            self._optimizer = Solver(self)
            self.network_.reset_optimizer()
        self._train(samples, validation, random, partial, tasks)

    @property
    def _epochs(self) -> int:
        """The most epochs that a fit has."""
        return 0 if self.solver == "lbfgs" else self.max_iter

    def _fitted(self, network: Sequential) -> dict[str, Any]:
        """Return what a network gives the estimator: nothing that was not set as it trained."""
        return {}

    def _reconstructed(
        self, network: Sequential, weights: Sequence[Array] | None
    ) -> dict[str, Any]:
        """Return attributes of the estimator as if its fit had ended, with a copy of its network.

        Parameters
        ----------
        network : Sequential
            Nobody else's.
        weights : list of ndarray or None
            Those that the fit would go back to.
        """
        if weights is not None:
            network.set_weights(weights)
        coefs, intercepts = building.weights(network)
        curves = {
            name: list(vars(self)[name])
            for name in ("loss_curve_", "validation_scores_")
            if vars(self).get(name) is not None
        }
        return {"network_": network, "coefs_": coefs, "intercepts_": intercepts, **curves}

    def _checked(
        self, X: Any, y: Any, sample_weight: Any, *, reset: bool
    ) -> tuple[Any, Array, Array | None]:
        """Return inputs, targets or labels, and weights, as arrays that go together."""
        X, y = check_samples(self, X, y, reset=reset)
        weight = None
        if sample_weight is not None:
            weight = _check_sample_weight(sample_weight, X, ensure_non_negative=True)
            if not weight.any():
                raise ValueError(f"[{type(self).__name__}] sample_weight is 0 for every sample")
        return X, checks.flat_column(y), weight

    def _validation(self, given: HeldOut) -> Samples | None:
        """Return the samples that a user set aside, checked."""
        if all(part is None for part in given):
            return None
        try:
            if given.X is None or given.y is None:
                raise ValueError("X_val and y_val must both be given")
            if self.solver == "lbfgs":
                raise ValueError("lbfgs has no epochs after which to look at it")
            X, y, weight = self._checked(*given, reset=False)
            return X, self._encode(y), self._weighted(y, weight)
        except ValueError as error:
            raise ValueError(f"[{type(self).__name__}] validation data: {error}") from error

    def _initialize(self, X: Any, random: np.random.RandomState) -> None:
        """Draw the weights that scikit-learn would draw, and forget what was learned."""
        self.out_activation_ = self._output()
        self.coefs_, self.intercepts_ = building.draw(self, X, random)
        self.n_layers_ = len(self.coefs_) + 1
        self.n_iter_ = 0
        self.t_ = 0
        if self.solver != "lbfgs":
            self._start_curves()

    def _start_curves(self) -> None:
        self.loss_curve_: list[float] = []
        self._no_improvement_count = 0
        stopping = self.early_stopping
        self.validation_scores_: list[float] | None = [] if stopping else None
        self.best_validation_score_ = -np.inf if stopping else None
        self.best_loss_ = None if stopping else np.inf

    def _share_weights(self) -> None:
        """Make ``coefs_`` and ``intercepts_`` the network's arrays, with the values they hold."""
        coefs, intercepts = building.weights(self.network_)
        self.coefs_ = building.shared("coefs_", self.coefs_, coefs)
        self.intercepts_ = building.shared("intercepts_", self.intercepts_, intercepts)

    def _split(
        self, X: Any, target: Array, weight: Array | None, random: np.random.RandomState
    ) -> tuple[Samples, Samples]:
        """Set a fraction aside to stop by."""
        if not self.validation_fraction:
            raise ValueError(
                f"[{type(self).__name__}] validation_fraction must be in (0, 1) with "
                f"early_stopping, got {self.validation_fraction!r}"
            )
        arrays = [X, target] if weight is None else [X, target, weight]
        halves = train_test_split(
            *arrays,
            random_state=random,
            test_size=self.validation_fraction,
            stratify=self._strata(target),
        )
        if len(halves[3]) < 2:
            raise ValueError(
                f"[{type(self).__name__}] The validation set is too small: validation_fraction "
                f"{self.validation_fraction!r} of {len(target)} samples sets {len(halves[3])} aside"
            )
        halves += [None, None] if weight is None else []
        return tuple(halves[0::2]), tuple(halves[1::2])

    def _train(
        self,
        samples: Samples,
        validation: Samples | None,
        random: np.random.RandomState,
        partial: bool,
        tasks: Sequence[EpochTasks],
    ) -> None:
        X, target, weight = samples
        # Fitted by lbfgs before, or with another setting of early_stopping.
        if not hasattr(self, "loss_curve_") or (self.best_loss_ is None) != self.early_stopping:
            self._start_curves()
        monitor = Monitor(self, len(target), validation, partial)
        for task in tasks:
            task.fitted = lambda network: self._reconstructed(network, monitor.best)
        try:
            self.network_.fit(
                X,
                self._targets(target),
                epochs=monitor.epochs,
                batch_size=self._batch(len(target)),
                sample_weight=weight,
                callbacks=[monitor, *tasks],
                shuffle=Shuffling(len(target), random) if self.shuffle else False,
                verbose=0,
            )
        except KeyboardInterrupt:
            warn("Training interrupted by user.")
        else:
            monitor.finish()
        monitor.restore()

    def _minimize(self, samples: Samples, tasks: Sequence[EpochTasks]) -> None:
        for task in tasks:
            task.set_model(self.network_)
            task.fitted = lambda network: self._reconstructed(network, None)
            task.on_train_begin()
        lbfgs.fit(self, *samples)
        for task in tasks:
            task.on_train_end()

    def _batch(self, rows: int) -> int:
        if self.batch_size == "auto":
            return min(_AUTO_BATCH, rows)
        if self.batch_size > rows:
            warn(
                "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped"
            )
        return int(min(self.batch_size, rows))

    def _loss_grad_lbfgs(
        self, packed: Array, X: Array, y: Array, sample_weight: Any = None, *buffers: Any
    ) -> tuple[float, Array]:
        """Return the loss and its gradient at packed weights: all coefs, then all intercepts.

        scikit-learn's takes the arrays that it works in behind the sample weights. The core has its
        own, so they are not looked at.
        """
        return lbfgs.loss_and_gradient(self, packed, X, y, sample_weight)

    # Prediction.

    def _outputs(self, X: Any) -> Array:
        """Return what the network gives for each row, (n, outputs)."""
        check_is_fitted(self, "coefs_")
        X = check_inputs(self, X, reset=False)
        if not hasattr(self, "network_"):
            self.network_ = building.build(self)
        self._share_weights()
        outputs: Array = self.network_.predict(X)
        return outputs

    # Keeping.

    @classmethod
    def from_sklearn(cls, fitted: Any) -> Self:
        """Return the same model as a fitted one of scikit-learn's.

        Settings, weights, classes and curves are taken over; predictions are the same. An
        optimizer's moments are not, so that `partial_fit` begins with fresh ones.

        Parameters
        ----------
        fitted : sklearn.neural_network.MLPClassifier or MLPRegressor
            Fitted, and of the same kind.

        Raises
        ------
        TypeError
            For another estimator.
        NotFittedError
            Before it was fitted.
        """
        model: Self = conversion.from_sklearn(cls, fitted)
        return model

    def to_sklearn(self) -> Any:
        """Return the same model as a fitted one of scikit-learn's.

        Batch normalisation becomes part of the weights, and what acts in training only is left out;
        predictions are the same.

        Returns
        -------
        sklearn.neural_network.MLPClassifier or MLPRegressor
            Fitted.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            For activations that scikit-learn does not have.
        """
        return conversion.to_sklearn(self)

    def __getstate__(self) -> dict[str, Any]:
        if hasattr(self, "network_"):
            self._share_weights()
        state: dict[str, Any] = dict(super().__getstate__())
        if "network_" in state:  # which holds these
            state.pop("coefs_")
            state.pop("intercepts_")
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if hasattr(self, "network_"):
            self.coefs_, self.intercepts_ = building.weights(self.network_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
