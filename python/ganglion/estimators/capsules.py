"""A classifier of images whose outputs are capsules, from which images can be read back."""

from __future__ import annotations

import copy
import math
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_array, check_consistent_length, check_random_state
from sklearn.utils.validation import check_is_fitted

from ganglion import optimizers
from ganglion.arguments import names_arguments
from ganglion.callbacks import Callback
from ganglion.errors import check_at_least, check_count, check_sizes
from ganglion.estimators.base import with_learning_rate
from ganglion.estimators.capsule_networks import CapsuleSizes, capsule_joint
from ganglion.estimators.checking import check_inputs
from ganglion.estimators.failing import leaves_estimator_whole
from ganglion.estimators.labels import label_array
from ganglion.joint import Joint
from ganglion.sequential import Sequential

Array = NDArray[Any]


class CapsuleClassifier(ClassifierMixin, BaseEstimator):
    """Classify images with a capsule network (Sabour, Frosst and Hinton 2017).

    A convolution, primary capsules, and a capsule for each class, to which those below route by
    agreement: the longest names the class. In training the true class's capsule is also decoded to
    the image, so that its numbers say how the class looks there; see `reconstruct`.

    Parameters
    ----------
    filters : int, default=32
        Of the first convolution; the paper has 256.
    primary_capsules : int, default=8
        Primary capsules at each place; the paper has 32.
    primary_dim : int, default=8
        Numbers of a primary capsule.
    dim_capsule : int, default=16
        Numbers of a class's capsule.
    routings : int, default=3
        Rounds of routing.
    kernel_size : int or None, default=None
        Of both convolutions. None is 9 for images of at least 20 x 20 pixels, with primary capsules
        at every second pixel, as in the paper; and 3 for smaller ones, at every pixel.
    decoder : sequence of int, default=(512, 1024)
        Widths of the hidden layers that decode a capsule.
    reconstruction_weight : float, default=0.392
        What the mean squared error of a decoded image, whose pixels are between 0 and 1, counts
        beside the margin loss: 0.0005 for each of 784 pixels, as in the paper, whatever the size.
        With 0 there is no decoder.
    image_shape : tuple of int or None, default=None
        (height, width) or (height, width, channels), for images that come as rows of ``X``. By
        default rows are taken for square images of one channel.
    optimizer : str or Optimizer, default="adam"
        Update rule.
    learning_rate : float, schedule or None, default=None
        That of the optimizer where None.
    epochs : int, default=20
        Passes over the images.
    batch_size : int or None, default=32
        Images of one update, None for all.
    callbacks : list of Callback, default=()
        See `ganglion.callbacks`.
    random_state : int, RandomState or None, default=None
        Keys weights and order.
    dtype : {"float32", "float64"}, default="float32"
        Of weights and arithmetic.
    verbose : {"auto", 0, 1, 2}, default=0
        As in `Sequential.fit`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    capsules_ : Sequential
        From images (n, height, width, channels) to capsules (n, n_classes, dim_capsule).
    decoder_ : Sequential or None
        From capsules, zeros but for one, to pixels between 0 and 1.
    network_ : Joint
        Both, as they are trained together.
    history_ : dict of str to list of float
        After each epoch: ``loss``, its parts ``margin`` and ``reconstruction``, and ``accuracy``;
        with ``X_val`` the same of those, under names that begin with ``val_``.
    image_shape_ : tuple of int
        (height, width, channels)
    pixel_range_ : tuple of float
        Least and greatest number of ``X``, which the network takes for 0 and 1.
    n_features_in_ : int
        Columns of ``X``, its second axis.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from ganglion import CapsuleClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> model = CapsuleClassifier(decoder=(64,), epochs=4, random_state=0).fit(X[:600], y[:600])
    >>> bool(model.score(X[600:], y[600:]) > 0.8)
    True
    >>> model.reconstruct(X[:5]).shape
    (5, 64)
    """

    capsules_: Sequential
    decoder_: Sequential | None

    @names_arguments("CapsuleClassifier", {"num_capsules": "primary_capsules"})
    def __init__(
        self,
        *,
        filters: int = 32,
        primary_capsules: int = 8,
        primary_dim: int = 8,
        dim_capsule: int = 16,
        routings: int = 3,
        kernel_size: int | None = None,
        decoder: Sequence[int] = (512, 1024),
        reconstruction_weight: float = 0.392,
        image_shape: tuple[int, ...] | None = None,
        optimizer: str | optimizers.Optimizer = "adam",
        learning_rate: Any = None,
        epochs: int = 20,
        batch_size: int | None = 32,
        callbacks: Sequence[Callback] | None = (),
        random_state: Any = None,
        dtype: str = "float32",
        verbose: int | str = 0,
    ) -> None:
        self.filters = filters
        self.primary_capsules = primary_capsules
        self.primary_dim = primary_dim
        self.dim_capsule = dim_capsule
        self.routings = routings
        self.kernel_size = kernel_size
        self.decoder = decoder
        self.reconstruction_weight = reconstruction_weight
        self.image_shape = image_shape
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.batch_size = batch_size
        self.callbacks = callbacks
        self.random_state = random_state
        self.dtype = dtype
        self.verbose = verbose

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
    ) -> CapsuleClassifier:
        """Train on labelled images.

        Parameters
        ----------
        X : array of shape (n, height, width), (n, height, width, channels) or (n, pixels)
            Finite numbers of any real type and range.
        y : array of shape (n,)
            Labels: numbers or strings.
        X_val, y_val : like X and y, optional
            What the loss, its parts and the accuracy are also computed on after each epoch.

        Returns
        -------
        CapsuleClassifier
            Itself, trained.

        Raises
        ------
        ValueError, TypeError
            For data that is empty, not finite or no images, for labels that are no classes or all
            one class, for a setting out of its range, and for a kernel larger than the images.
        """
        self._fit(X, y, X_val, y_val)
        return self

    @leaves_estimator_whole
    def _fit(self, X: Any, y: Any, X_val: Any, y_val: Any) -> None:
        self._check_settings()
        images = self._images(X, reset=True)
        labels = self._labels(y, images)
        self.classes_, numbers_of_classes = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                "[CapsuleClassifier] y must hold two classes or more, got one: "
                f"{self.classes_.tolist()[0]!r}"
            )
        validation = self._validation(X_val, y_val)
        least, greatest = float(images.min()), float(images.max())
        self.pixel_range_ = least, greatest
        network = self._build()
        self.network_ = network
        network.fit(
            images,
            numbers_of_classes,
            epochs=self.epochs,
            batch_size=len(images) if self.batch_size is None else self.batch_size,
            validation_data=validation,
            callbacks=self.callbacks,
            verbose=self.verbose,
        )
        for name, value in self._fitted(network).items():
            setattr(self, name, value)

    def _check_settings(self) -> None:
        check_count(
            self, "filters", "primary_capsules", "primary_dim", "dim_capsule", "routings", "epochs"
        )
        if self.kernel_size is not None:
            check_count(self, "kernel_size")
        check_at_least(self, 0, "reconstruction_weight")
        widths = self.decoder
        if not isinstance(widths, Sequence) or isinstance(widths, str):
            raise TypeError(f"[CapsuleClassifier] decoder must be a list of widths, got {widths!r}")
        if widths:
            check_sizes(self, len(widths), "decoder")
        shape = self.image_shape
        if shape is not None and (
            not isinstance(shape, Sequence)
            or len(shape) not in (2, 3)
            or not all(isinstance(size, numbers.Integral) and size > 0 for size in shape)
        ):
            raise ValueError(
                "[CapsuleClassifier] image_shape must be (height, width) or (height, width, "
                f"channels), got {shape!r}"
            )

    def _images(self, X: Any, *, reset: bool) -> Array:
        """Return images (n, height, width, channels)."""
        samples: Array = check_inputs(self, X, reset=reset, sparse=False)
        given = samples.shape[1:]
        if reset:
            self.sample_shape_ = given
            self.image_shape_ = self._shape_of(given)
        elif given != self.sample_shape_:
            raise ValueError(
                f"[CapsuleClassifier] X must have shape {('n', *self.sample_shape_)}, as it was "
                f"trained on, got {samples.shape}"
            )
        return samples.reshape(len(samples), *self.image_shape_)

    def _shape_of(self, given: tuple[int, ...]) -> tuple[int, ...]:
        shape = given if self.image_shape is None else tuple(self.image_shape)
        if self.image_shape is None and len(given) == 1:
            side = math.isqrt(given[0])
            shape = side, side
        if len(shape) not in (2, 3) or math.prod(shape) != math.prod(given):
            raise ValueError(
                "[CapsuleClassifier] X must be images, (n, height, width) or (n, height, width, "
                f"channels), or rows of image_shape, which is {self.image_shape!r}, got "
                f"{('n', *given)}"
            )
        return shape if len(shape) == 3 else (*shape, 1)

    def _labels(self, y: Any, images: Array) -> Array:
        labels = label_array(
            check_array(y, ensure_2d=False, dtype=None, input_name="y", estimator=self)
        )
        if labels.ndim != 1:
            raise ValueError(
                f"[CapsuleClassifier] y must hold one label a sample, got shape {labels.shape}"
            )
        check_consistent_length(images, labels)
        return labels

    def _validation(self, X_val: Any, y_val: Any) -> tuple[Array, Array] | None:
        if X_val is None and y_val is None:
            return None
        if X_val is None or y_val is None:
            raise ValueError("[CapsuleClassifier] X_val and y_val must both be given")
        images = self._images(X_val, reset=False)
        return images, self._numbers(self._labels(y_val, images), "y_val")

    def _numbers(self, labels: Array, name: str) -> NDArray[np.intp]:
        """Return the numbers of classes that labels are."""
        unknown = ~np.isin(labels, self.classes_)
        if unknown.any():
            first = labels[unknown].tolist()[0]
            raise ValueError(
                f"[CapsuleClassifier] {name} holds {first!r}, which is none of the classes "
                f"{self.classes_.tolist()}"
            )
        found: NDArray[np.intp] = np.searchsorted(self.classes_, labels)
        return found

    def _build(self) -> Joint:
        return capsule_joint(
            CapsuleSizes(
                self.image_shape_,
                len(self.classes_),
                self.filters,
                self.primary_capsules,
                self.primary_dim,
                self.dim_capsule,
                self.routings,
                self.kernel_size,
                tuple(self.decoder),
            ),
            self.pixel_range_,
            self.reconstruction_weight,
            self._optimizer(),
            self._seed(),
            self.dtype,
        )

    def _fitted(self, network: Joint) -> dict[str, Any]:
        """Return the attributes that networks trained so far give."""
        return {
            "capsules_": network.networks["capsules"],
            "decoder_": network.networks.get("decoder"),
            "history_": network.history_,
        }

    def _optimizer(self) -> optimizers.Optimizer:
        optimizer = copy.deepcopy(optimizers.get(self.optimizer))
        if self.learning_rate is None:
            return optimizer
        return with_learning_rate(optimizer, self.learning_rate)

    def _seed(self) -> int:
        if isinstance(self.random_state, numbers.Integral):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))

    def capsules(self, X: ArrayLike) -> NDArray[Any]:
        """Return the capsules of images.

        Parameters
        ----------
        X : array of the shape that was trained on

        Returns
        -------
        ndarray of shape (n, n_classes, dim_capsule)

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            For images of another shape, or not finite.
        """
        check_is_fitted(self, "network_")
        found: Array = self.capsules_.predict(self._images(X, reset=False))
        return found

    def lengths(self, X: ArrayLike) -> NDArray[Any]:
        """Return the lengths of the capsules of images, (n, n_classes), each below 1.

        Several may be long, as for overlapping digits, and all short where nothing is recognised.
        """
        found: Array = np.linalg.norm(self.capsules(X), axis=-1)
        return found

    def decision_function(self, X: ArrayLike) -> NDArray[Any]:
        """Return what decides: `lengths`; of two classes how much longer the second's capsule is.

        Parameters
        ----------
        X : array of the shape that was trained on

        Returns
        -------
        ndarray of shape (n, n_classes), or (n,) for two classes
        """
        lengths = self.lengths(X)
        return lengths[:, 1] - lengths[:, 0] if len(self.classes_) == 2 else lengths

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the label of the longest capsule of each image.

        Parameters
        ----------
        X : array of the shape that was trained on

        Returns
        -------
        ndarray of shape (n,)

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            For images of another shape, or not finite.
        """
        longest = self.lengths(X).argmax(axis=1)
        labels: Array = self.classes_[longest]
        return labels

    def predict_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Return the lengths of the capsules, divided by their sum.

        They are trained as independent answers to whether a class is there, and not as shares.

        Parameters
        ----------
        X : array of the shape that was trained on

        Returns
        -------
        ndarray of shape (n, n_classes)
            Rows that sum to one.
        """
        lengths = self.lengths(X)
        lengths = np.where(lengths.any(axis=1, keepdims=True), lengths, 1.0)
        shares: Array = lengths / lengths.sum(axis=1, keepdims=True)
        return shares

    def reconstruct(
        self, X: ArrayLike, y: ArrayLike | None = None, perturb: ArrayLike | None = None
    ) -> NDArray[Any]:
        """Return images as the capsule of one class has them.

        Parameters
        ----------
        X : array of the shape that was trained on
        y : array of shape (n,), optional
            Labels of the capsules to decode; the longest ones by default.
        perturb : array of shape (dim_capsule,) or (n, dim_capsule), optional
            Added to the capsules before they are decoded, to see what a number stands for; 0.25 at
            most in the paper.

        Returns
        -------
        ndarray of the shape of X

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            For images or numbers of another shape, unknown labels, and for a model that was trained
            with a ``reconstruction_weight`` of 0.
        """
        capsules = self.capsules(X)
        if self.decoder_ is None:
            raise ValueError(
                "[CapsuleClassifier] reconstruct needs a decoder: fit with a reconstruction_weight"
            )
        if y is None:
            chosen = np.linalg.norm(capsules, axis=-1).argmax(axis=1)
        else:
            chosen = self._numbers(self._labels(y, capsules), "y")
        rows = np.arange(len(capsules))
        masked = np.zeros_like(capsules)
        masked[rows, chosen] = capsules[rows, chosen]
        if perturb is not None:
            added = np.asarray(perturb, dtype=capsules.dtype)
            expected = len(capsules), self.dim_capsule
            if added.shape not in (expected, expected[1:]) or not np.isfinite(added).all():
                raise ValueError(
                    f"[CapsuleClassifier] perturb must be finite numbers of shape {expected[1:]} "
                    f"or {expected}, got shape {added.shape}"
                )
            masked[rows, chosen] += added
        least, greatest = self.pixel_range_
        pixels: Array = self.decoder_.predict(masked) * (greatest - least) + least
        return pixels.reshape(len(pixels), *self.sample_shape_)
