"""Single passes through a network: prediction, gradients, and a look at the programs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ganglion import _core
from ganglion.built import Built
from ganglion.bundle import arrays_of, in_order
from ganglion.data import as_array, check_finite, whole_number
from ganglion.errors import not_fitted, suggestion
from ganglion.frames import column_names
from ganglion.gate import check_network_finite, check_network_inputs, check_samples
from ganglion.inputs import Inputs
from ganglion.keeping import Keeping
from ganglion.parts import joined, parts_of
from ganglion.source import Source
from ganglion.streaming import rows_together, stop_reading

Array = NDArray[Any]

# Rows predicted together: enough to fill the kernels, few enough to stay in the cache.
PREDICTION_BATCH = 512
# Not of another byte order, which the core cannot read.
_NATIVE_FLOATS = (np.dtype("float32"), np.dtype("float64"))
# Square of 1e38, which float32 holds.
_PLAIN_SQUARES = 1e76
# Runs of a program that are timed.
_PROFILE_RUNS = 20


class Passes(Keeping):
    """Prediction and gradients. `Sequential` documents what a user sees of it."""

    def predict(
        self, X: ArrayLike | Source, batch_size: int = PREDICTION_BATCH, verbose: int | str = 0
    ) -> Any:
        """Return the network's output for each sample.

        Parameters
        ----------
        X : array_like, shape (n, ...), sparse matrix, data frame, Source or list of sequences
            Finite numbers of any real type, read in place. For a `Model` of several inputs a tuple
            of these, or a dict by their names.
        batch_size : int, default=512
            Samples in memory at a time; fewer of a source whose samples are large. The results do
            not depend on it.
        verbose : optional
            As in Keras, and without effect: nothing is printed.

        Returns
        -------
        ndarray, shape (n, ...)
            Of the network's dtype. A list of arrays, (steps, ...) each, where ``X`` is a list of
            sequences and the network gives a result for each step. Of a `Model` of several outputs
            a list of these, or a dict if its outputs were given as one.

        Raises
        ------
        NotFittedError
            Before the network was built or fitted.
        TypeError, ValueError
            For data that is empty, of another shape than the network takes, or not finite numbers.

        Examples
        --------
        >>> import numpy as np
        >>> from ganglion import Sequential, layers
        >>> net = Sequential([layers.Input((2,)), layers.Dense(3, kernel_initializer="ones")])
        >>> net.predict(np.array([[1.0, 2.0]])).tolist()
        [[3.0, 3.0, 3.0]]
        """
        # One row is served by this alone: checks cost more than the arithmetic. No term of a sum of
        # squares below the limit is NaN, infinite, or too large for float32.
        if (
            type(X) is np.ndarray
            and X.shape == self._row_shape
            and X.dtype in _NATIVE_FLOATS
            and batch_size == PREDICTION_BATCH
            and float(np.vdot(X, X)) < _PLAIN_SQUARES
        ):
            return self._results(self._predict_rows([X], 1))
        built = self._need_built("predict")
        array = check_network_inputs(
            "predict",
            X,
            built.recipe,
            self.dtype,
            finite=False,
            names=self.feature_names_in_,
        )
        built.check_data("predict", array)
        whole_number("predict", "batch_size", batch_size)
        built.check_batches("predict", len(array), batch_size)
        form = built.forms.of(array)
        if form.ragged:
            check_network_finite("predict", array, built.recipe, self.dtype)
            looked_at = self._looked_at(built, "predict", array, batch_size)
            return self._results([*looked_at.values()])
        executable = built.executable("predict", form=form)
        together = rows_together(array, batch_size)
        try:
            outputs = executable.predict(arrays_of(array), together, checked=True)
        finally:
            stop_reading(array)
        if outputs is None:
            check_network_finite("predict", array, built.recipe, self.dtype, column_names(X))
        assert outputs is not None  # else the check has raised
        results = self._results(outputs)
        # In this order: another thread may look at the shape at any time.
        self._predict_rows = executable.predict
        plain = results is outputs[0] and not built.looks_at_data
        self._row_shape = (1, *array.shape[1:]) if plain and isinstance(array, np.ndarray) else None
        return results

    def _results(self, outputs: list[Any]) -> Any:
        """Return the predictions of all outputs as the user wants them."""
        return outputs[0] if len(outputs) == 1 else outputs

    def forward(self, X: Any, training: bool = False) -> Any:
        """Return the network's output for one batch, and remember the batch for `backward`.

        Parameters
        ----------
        X : array_like, shape (n, ...)
            Finite numbers. Builds the network when it is not.
        training : bool, default=False
            Whether layers act as in training: dropout draws as the next step would, and moving
            statistics are updated.

        Returns
        -------
        ndarray, shape (n, ...)

        Raises
        ------
        TypeError, ValueError
            As `predict`.
        """
        array = self._check_inputs("forward", X)
        _need_one_array("forward", array)
        built = self._built_for("forward", array)
        built.check_batches("forward", len(array))
        if self._built is None:
            self._set_built(built)
        name = "forward" if training else "predict"
        executable = built.executable(name, form=built.forms.of(array))
        outputs = executable.run(arrays_of(array), len(array), {}, self.seed_, self.step_)
        self._last_forward = array, training, self.step_
        return self._results(outputs)

    def backward(self, gradient: Any) -> Any:
        """Send a gradient back through the last `forward`.

        The weights do not change. Penalties of regularizers are no part of it: this is the
        vector-Jacobian product of the layers alone.

        Parameters
        ----------
        gradient : array_like, shape (n, ...)
            Gradient of some number with respect to the output of the last `forward`.

        Returns
        -------
        ndarray, shape of the input
            Gradient with respect to the input. Those with respect to the weights that are trained
            are in ``gradients_``, in the order of `get_weights`.

        Raises
        ------
        NotFittedError
            Before `forward`.
        ValueError
            When the gradient has not the shape of the output, or is not finite.

        Examples
        --------
        >>> import numpy as np
        >>> from ganglion import Sequential, layers
        >>> net = Sequential([layers.Dense(1, kernel_initializer="ones")])
        >>> net.forward(np.array([[1.0, 2.0]])).tolist()
        [[3.0]]
        >>> net.backward([[1.0]]).tolist()
        [[1.0, 1.0]]
        >>> [gradient.tolist() for gradient in net.gradients_]
        [[[1.0], [2.0]], [1.0]]
        """
        if self._last_forward is None:
            raise not_fitted("[backward] needs the batch of a forward: call forward first")
        X, training, step = self._last_forward
        built = self._need_built("backward")
        form, names = built.forms.of(X), built.recipe.output_names
        given = [gradient]
        if len(names) > 1:
            given = in_order("backward", "gradient", gradient, names)
        seeds = []
        for part, sample in zip(given, built.forms.outputs(form).shapes, strict=True):
            array, shape = as_array("backward", "gradient", part), (len(X), *sample[1:])
            if array.shape != shape:
                raise ValueError(
                    f"[backward] gradient must have the shape of the output, {shape}, got "
                    f"{array.shape}"
                )
            check_finite("backward", "gradient", array, self.dtype)
            seeds.append(array)
        executable = built.executable("backward", training, form)
        arrays = [*arrays_of(X), *seeds]
        found = executable.run(arrays, len(X), {}, self.seed_, step)
        inputs = len(built.recipe.input_names)
        self.gradients_ = found[inputs:]
        return found[0] if inputs == 1 else found[:inputs]

    def layer_outputs(self, X: ArrayLike) -> dict[str, Any]:
        """Return what each layer puts out in prediction.

        Parameters
        ----------
        X : array_like, shape (n, ...)
            Finite numbers.

        Returns
        -------
        dict of str to ndarray, shape (n, ...)
            By the layers' names, in the order in which they are applied; layers within another, as
            ``"residual/dense"``, come before it. Lists as `predict` returns them, for layers that
            give a result for each step of sequences of different lengths. Those within
            `TimeDistributed` are left out.

        Raises
        ------
        NotFittedError
            Before the network was built or fitted.
        TypeError, ValueError
            As `predict`.

        Examples
        --------
        >>> import numpy as np
        >>> from ganglion import Sequential, layers
        >>> net = Sequential([layers.Input((2,)), layers.Dense(3, "relu"), layers.Dense(1)])
        >>> {name: output.shape for name, output in net.layer_outputs(np.ones((5, 2))).items()}
        {'input': (5, 2), 'dense': (5, 3), 'dense_1': (5, 1)}
        """
        built = self._need_built("layer_outputs")
        array = self._check_inputs("layer_outputs", X)
        built.check_data("layer_outputs", array)
        built.check_batches("layer_outputs", len(array), PREDICTION_BATCH)
        try:
            return self._looked_at(built, "layers", array, PREDICTION_BATCH)
        finally:
            stop_reading(array)

    def _looked_at(self, built: Built, program: str, X: Inputs, batch_size: int) -> dict[str, Any]:
        """Return the outputs of a program by name, whatever the form of the samples."""
        form = built.forms.of(X)
        found = built.forms.outputs(form)
        by_step = found.ends_by_step if program == "predict" else found.by_step
        parts = parts_of(X, form)
        outputs = []
        for part in parts:
            executable = built.executable(program, form=part.form)
            outputs.append(executable.predict(part.arrays, part.together(batch_size)))
        names = [name for name, _ in executable.program.outputs]
        results = joined(parts, outputs, [by_step.get(name) for name in names])
        return dict(zip(names, results, strict=True))

    def program(self, name: str = "predict", batch_size: int = 32) -> None:
        """Print a program: one operation a line, with shape, layer, FLOPs and bytes.

        Parameters
        ----------
        name : {"predict", "evaluate", "train"}
            Which program.
        batch_size : int, default=32
            Samples for which operations are counted.

        Raises
        ------
        NotFittedError
            Before the network was built.
        ValueError
            For another name, or one that needs a loss where there is none.
        """
        known = ["predict", "evaluate", "train"]
        if name not in known:
            raise ValueError(f"[program] no program is named {name!r}{suggestion(name, known)}")
        whole_number("program", "batch_size", batch_size)
        built = self._need_built("program")
        if name != "predict":
            self._need_loss("program")
        executable = built.executable(name, form=built.some_form)
        print(executable.program.listing(batch_size, self._scalar_bytes))

    def profile(self, X: ArrayLike, y: ArrayLike | None = None, batch_size: int = 32) -> None:
        """Print a program with the time of each operation, in microseconds.

        Each runs alone over the whole batch. Otherwise threads take a part of the samples through
        several operations, and find it in their caches.

        Parameters
        ----------
        X : array_like, shape (n, ...)
            Finite numbers; the first ``batch_size`` samples are used.
        y : array_like, shape (n, ...), optional
            Targets: with them a training step is measured, otherwise prediction. Weights, state and
            counters are left as they were.
        batch_size : int, default=32
            Samples of one run.

        Raises
        ------
        TypeError, ValueError
            As `fit`.
        """
        whole_number("profile", "batch_size", batch_size)
        array = self._check_inputs("profile", X)
        _need_one_array("profile", array)
        arrays, name = arrays_of(array[:batch_size]), "predict"
        built = self._built_for("profile", array)
        built.check_batches("profile", min(len(array), batch_size))
        form = built.forms.of(array)
        if y is not None:
            self._need_loss("profile")
            shapes = built.forms.outputs(form).shapes
            samples = check_samples(
                "profile", array, y, built.recipe, shapes, self.dtype, form=form
            )
            arrays, name = samples.rows(0, batch_size).arrays, "train"
        if self._built is None:
            self._set_built(built)
        executable = built.executable(name, form=form)
        kept = [store.array.copy() for store in built.stores]
        steps = self.scalars(np.array([self.step_]))
        scalars = {scalar: float(steps[scalar][0]) for scalar in executable.program.scalars}
        executable.run(arrays, len(arrays[0]), scalars, self.seed_, self.step_)
        executable.profile(True)
        for _ in range(_PROFILE_RUNS):
            executable.run(arrays, len(arrays[0]), scalars, self.seed_, self.step_)
        times = [1e6 * seconds / _PROFILE_RUNS for seconds in executable.profile(False)]
        for store, values in zip(built.stores, kept, strict=True):
            np.copyto(store.array, values)
        print(executable.program.listing(len(arrays[0]), self._scalar_bytes, times))

    def _check_inputs(self, place: str, X: Any) -> Inputs:
        recipe = None if self._built is None else self._built.recipe
        return check_network_inputs(place, X, recipe, self.dtype, names=self.feature_names_in_)

    def _built_for(self, place: str, X: Inputs) -> Built:
        """Return what the network is, or would be built as, for checked inputs it can read."""
        self._follow_layers()
        built = self._built or self._made_for(place, X)
        built.check_data(place, X)
        return built

    def _made_for(self, place: str, X: Inputs) -> Built:
        try:
            return self._initialized(tuple((None, *part.shape[1:]) for part in arrays_of(X)))
        except ValueError as error:
            if not isinstance(X, _core.RaggedRows):
                raise
            raise ValueError(f"[{place}] X has rows of different lengths: {error}") from error

    @property
    def _scalar_bytes(self) -> int:
        return np.dtype(self.dtype).itemsize


def _need_one_array(place: str, X: Inputs) -> None:
    if any(isinstance(part, _core.RaggedRows) for part in arrays_of(X)):
        raise TypeError(
            f"[{place}] takes one batch as an array, got a list of sequences: bring them to one "
            "length"
        )
