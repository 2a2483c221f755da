"""Training and evaluation of networks, and what they leave behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ganglion.arguments import names_arguments
from ganglion.batching import LookedAtBatches, TrainingBatches
from ganglion.built import Built
from ganglion.bundle import Bundle
from ganglion.callbacks.base import Callback, check_callbacks
from ganglion.data import non_negative, whole_number
from ganglion.endings import targets_hint
from ganglion.epochs import EVALUATION_BATCH, Evaluation, Shuffle, Steps
from ganglion.errors import DivergenceWarning, warn
from ganglion.fitting import Fit
from ganglion.frames import feature_names
from ganglion.gate import check_network_inputs, check_samples
from ganglion.inputs import Inputs
from ganglion.losses.targets import TargetShapeError
from ganglion.passes import Passes
from ganglion.progress import resolve_verbose
from ganglion.samples import Samples, split, weigh_classes
from ganglion.source import Source

if TYPE_CHECKING:
    from typing_extensions import Self


Array = NDArray[Any]


class Training(Passes):
    """Fitting and evaluating. `Sequential` documents what a user sees of it."""

    @names_arguments("fit")
    def fit(
        self,
        X: ArrayLike | Source,
        y: ArrayLike | None = None,
        epochs: int = 1,
        batch_size: int | None = 32,
        validation_data: Sequence[Any] | Source | None = None,
        validation_split: float = 0.0,
        sample_weight: ArrayLike | None = None,
        class_weight: Mapping[int, float] | None = None,
        callbacks: Sequence[Callback] | None = None,
        shuffle: Shuffle = True,
        verbose: int | str = "auto",
    ) -> Self:
        """Train on from the weights there are.

        The data is read in place, batch by batch, and never copied. Ctrl-C ends the training within
        a second, in the middle of a step where that is long, though not of its update:
        `KeyboardInterrupt` is raised, the network can be used and trained on, and ``history_``
        holds the epochs that were finished.

        `layers.Normalization` learns its statistics from ``X`` at the first fit, before training.

        Parameters
        ----------
        X : array_like, shape (n, ...), sparse matrix, data frame, Source or list of sequences
            Finite numbers of any real type. Sequences of different lengths, (steps, ...) each, are
            for networks whose number of steps is open, see `layers.Input`: batches are made of
            those of about the same length, and filled up to the longest with padding, which does
            not count. SciPy's sparse matrices of shape (n, features) are
            never made dense as a whole; formats other than CSR are converted to it once. So are
            frames of pandas and polars whose columns are of several types, to one array. An
            `ImageFolder`, or another `Source`, is read while the network trains. For a `Model` of
            several inputs a tuple of these, or a dict by their names.
        y : array_like, shape (n,) or (n, ...), optional
            Targets that fit the loss. Without them those of the source are taken. Where ``X`` is a
            list of sequences, and the network gives a result for each step: a list too. For a
            `Model` of several outputs a tuple or a dict of them.
        epochs : int, default=1
            Passes over the data.
        batch_size : int or None, default=32
            Samples of one update; the last batch of an epoch may have fewer. None for all of them,
            1 for stochastic descent.
        validation_data : (X, y), (X, y, sample_weight) or Source, optional
            What loss and metrics are also computed on, after each epoch.
        validation_split : float, default=0.0
            Fraction of the samples, from the end, that is set aside for validation. Not looked at
            with ``validation_data``. Not for sources, which have a method ``split``.
        sample_weight : array_like, shape (n,), optional
            What each sample counts in the loss, at least 0. Of shape (n, steps), or a list as
            ``y``, where the network gives results for steps: what each of them counts.
        class_weight : dict of int to float, optional
            What the samples of each class count; 1 for classes not named. Those that are set aside
            by ``validation_split`` are not weighed, as in Keras.
        callbacks : sequence of Callback, optional
            See `ganglion.callbacks`.
        shuffle : bool or callable, default=True
            Whether each epoch has an order of its own, a function of seed and epoch; or a function
            that gives an epoch's order for its number, counted from 0: an array of n row numbers.
        verbose : {"auto", 0, 1, 2}, default="auto"
            0 for silence, 1 for a bar, 2 for a line each epoch; "auto" is a bar in terminals and
            notebooks, and silence elsewhere.

        Returns
        -------
        Sequential or Model
            Itself.

        Raises
        ------
        TypeError, ValueError
            For data or settings that are wrong, before anything has changed. What a callback raises
            passes through, and leaves the network as far as it was trained.

        Warns
        -----
        DivergenceWarning
            When the loss is no longer finite. Training stops; the network has the weights of its
            best epoch of this fit, and a fresh optimizer.
        UserWarning
            When all layers that have weights are frozen; at the first fit when a layer loses the
            mask of `layers.Masking` or `layers.Embedding`, so that padding counts behind it.
        """
        whole_number("fit", "epochs", epochs)
        non_negative("fit", "validation_split", validation_split, below=1)
        called = check_callbacks("fit", callbacks)
        if not callable(shuffle) and not isinstance(shuffle, (bool, np.bool_)):
            raise TypeError(f"[fit] shuffle must be True, False or a function, got {shuffle!r}")
        shown = resolve_verbose(verbose)
        built, samples = self._check("fit", X, y, sample_weight)
        validation = None
        if validation_data is not None:
            names = self.feature_names_in_ or feature_names(X)
            validation = self._check_validation(built, validation_data, names)
        else:
            samples, validation = split(samples, validation_split)
        samples = weigh_classes("fit", samples, built.output_shapes[0], class_weight)
        batch = _check_batch_size("fit", batch_size, len(samples))
        places = ["fit", "fit, validation_data"]
        if validation_data is None and validation is not None:
            halves = ("training", "validation")
            places = [f"fit, {half} with validation_split={validation_split:g}" for half in halves]
        built.check_batches(places[0], len(samples), batch)
        if validation is not None:
            built.check_batches(places[1], len(validation), batch)
        if built.kept_states and shuffle is True:
            raise ValueError(
                "[fit] layers that keep their states read batches one after the other: pass "
                "shuffle=False"
            )
        self._begin(built, samples, X)
        Fit(
            self,
            built,
            samples,
            validation,
            epochs=epochs,
            batch_size=batch,
            callbacks=called,
            shuffle=shuffle,
            verbose=shown,
        ).run()
        return self

    def partial_fit(
        self,
        X: ArrayLike | Source,
        y: ArrayLike | None = None,
        batch_size: int | None = 32,
        sample_weight: ArrayLike | None = None,
        class_weight: Mapping[int, float] | None = None,
        shuffle: Shuffle = True,
    ) -> Self:
        """Train for one epoch on these samples, silently; arguments as for `fit`.

        The first call counts as the first fit: `layers.Normalization` learns from the samples of
        that call alone, so they should be typical, or its statistics be given.
        """
        return self.fit(
            X,
            y,
            batch_size=batch_size,
            sample_weight=sample_weight,
            class_weight=class_weight,
            shuffle=shuffle,
            verbose=0,
        )

    def train_on_batch(
        self,
        X: ArrayLike | Source,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        class_weight: Mapping[int, float] | None = None,
    ) -> dict[str, float]:
        """Take one step on one batch.

        Parameters
        ----------
        X, y, sample_weight, class_weight
            As for `fit`.

        Returns
        -------
        dict of str to float
            Loss and metrics of the batch before the step. Where the loss is not finite no step is
            taken, with a `DivergenceWarning`.

        Raises
        ------
        TypeError, ValueError
            As `fit`.
        """
        built, samples = self._check("train_on_batch", X, y, sample_weight)
        built.check_batches("train_on_batch", len(samples))
        samples = weigh_classes("train_on_batch", samples, built.output_shapes[0], class_weight)
        self._begin(built, samples, X)
        statistics = built.untrained.copy()
        batches = TrainingBatches(self, built, samples, len(samples))
        steps = Steps(self, batches, len(samples), len(samples))
        steps.start_epoch(False, 0)
        if not steps.run(1, None):
            assert built.states is not None and built.slots is not None
            self.optimizer.drop_gradients(built.states.array, built.slots)
            np.copyto(built.untrained, statistics)
            warn(
                "[train_on_batch] the loss is not finite: no step was taken",
                DivergenceWarning,
            )
        return steps.logs()

    @names_arguments("evaluate", {"return_dict": "left out, since the result always is a dict"})
    def evaluate(
        self,
        X: ArrayLike | Source,
        y: ArrayLike | None = None,
        batch_size: int = EVALUATION_BATCH,
        sample_weight: ArrayLike | None = None,
        verbose: int | str = 0,
    ) -> dict[str, float]:
        """Return loss and metrics on samples.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.
        batch_size : int, default=512
            Samples in memory at a time; fewer of a source whose samples are large.
        verbose : optional
            As in Keras, and without effect: nothing is printed.

        Returns
        -------
        dict of str to float
            ``loss``, with the penalties of regularizers, and each metric.

        Raises
        ------
        NotFittedError
            Before the network was built or fitted.
        TypeError, ValueError
            As `fit`.
        """
        self._need_built("evaluate")
        built, samples = self._check("evaluate", X, y, sample_weight)
        batch = _check_batch_size("evaluate", batch_size, len(samples))
        built.check_batches("evaluate", len(samples), batch)
        return Evaluation(LookedAtBatches(built, samples, batch), samples).run()

    def loss_and_gradients(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> tuple[float, list[Array]]:
        """Return the loss on samples, taken as one batch, and its gradient; nothing is trained.

        With `weights` this is what an optimizer outside needs, one of `scipy.optimize` for example.
        Layers act as in prediction.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.

        Returns
        -------
        loss : float
            With the penalties of regularizers.
        gradients : list of ndarray
            Of each weight that is trained, in the order of `get_weights`.

        Raises
        ------
        TypeError, ValueError
            As `fit`.

        Examples
        --------
        >>> import numpy as np
        >>> from ganglion import Sequential, layers
        >>> net = Sequential([layers.Dense(1, kernel_initializer="ones")], loss="mse")
        >>> loss, (d_kernel, d_bias) = net.loss_and_gradients(np.array([[1.0, 2.0]]), [1.0])
        >>> loss, d_kernel.tolist(), d_bias.tolist()
        (4.0, [[4.0], [8.0]], [4.0])
        """
        built, samples = self._check("loss_and_gradients", X, y, sample_weight)
        built.check_batches("loss_and_gradients", len(samples))
        executable = built.executable("gradient", samples.weight_axes, samples.form)
        if self._built is None:
            self._set_built(built)
        loss, *gradients = executable.run(samples.arrays, len(samples), {}, self.seed_, self.step_)
        return float(loss), gradients

    def _check(self, place: str, X: Any, y: Any, sample_weight: Any) -> tuple[Built, Samples]:
        """Check the data, and build for it where that was not done; the network does not change."""
        self._need_loss(place)
        if y is None and isinstance(X, Source):
            y = X.labels
        array = self._check_inputs(place, X)
        built = self._built_for(place, array)
        return built, self._check_targets(place, built, array, y, sample_weight)

    def _check_targets(
        self, place: str, built: Built, X: Inputs, y: Any, sample_weight: Any
    ) -> Samples:
        shapes = built.forms.output_shapes_of(X)
        form = built.forms.of(X)
        try:
            return check_samples(place, X, y, built.recipe, shapes, self.dtype, sample_weight, form)
        except TargetShapeError as error:
            if isinstance(X, Bundle) or len(shapes) > 1:
                raise ValueError(str(error)) from None
            layers = [row.layer for row in built.rows]
            hint = targets_hint(layers, np.shape(y), shapes[0], X.shape)
            raise ValueError(f"{error}{hint}") from None

    def _check_validation(
        self, built: Built, validation_data: Any, names: Sequence[str] | None
    ) -> Samples:
        if isinstance(validation_data, Source):
            validation_data = (validation_data, validation_data.labels)
        if not isinstance(validation_data, (tuple, list)) or len(validation_data) not in (2, 3):
            raise ValueError(
                "[fit] validation_data must be (X, y), (X, y, sample_weight) or a Source, got "
                f"{type(validation_data).__name__}"
            )
        X, y, *weight = validation_data
        place = "fit, validation_data"
        array = check_network_inputs(place, X, built.recipe, self.dtype, names=names)
        built.check_data(place, array)
        samples = self._check_targets(place, built, array, y, *(weight or [None]))
        built.executable("evaluate", samples.weight_axes, samples.form)
        return samples

    def _begin(self, built: Built, samples: Samples, X: Any) -> None:
        """Take over what was built for the data, now that all of it was checked."""
        # Made first, since metrics that do not fit the layers show when they are traced.
        built.executable("train", samples.weight_axes, samples.form)
        if self._built is None:
            self._set_built(built)
        if self.feature_names_in_ is None:
            self.feature_names_in_ = feature_names(X)
        built.adapt(samples.X, self.seed_)


def _check_batch_size(place: str, batch_size: int | None, samples: int) -> int:
    if batch_size is None:
        return samples
    return whole_number(place, "batch_size", batch_size)
