"""A network that writes samples down in few numbers, and reads them back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from ganglion import losses, optimizers
from ganglion.arguments import names_arguments
from ganglion.callbacks import Callback
from ganglion.errors import check_at_least
from ganglion.estimators.failing import leaves_estimator_whole
from ganglion.estimators.generative.architectures import decoding_layers, encoding_layers
from ganglion.estimators.generative.base import Coder, split
from ganglion.layers import Dense, Flatten, GaussianNoise, Layer
from ganglion.regularizers import L1
from ganglion.sequential import Sequential


class Autoencoder(Coder):
    """Learn codes from which samples can be reconstructed.

    An encoder, a linear code and a decoder are trained together to give back what they are given.
    What they reconstruct badly is unlike what they have seen: see `score_samples`.

    Images, (height, width) or (height, width, channels) from 8 x 8 pixels on, are encoded by
    convolutions of stride 2 and decoded by transposed ones; anything else by two dense layers each.

    Parameters
    ----------
    latent_dim : int, default=16
        Numbers of a code.
    encoder : list of Layer, optional
        The layers before the code, for samples (n, ...). A linear layer of ``latent_dim`` units
        follows.
    decoder : list of Layer, optional
        The layers from a code, (n, latent_dim), to a sample.
    noise : float, default=0.0
        Standard deviation of the noise that is added to the samples in training, of which the
        decoder is to give the samples back without it: a denoising autoencoder (Vincent et al.
        2008).
    sparsity : float, default=0.0
        Factor of the sum of the absolute values of a code in the loss.
    loss : str or Loss, default="mean_squared_error"
        How far a reconstruction is from its sample. For one that takes probabilities, give a
        ``decoder`` that ends in a sigmoid.
    optimizer : str or Optimizer, default="adam"
        Update rule.
    learning_rate : float, schedule or None, default=None
        That of the optimizer where None.
    epochs : int, default=50
        Passes over the samples.
    batch_size : int or None, default=128
        Samples of one update, None for all.
    callbacks : list of Callback, default=()
        See `ganglion.callbacks`; `EarlyStopping` ends training by ``X_val``.
    random_state : int, RandomState or None, default=None
        Keys weights, order and noise.
    dtype : {"float32", "float64"}, default="float32"
        Of weights and arithmetic.
    verbose : {"auto", 0, 1, 2}, default=0
        As in `Sequential.fit`.

    Attributes
    ----------
    network_ : Sequential
        Encoder and decoder, one after the other, as trained.
    encoder_, decoder_ : Sequential
        Its halves, with weights of their own.
    history_ : dict of str to list of float
        The loss after each epoch, and that of ``X_val`` as ``val_loss``.
    sample_shape_ : tuple of int
        Of one sample.
    n_features_in_ : int
        Columns of ``X``, its second axis.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from ganglion import Autoencoder
    >>> X = load_digits().data / 16
    >>> model = Autoencoder(8, epochs=20, random_state=0).fit(X)
    >>> codes = model.transform(X)
    >>> codes.shape, model.inverse_transform(codes).shape
    ((1797, 8), (1797, 64))
    >>> strange = 1 - X[:100]
    >>> bool(model.score_samples(X[:100]).min() > model.score_samples(strange).max())
    True
    """

    @names_arguments("Autoencoder", {"n_components": "latent_dim", "layers": "encoder"})
    def __init__(
        self,
        latent_dim: int = 16,
        *,
        encoder: Sequence[Layer] | None = None,
        decoder: Sequence[Layer] | None = None,
        noise: float = 0.0,
        sparsity: float = 0.0,
        loss: str | losses.Loss = "mean_squared_error",
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
        self.encoder = encoder
        self.decoder = decoder
        self.noise = noise
        self.sparsity = sparsity
        self.loss = loss
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.batch_size = batch_size
        self.callbacks = callbacks
        self.random_state = random_state
        self.dtype = dtype
        self.verbose = verbose

    def fit(self, X: ArrayLike, y: Any = None, *, X_val: ArrayLike | None = None) -> Autoencoder:
        """Train on samples.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features) or (n_samples, ...)
            Finite numbers of any real type, best of a spread near one.
        y : ignored
            For pipelines.
        X_val : like X, optional
            What the loss is also computed on after each epoch.

        Returns
        -------
        Autoencoder
            Itself, trained.

        Raises
        ------
        ValueError, TypeError
            For data that is empty or not finite, for a setting out of its range, and for layers
            that do not take the samples or give another shape.
        """
        self._fit(X, X_val)
        return self

    @leaves_estimator_whole
    def _fit(self, X: ArrayLike, X_val: ArrayLike | None) -> None:
        self._check_settings()
        samples = self._samples(X, reset=True)
        validation = None if X_val is None else self._samples(X_val, reset=False)
        network = self._build()
        self.network_ = network
        network.fit(
            samples,
            samples,
            epochs=self.epochs,
            batch_size=self.batch_size,
            validation_data=None if validation is None else (validation, validation),
            callbacks=self.callbacks,
            verbose=self.verbose,
        )
        for name, value in self._fitted(network).items():
            setattr(self, name, value)

    def _check_settings(self) -> None:
        super()._check_settings()
        check_at_least(self, 0, "noise", "sparsity")

    def _build(self) -> Sequential:
        encoder = self._given("encoder") or encoding_layers(self.sample_shape_)
        decoder = self._given("decoder") or decoding_layers(self.sample_shape_)
        noise = [GaussianNoise(self.noise)] if self.noise else []
        code = Dense(
            self.latent_dim, activity_regularizer=L1(self.sparsity) if self.sparsity else None
        )
        front: list[Layer] = [*noise, *encoder, Flatten(), code]
        self._code_position = len(front)
        network = Sequential(
            [*front, *decoder],
            loss=self.loss,
            optimizer=self._optimizer(),
            random_state=self._seed(),
            dtype=self.dtype,
        )
        network.build((None, *self.sample_shape_))
        self._check_output("decoder", network, self.sample_shape_)
        return network

    def _fitted(self, network: Sequential) -> dict[str, Any]:
        """Return the attributes that a network trained so far gives."""
        encoder, decoder = split(network, self._code_position)
        return {"encoder_": encoder, "decoder_": decoder, "history_": network.history_}

    def _encoded(self, X: ArrayLike) -> NDArray[Any]:
        check_is_fitted(self)
        codes: NDArray[Any] = self.encoder_.predict(self._samples(X, reset=False))
        return codes

    def score_samples(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return how well each sample is reconstructed: the higher, the more normal it is.

        Parameters
        ----------
        X : array or data frame of shape (n_samples, n_features) or (n_samples, ...)
            Of the shape that was trained on.

        Returns
        -------
        ndarray of shape (n_samples,)
            Minus the mean squared error over the numbers of a sample, whatever the ``loss``.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            For samples of another shape, or not finite.
        """
        errors = self.reconstruct(X).astype(np.float64) - np.asarray(X)
        scores: NDArray[np.float64] = -np.square(errors).reshape(len(errors), -1).mean(axis=1)
        return scores
