"""A network that learns the distribution that samples come from, with codes that are normal."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ganglion import losses, ops, optimizers
from ganglion.arguments import names_arguments
from ganglion.callbacks import Callback
from ganglion.data import whole_number
from ganglion.errors import check_at_least
from ganglion.estimators.failing import leaves_estimator_whole
from ganglion.estimators.generative.architectures import decoding_layers, encoding_layers
from ganglion.estimators.generative.base import Array, Coder
from ganglion.joint import Joint, Objective
from ganglion.layers import Dense, Flatten, Layer
from ganglion.layers.sampling import drawn_normal, normal_divergence
from ganglion.losses.likelihood import Likelihood
from ganglion.sequential import Sequential
from ganglion.value import Value

# Samples whose likelihood is computed together, in float64.
_SCORED_TOGETHER = 4096


class VAE(Coder):
    """Variational autoencoder: its codes are normal, so new ones can be drawn and decoded.

    The encoder gives a mean and a log-variance for each number of a code; the decoder is trained on
    a code drawn from these (Kingma & Welling 2014). What is minimised is the negative evidence
    lower bound: minus the log-likelihood of the sample, summed over its numbers, plus ``beta``
    times the Kullback-Leibler divergence of the code's distribution from the standard normal one.

    Images, (height, width) or (height, width, channels) from 8 x 8 pixels on, are encoded by
    convolutions of stride 2 and decoded by transposed ones; anything else by two dense layers each.

    Parameters
    ----------
    latent_dim : int, default=16
        Numbers of a code.
    beta : float, default=1.0
        Weight of the divergence; above 1 for codes whose numbers say different things (Higgins et
        al. 2017).
    likelihood : {"bernoulli", "gaussian"} or Likelihood, default="bernoulli"
        Of the numbers of a sample given its code: yes or no, with what the decoder gives as the
        probability of yes, for samples between 0 and 1; or normal errors of standard deviation 1,
        or another with ``losses.GaussianNLL(stddev)``.
    encoder : list of Layer, optional
        The layers before the code, for samples (n, ...). A linear layer for mean and log-variance
        follows.
    decoder : list of Layer, optional
        The layers from a code, (n, latent_dim), to a sample; with a sigmoid at the end for the
        Bernoulli likelihood.
    optimizer : str or Optimizer, default="adam"
        Update rule.
    learning_rate : float, schedule or None, default=None
        That of the optimizer where None.
    epochs : int, default=50
        Passes over the samples.
    batch_size : int or None, default=128
        Samples of one update, None for all.
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
    encoder_, decoder_ : Sequential
        The trained networks; the encoder gives (n, 2 latent_dim), means and log-variances.
    network_ : Joint
        Both, as they are trained together.
    history_ : dict of str to list of float
        After each epoch: ``loss``, and its parts ``reconstruction`` and ``divergence``, in nats a
        sample; with ``X_val`` the same of those, under names that begin with ``val_``.
    sample_shape_ : tuple of int
        Of one sample.
    n_features_in_ : int
        Columns of ``X``, its second axis.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from ganglion import VAE
    >>> X = load_digits().images / 16
    >>> model = VAE(2, epochs=5, random_state=0).fit(X)
    >>> model.transform(X).shape, model.sample(3, random_state=0).shape
    ((1797, 2), (3, 8, 8))
    """

    @names_arguments("VAE", {"n_components": "latent_dim", "loss": "likelihood"})
    def __init__(
        self,
        latent_dim: int = 16,
        *,
        beta: float = 1.0,
        likelihood: str | Likelihood = "bernoulli",
        encoder: Sequence[Layer] | None = None,
        decoder: Sequence[Layer] | None = None,
        optimizer: str | optimizers.Optimizer = "adam",
        learning_rate: Any = None,
        epochs: int = 50,
        batch_size: int | None = 128,
        callbacks: Sequence[Callback] | None = (),
        random_state: Any = None,
        dtype: str = "float32",
        verbose: int | str = 0,
    ) -> None:
        self.latent_dim = latent_dim
        self.beta = beta
        self.likelihood = likelihood
        self.encoder = encoder
        self.decoder = decoder
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.batch_size = batch_size
        self.callbacks = callbacks
        self.random_state = random_state
        self.dtype = dtype
        self.verbose = verbose

    def fit(self, X: ArrayLike, y: Any = None, *, X_val: ArrayLike | None = None) -> VAE:
        """Train on samples.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features) or (n_samples, ...)
            Finite numbers of any real type; between 0 and 1 for the Bernoulli likelihood.
        y : ignored
            For pipelines.
        X_val : like X, optional
            What the loss and its parts are also computed on after each epoch.

        Returns
        -------
        VAE
            Itself, trained.

        Raises
        ------
        ValueError, TypeError
            For data that is empty, not finite, or outside of what the likelihood takes; for a
            setting out of its range, and for layers that do not take the samples or give another
            shape.
        """
        self._fit(X, X_val)
        return self

    @leaves_estimator_whole
    def _fit(self, X: ArrayLike, X_val: ArrayLike | None) -> None:
        self._check_settings()
        samples = self._checked(X, reset=True)
        validation = None if X_val is None else self._checked(X_val, reset=False)
        network = self._build()
        self.network_ = network
        network.fit(
            samples,
            epochs=self.epochs,
            batch_size=len(samples) if self.batch_size is None else self.batch_size,
            validation_data=validation,
            callbacks=self.callbacks,
            verbose=self.verbose,
        )
        for name, value in self._fitted(network).items():
            setattr(self, name, value)

    def _check_settings(self) -> None:
        super()._check_settings()
        check_at_least(self, 0, "beta")

    def _likelihood(self) -> Likelihood:
        likelihood = losses.get(self.likelihood)
        if not isinstance(likelihood, Likelihood):
            raise TypeError(
                "[VAE] likelihood must be 'bernoulli', 'gaussian' or one of losses.BernoulliNLL "
                f"and losses.GaussianNLL, got {self.likelihood!r}"
            )
        return likelihood

    def _checked(self, X: ArrayLike, *, reset: bool) -> Array:
        samples = self._samples(X, reset=reset)
        if self._likelihood().target_kind == "probability":
            least, most = samples.min(), samples.max()
            if least < 0 or most > 1:
                raise ValueError(
                    "[VAE] X must be between 0 and 1 with the Bernoulli likelihood, got "
                    f"{least:g} to {most:g}: scale it, or use likelihood='gaussian'"
                )
        return samples

    def _build(self) -> Joint:
        likelihood, seed = self._likelihood(), self._seed()
        ending = "sigmoid" if likelihood.target_kind == "probability" else None
        hidden = self._given("encoder") or encoding_layers(self.sample_shape_)
        decoding = self._given("decoder") or decoding_layers(
            self.sample_shape_, output_activation=ending
        )
        encoding = [*hidden, Flatten(), Dense(2 * self.latent_dim)]
        # With seeds of their own: layers of one name would else begin with the same weights.
        encoder = Sequential(encoding, random_state=seed, dtype=self.dtype)
        decoder = Sequential(decoding, random_state=seed + 1, dtype=self.dtype)
        encoder.build((None, *self.sample_shape_))
        decoder.build((None, self.latent_dim))
        self._check_output("decoder", decoder, self.sample_shape_)
        objective = Objective(
            NegativeBound(likelihood, self.beta), optimizer=self._optimizer(), name="loss"
        )
        return Joint({"encoder": encoder, "decoder": decoder}, [objective], random_state=seed)

    def _fitted(self, network: Joint) -> dict[str, Any]:
        """Return the attributes that networks trained so far give."""
        return {
            "encoder_": network.networks["encoder"],
            "decoder_": network.networks["decoder"],
            "history_": network.history_,
        }

    def _encoded(self, X: ArrayLike) -> Array:
        return self.encode(X)[0]

    def encode(self, X: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the distributions of the codes of samples.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features) or (n_samples, ...)
            Of the shape that was trained on.

        Returns
        -------
        mean, stddev : ndarray of shape (n_samples, latent_dim)
            `transform` gives the means alone.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            For samples of another shape, or not finite.
        """
        check_is_fitted(self)
        both: Array = self.encoder_.predict(self._checked(X, reset=False))
        return both[:, : self.latent_dim], np.exp(0.5 * both[:, self.latent_dim :])

    def decode(self, codes: ArrayLike) -> NDArray[Any]:
        """Return the samples that codes stand for, as `inverse_transform` does."""
        return self.inverse_transform(codes)

    def sample(self, n_samples: int = 1, random_state: Any = None) -> NDArray[Any]:
        """Return new samples: codes drawn from the standard normal distribution, decoded.

        Parameters
        ----------
        n_samples : int, default=1
            How many.
        random_state : int, RandomState or None, default=None
            Of the codes.

        Returns
        -------
        ndarray of shape (n_samples, ...)
            Means of the likelihood: probabilities of the Bernoulli one.

        Raises
        ------
        NotFittedError
            Before `fit`.
        """
        count = whole_number("sample", "n_samples", n_samples)
        codes = check_random_state(random_state).normal(size=(count, self.latent_dim))
        return self.decode(codes)

    def score_samples(self, X: ArrayLike, draws: int = 1) -> NDArray[np.float64]:
        """Return the evidence lower bound of each sample: the higher, the more normal it is.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features) or (n_samples, ...)
            Of the shape that was trained on.
        draws : int, default=1
            Codes that are drawn for each sample, over which the log-likelihood is averaged. They
            follow from the sample: at each call, and beside whichever others, they are the same.

        Returns
        -------
        ndarray of shape (n_samples,)
            In nats, with a ``beta`` of 1 whatever the setting: a lower bound of the log-likelihood,
            or of the log-density.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            For samples of another shape, or not finite.
        """
        whole_number("score_samples", "draws", draws)
        mean, stddev = (part.astype(np.float64) for part in self.encode(X))
        samples = self._checked(X, reset=False)
        divergence = 0.5 * (mean**2 + stddev**2 - 1 - 2 * np.log(stddev)).sum(axis=1)
        noise = np.stack([_noise_of(sample, (draws, self.latent_dim)) for sample in samples])
        likelihoods = np.zeros(len(mean))
        for draw in range(draws):
            decoded = self.decode(mean + stddev * noise[:, draw])
            likelihoods += self._log_likelihood(samples, decoded)
        bound: NDArray[np.float64] = likelihoods / draws - divergence
        return bound

    def _log_likelihood(self, samples: Array, decoded: Array) -> NDArray[np.float64]:
        likelihood = self._likelihood()
        parts = [slice(i, i + _SCORED_TOGETHER) for i in range(0, len(samples), _SCORED_TOGETHER)]
        return np.concatenate(
            [-ops.evaluate(likelihood.of_samples, samples[part], decoded[part]) for part in parts]
        )


def _noise_of(sample: Array, shape: tuple[int, int]) -> NDArray[np.float64]:
    return np.random.default_rng(zlib.crc32(sample.tobytes())).normal(size=shape)


class NegativeBound:
    """What a variational autoencoder minimises, and its parts, in nats a sample.

    Parameters
    ----------
    likelihood : Likelihood
        Of a sample given its code.
    beta : float
        Weight of the divergence.
    """

    def __init__(self, likelihood: Likelihood, beta: float) -> None:
        self.likelihood = likelihood
        self.beta = beta

    def __call__(self, networks: Any, x: Value) -> dict[str, Value]:
        both = networks.encoder(x)
        half = both.shape[-1] // 2
        mean, log_variance = both[:, :half], both[:, half:]
        decoded = networks.decoder(drawn_normal(mean, log_variance))
        reconstruction = ops.mean(self.likelihood.of_samples(x, decoded))
        divergence = ops.mean(ops.sum(normal_divergence(mean, log_variance), axis=-1))
        return {
            "loss": reconstruction + self.beta * divergence,
            "reconstruction": reconstruction,
            "divergence": divergence,
        }
