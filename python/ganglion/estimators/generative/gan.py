"""Two networks against each other: one makes samples, the other tells them from real ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.preprocessing import LabelEncoder
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from ganglion import optimizers
from ganglion.activations import LeakyReLU
from ganglion.arguments import names_arguments
from ganglion.callbacks import Callback
from ganglion.callbacks.base import Logs
from ganglion.data import whole_number
from ganglion.errors import (
    check_at_least,
    check_boolean,
    check_choice,
    check_count,
    check_fraction,
)
from ganglion.estimators.failing import leaves_estimator_whole
from ganglion.estimators.generative.adversarial import (
    DiscriminatorLoss,
    GeneratorLoss,
    as_rows,
)
from ganglion.estimators.generative.architectures import decoding_layers, encoding_layers
from ganglion.estimators.generative.base import Array, GenerativeEstimator
from ganglion.joint import Joint, Objective
from ganglion.layers import Dense, Flatten, Layer, SpectralNormalization
from ganglion.sequential import Sequential

# With the loss "wasserstein" (Gulrajani et al. 2017).
_PENALTY, _STEPS = 10.0, 5
# Samples that `picture` is given.
_SHOWN = 100


class GAN(GenerativeEstimator):
    """Generative adversarial network: new samples that a discriminator takes for real ones.

    In each batch the discriminator learns to tell the samples from what the generator makes of
    noise, then the generator learns to be taken for real (Goodfellow et al. 2014). Images, (height,
    width) or (height, width, channels) from 8 x 8 pixels on, have networks after Radford et al.
    (2016): convolutions of stride 2 and leaky ReLUs in the discriminator, transposed convolutions
    with batch normalisation in the generator; anything else has two hidden dense layers each.

    With ``y`` the samples of each class are learned apart: the generator sees the class behind the
    noise, the discriminator as channels, or columns, behind the sample, one for each class.

    Parameters
    ----------
    latent_dim : int, default=64
        Numbers of the noise that a sample is made of.
    generator : list of Layer, optional
        From the noise, (n, latent_dim), with ``y`` (n, latent_dim + n_classes), to a sample.
    discriminator : list of Layer, optional
        The layers for samples, (n, ...), or for images (n, height, width, channels), before the
        linear one that says how real they are.
    loss : {"non-saturating", "wasserstein"}, default="non-saturating"
        Cross-entropy, or the difference of what the discriminator says in the mean (Arjovsky et al.
        2017), which needs a penalty or spectral normalisation.
    gradient_penalty : float or "auto", default="auto"
        Factor of ``(|gradient| - 1)^2`` between samples real and made (Gulrajani et al. 2017).
        ``"auto"`` is 10 with the loss "wasserstein" and without spectral normalisation, else 0.
    spectral_normalization : bool, default=False
        Whether all layers of the discriminator that have a kernel are in a
        `layers.SpectralNormalization`.
    label_smoothing : float, default=0.0
        How far from 1 the discriminator's answer for real samples should be, in [0, 1); of the loss
        "non-saturating".
    discriminator_steps : int or "auto", default="auto"
        Batches for the discriminator to one for the generator. ``"auto"`` is 5 with the loss
        "wasserstein", else 1.
    optimizer : str or Optimizer, default="auto"
        Update rule of both; ``"auto"`` is Adam with a learning rate of 2e-4 and ``beta_1=0.5``.
    learning_rate : float, schedule or None, default=None
        That of the optimizer where None.
    epochs : int, default=50
        Passes over the samples.
    batch_size : int or None, default=64
        Samples of one update, None for all.
    picture : callable, optional
        Called after each epoch with its number, from 1 on, and 100 samples of noise that stays the
        same, with ``y`` of the classes in turn: `plot.SampleGrid` draws them.
    callbacks : list of Callback, default=()
        See `ganglion.callbacks`.
    random_state : int, RandomState or None, default=None
        Keys weights, order and noise.
    dtype : {"float32", "float64"}, default="float32"
        Of weights and arithmetic.
    verbose : {"auto", 0, 1, 2}, default=0
        As in `Sequential.fit`.

    Attributes
    ----------
    generator_, discriminator_ : Sequential
        The trained networks.
    network_ : Joint
        Both, as they are trained together.
    history_ : dict of str to list of float
        After each epoch ``discriminator_loss`` and ``generator_loss``; ``real`` and ``fake``, what
        the discriminator says of samples in the mean, above 0 for real; and ``penalty``, before it
        is multiplied, where there is one.
    classes_ : ndarray of shape (n_classes,)
        The labels; not there without ``y``.
    sample_shape_ : tuple of int
        Of one sample.
    n_features_in_ : int
        Columns of ``X``, its second axis.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from ganglion import GAN
    >>> X, y = load_digits().images / 16, load_digits().target
    >>> model = GAN(epochs=2, random_state=0).fit(X, y)
    >>> model.sample(5, y=[0, 1, 2, 3, 4], random_state=0).shape
    (5, 8, 8)
    """

    @names_arguments("GAN", {"n_components": "latent_dim"})
    def __init__(
        self,
        latent_dim: int = 64,
        *,
        generator: Sequence[Layer] | None = None,
        discriminator: Sequence[Layer] | None = None,
        loss: str = "non-saturating",
        gradient_penalty: float | str = "auto",
        spectral_normalization: bool = False,
        label_smoothing: float = 0.0,
        discriminator_steps: int | str = "auto",
        optimizer: str | optimizers.Optimizer = "auto",
        learning_rate: Any = None,
        epochs: int = 50,
        batch_size: int | None = 64,
        picture: Callable[[int, NDArray[Any]], Any] | None = None,
        callbacks: Sequence[Callback] | None = (),
        random_state: Any = None,
        dtype: str = "float32",
        verbose: int | str = 0,
    ) -> None:
        self.latent_dim = latent_dim
        self.generator = generator
        self.discriminator = discriminator
        self.loss = loss
        self.gradient_penalty = gradient_penalty
        self.spectral_normalization = spectral_normalization
        self.label_smoothing = label_smoothing
        self.discriminator_steps = discriminator_steps
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.batch_size = batch_size
        self.picture = picture
        self.callbacks = callbacks
        self.random_state = random_state
        self.dtype = dtype
        self.verbose = verbose

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> GAN:
        """Train on samples.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features) or (n_samples, ...)
            Finite numbers of any real type. The generator's default last layer keeps within 0 and
            1, or -1 and 1, where these samples do.
        y : array of shape (n_samples,), optional
            Their classes, to be able to sample from one.

        Returns
        -------
        GAN
            Itself, trained.

        Raises
        ------
        ValueError, TypeError
            For data that is empty, not finite or of unequal lengths; for a setting out of its
            range, and for layers that do not take the samples or give another shape.
        """
        self._fit(X, y)
        return self

    @leaves_estimator_whole
    def _fit(self, X: ArrayLike, y: ArrayLike | None) -> None:
        self._check_settings()
        samples = self._samples(X, reset=True)
        labels = self._learn_classes(samples, y)
        network = self._build(samples)
        self.network_ = network
        drawn = [] if self.picture is None else [self._pictures()]
        network.fit(
            samples if labels is None else (samples, labels),
            epochs=self.epochs,
            batch_size=len(samples) if self.batch_size is None else self.batch_size,
            callbacks=[*(self.callbacks or ()), *drawn],
            verbose=self.verbose,
        )
        for name, value in self._fitted(network).items():
            setattr(self, name, value)

    def _check_settings(self) -> None:
        super()._check_settings()
        check_choice(self, ["non-saturating", "wasserstein"], "loss")
        check_boolean(self, "spectral_normalization")
        check_fraction(self, "label_smoothing")
        if self.gradient_penalty != "auto":
            check_at_least(self, 0, "gradient_penalty")
        if self.discriminator_steps != "auto":
            check_count(self, "discriminator_steps")
        if self.label_smoothing and self.loss == "wasserstein":
            raise ValueError(
                "[GAN] label_smoothing must be 0 with the loss 'wasserstein', which has no labels, "
                f"got {self.label_smoothing!r}"
            )
        if self.picture is not None and not callable(self.picture):
            raise TypeError(f"[GAN] picture must be callable or None, got {self.picture!r}")

    def _learn_classes(self, samples: Array, y: ArrayLike | None) -> Array | None:
        """Return the classes as numbers, or None."""
        if y is None:
            self.__dict__.pop("classes_", None)  # of a fit before
            return None
        labels = column_or_1d(y, warn=True)
        check_consistent_length(samples, labels)
        encoder = LabelEncoder().fit(labels)
        self.classes_ = encoder.classes_
        numbers: Array = encoder.transform(labels)
        return numbers

    def _build(self, samples: Array) -> Joint:
        seed, classes = self._seed(), self._class_count
        shape = self.sample_shape_
        made = self._given("generator") or decoding_layers(
            shape, output_activation=_ending(samples), normalized=True
        )
        seen = (*shape, 1) if len(shape) == 2 else shape
        seen = (*seen[:-1], seen[-1] + classes)
        judging = self._given("discriminator") or encoding_layers(seen, LeakyReLU(0.2))
        judging = [*judging, Flatten(), Dense(1)]
        if self.spectral_normalization:
            judging = [_normalized(layer) for layer in judging]
        generator = Sequential(made, random_state=seed, dtype=self.dtype)
        discriminator = Sequential(judging, random_state=seed + 1, dtype=self.dtype)
        generator.build((None, self.latent_dim + classes))
        discriminator.build((None, *seen))
        self._check_output("generator", generator, shape)
        wasserstein, penalty = self.loss == "wasserstein", self._penalty
        steps = self.discriminator_steps
        usual = _STEPS if wasserstein else 1
        objectives = [
            Objective(
                DiscriminatorLoss(
                    self.latent_dim, classes, wasserstein, self.label_smoothing, penalty
                ),
                trains="discriminator",
                optimizer=self._rule(),
                name="discriminator_loss",
            ),
            Objective(
                GeneratorLoss(self.latent_dim, classes, wasserstein),
                trains="generator",
                optimizer=self._rule(),
                every=usual if isinstance(steps, str) else steps,
                name="generator_loss",
            ),
        ]
        networks = {"generator": generator, "discriminator": discriminator}
        return Joint(networks, objectives, random_state=seed)

    @property
    def _class_count(self) -> int:
        return len(getattr(self, "classes_", ()))

    @property
    def _penalty(self) -> float:
        if self.gradient_penalty != "auto":
            return float(self.gradient_penalty)
        return _PENALTY if self.loss == "wasserstein" and not self.spectral_normalization else 0.0

    def _rule(self) -> optimizers.Optimizer:
        if self.optimizer == "auto":
            return self._optimizer(optimizers.Adam(2e-4, beta_1=0.5))
        return self._optimizer(self.optimizer)

    def _fitted(self, network: Joint) -> dict[str, Any]:
        """Return the attributes that networks trained so far give."""
        return {
            "generator_": network.networks["generator"],
            "discriminator_": network.networks["discriminator"],
            "history_": network.history_,
        }

    def sample(self, n_samples: int = 1, y: Any = None, random_state: Any = None) -> NDArray[Any]:
        """Return new samples.

        Parameters
        ----------
        n_samples : int, default=1
            How many.
        y : label or array of shape (n_samples,), optional
            Their class, or that of each; by default the classes take turns. Of a model that was
            trained with classes.
        random_state : int, RandomState or None, default=None
            Of the noise.

        Returns
        -------
        ndarray of shape (n_samples, ...)

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            For a class that was not trained on, or classes for a model without.
        """
        check_is_fitted(self)
        count = whole_number("sample", "n_samples", n_samples)
        noise = self._noise(count, self._chosen(y, count), random_state)
        made: Array = self.generator_.predict(noise)
        return made

    def _chosen(self, y: Any, count: int) -> NDArray[np.int64] | None:
        """Return the classes of samples to be made, as numbers."""
        if not hasattr(self, "classes_"):
            if y is not None:
                raise ValueError("[sample] y must be None: the model was trained without classes")
            return None
        if y is None:
            return np.arange(count) % len(self.classes_)
        wanted = np.broadcast_to(y, (count,)) if np.ndim(y) == 0 else column_or_1d(y)
        if len(wanted) != count:
            raise ValueError(f"[sample] y must have {count} labels, got {len(wanted)}")
        unknown = np.setdiff1d(wanted, self.classes_)
        if len(unknown):
            raise ValueError(f"[sample] y must be of the classes {self.classes_}, got {unknown[0]}")
        return np.searchsorted(self.classes_, wanted)

    def _noise(self, count: int, classes: NDArray[np.int64] | None, random_state: Any) -> Array:
        noise: Array = check_random_state(random_state).normal(size=(count, self.latent_dim))
        return noise if classes is None else np.hstack([noise, as_rows(classes, self._class_count)])

    def _pictures(self) -> Callback:
        noise = self._noise(_SHOWN, self._chosen(None, _SHOWN), self._seed())
        return _Pictures(self.picture, noise)


class _Pictures(Callback):
    """Gives a function what the generator makes of the same noise, after each epoch."""

    def __init__(self, show: Any, noise: Array) -> None:
        self._show, self._noise = show, noise

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        networks: Any = self.model
        self._show(epoch + 1, networks.networks["generator"].predict(self._noise))


def _ending(samples: Array) -> str | None:
    """Return the activation that gives numbers where the samples' are."""
    least, most = samples.min(), samples.max()
    if least < -1 or most > 1:
        return None
    return "sigmoid" if least >= 0 else "tanh"


def _normalized(layer: Layer) -> Layer:
    has_kernel = hasattr(layer, "kernel_initializer")
    return SpectralNormalization(layer) if has_kernel else layer
