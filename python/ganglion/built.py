"""A network whose shapes are known: its layers, over weights in memory and programs to run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganglion import _core, compile
from ganglion.bundle import arrays_of
from ganglion.compile import Form, Recipe
from ganglion.endings import ending_of, mismatch
from ganglion.errors import warn
from ganglion.inputs import Inputs, check_ids, check_one_length, check_steps
from ganglion.layers import Layer
from ganglion.layers.recurrent import Recurrent
from ganglion.open_steps import Forms, trace_once
from ganglion.parts import parts_of
from ganglion.programs import Programs
from ganglion.stepping import PROGRAMS, Stepper
from ganglion.value import Shape
from ganglion.variables import Variable

Array = NDArray[Any]

# Rows that a layer is shown together when it adapts to the data.
_ADAPT_ROWS = 1024


@dataclass(frozen=True)
class LayerRow:
    """One layer as it stands in a network.

    Attributes
    ----------
    name : str
        ``"dense"``, or ``"residual/dense"`` for one within another.
    layer : Layer
        Its settings.
    output_shape : tuple
        (None, ...).
    weights, trainable_weights : int
        How many it has, counted by element, with those of the layers within it.
    """

    name: str
    layer: Layer
    output_shape: Shape
    weights: int
    trainable_weights: int

    @property
    def kind(self) -> str:
        """Name of its class."""
        return type(self.layer).__name__

    @property
    def depth(self) -> int:
        """How many layers it stands within."""
        return self.name.count("/")


class Built(Programs):
    """The layers of a network, with its weights, optimizer state and programs.

    Parameters
    ----------
    recipe : Recipe
        What the programs are made of, with empty variables.
    dtype : {"float32", "float64"}
        Of weights and arithmetic.
    device : {"auto", "cpu", "cuda", "gpu", "numba-cuda"}
        What its programs run on.

    Attributes
    ----------
    forms : Forms
        What it makes of sequences of different numbers of steps.
    output_shapes : list of tuple
        (None, ...) of each output; None too for what follows a number of steps that is open.
    rows : list of LayerRow
        The layers in the order in which they are applied; those within another come before it.
    batch_size : int or None
        Samples of every batch, where layers keep states.
    kept_states : list of str
        Names of the weights that are states of layers, kept from batch to batch.
    """

    def __init__(self, recipe: Recipe, dtype: str, device: str) -> None:
        example, trace, (inputs, predictions), shapes = trace_once(recipe)
        example.variables.lay_out()
        super().__init__(replace(recipe, variables=example.variables), example, dtype, device)
        calls = len(trace.calls)
        self.output_shapes = shapes[calls:]
        self._endings = [ending_of(trace, prediction) for prediction in predictions]
        self._mask_loser = compile.mask_loser(trace)
        self.forms = Forms(self.recipe, self.output_shapes)
        rows: dict[str, LayerRow] = {}  # a layer used in several places has one
        for call, shape in zip(trace.calls, shapes[:calls], strict=True):
            if isinstance(call.layer, Layer):
                rows.setdefault(call.path, self._row(call.path, call.layer, shape))
        self.rows = list(rows.values())
        self._learning = self._learning_of_layers()
        # Of the layers that read an input of the network as it is: which, by path.
        places = {value.id: index for index, value in enumerate(inputs)}
        reading = [
            (call.path, call.layer, places[call.input.id])
            for call in trace.calls
            if isinstance(call.layer, Layer) and call.input.id in places
        ]
        self._vocabularies = {
            path: (index, layer.vocabulary)
            for path, layer, index in reading
            if layer.vocabulary is not None
        }
        # Of those that take steps of it for padding.
        self._paddings = {
            path: (index, layer.padding_value)
            for path, layer, index in reading
            if layer.padding_value is not None
        }
        self.kept_states = [
            f"{row.name}/{state}"
            for row in self.rows
            if isinstance(row.layer, Recurrent) and row.layer.stateful
            for state in row.layer.state_names
        ]
        self.batch_size = trace.batch_size if self.kept_states else None
        # By path, in the order in which they are applied.
        self._adapting = {row.name: row.layer for row in self.rows if row.layer.needs_adapt}

    @cached_property
    def stepper(self) -> Stepper:
        """How the network goes on with sequences of ids."""
        sizes = (vocabulary for _, vocabulary in self._vocabularies.values())
        return Stepper(self.recipe, min(sizes, default=None))

    def _make(self, name: str, flag: int, form: Form) -> _core.Executable:
        if name in PROGRAMS:
            return self._of(self.stepper.program(name))
        is_first = name == "train" and self.states is None
        executable = super()._make(name, flag, form)
        if is_first:
            self._check_ending()
        return executable

    def _check_ending(self) -> None:
        ends = zip(self.recipe.heads, self._endings, self.output_shapes, strict=True)
        for head, ending, shape in ends:
            wrong = mismatch(head.loss, ending, shape[-1])
            if wrong is not None:
                warn(wrong)
        call = self._mask_loser
        if call is not None:
            warn(
                f"[{type(call.layer).__name__}] loses the mask (layer '{call.path}', "
                f"{call.input.shape} to {call.output.shape}): it and what stands behind it take "
                "padding for data"
            )

    def _row(self, path: str, layer: Layer, output_shape: Shape) -> LayerRow:
        own = self._within(path)
        trained = sum(variable.size for variable in own if variable.trainable)
        return LayerRow(path, layer, output_shape, sum(v.size for v in own), trained)

    def _learning_of_layers(self) -> list[tuple[bool, float]]:
        layers = (row.layer for row in self.rows)
        return [(layer.trainable, layer.learning_rate_multiplier) for layer in layers]

    @property
    def outdated(self) -> bool:
        """Whether what is trained, or how fast, was changed in a layer since."""
        return self._learning != self._learning_of_layers()

    @property
    def looks_at_data(self) -> bool:
        """Whether `check_data` has something to look for."""
        return bool(self._vocabularies or self._paddings or self.kept_states)

    def check_data(self, place: str, X: Inputs) -> None:
        """Raise for inputs that a layer cannot read.

        These are ids that the vocabulary of a layer has not, samples that are nothing but padding,
        and sequences of different lengths where states are kept for what follows them.

        Parameters
        ----------
        place : str
            What was called, for the error.
        X : ndarray, SparseRows, RaggedRows, Stream or Bundle, shape (n, ...)
            Checked inputs.
        """
        arrays = arrays_of(X)
        for path, (index, vocabulary) in self._vocabularies.items():
            check_ids(place, arrays[index], vocabulary, path, self.dtype)
        if self.kept_states:  # of a stream that has ended there may be nothing but padding
            for array in arrays:
                check_one_length(place, array)
            return
        for path, (index, padding) in self._paddings.items():
            check_steps(place, arrays[index], padding, path)

    @property
    def is_frozen(self) -> bool:
        """Whether there are layers with weights, and none of those is trained."""
        frozen = any(row.weights and not row.layer.trainable for row in self.rows)
        return frozen and not self.layout.trainable

    def check_batches(self, place: str, samples: int, batch_size: int | None = None) -> None:
        """Raise where states are kept for the samples of a batch, and batches are of another size.

        Parameters
        ----------
        place : str
            What was called, for the error.
        samples : int
            How many there are.
        batch_size : int, optional
            Of each batch but perhaps the last. None for all samples at once.
        """
        size = self.batch_size
        if size is None:
            return
        given = samples if batch_size is None else min(batch_size, samples)
        if given != size or samples % size:
            raise ValueError(
                f"[{place}] a layer keeps the states of {size} samples, as Input(batch_size={size})"
                f" says: pass batches of {size}, got {samples} samples in batches of {given}"
            )

    def reset_kept_states(self) -> None:
        """Set the states that layers keep back to zeros."""
        for name in self.kept_states:
            self.view(self.layout[name])[...] = 0.0

    # Weights.

    def take_weights(self, other: Built) -> None:
        """Copy the weights that the same layers have in another network, of the same shape.

        By their layers, since a layer that is added can take a name that another had by itself.
        """
        own = self._by_layer()
        for key, theirs in other._by_layer().items():
            for mine, variable in zip(own.get(key, []), theirs, strict=False):
                if mine.shape == variable.shape:
                    self.view(mine)[...] = other.view(variable)

    def _by_layer(self) -> dict[tuple[int, str], list[Variable]]:
        """Return the weights by the layer that made them and by their name within it.

        They are several where the layer stands in several places.
        """
        layers = {row.name: row.layer for row in self.rows}
        found: dict[tuple[int, str], list[Variable]] = {}
        for variable in self.variables:
            path = variable.name.rpartition("/")[0]
            while path and path not in layers:  # that of an activation within the layer
                path = path.rpartition("/")[0]
            key = id(layers.get(path)), variable.name[len(path) :]
            found.setdefault(key, []).append(variable)
        return found

    def adapt(self, X: Inputs, seed: int) -> None:
        """Let the layers that need it learn from the data, each from what reaches it.

        A layer whose weights are not those it began with, because it learned before or because they
        were set, stays as it is.

        Parameters
        ----------
        X : ndarray, SparseRows, Stream or Bundle, shape (n, ...)
            Read in batches.
        seed : int
            What the weights were drawn with.
        """
        for path, layer in self._adapting.items():
            if self._as_drawn(path, seed):
                for name, value in layer.adapt(self._reaching(path, X)).items():
                    self.view(self.layout[f"{path}/{name}"])[...] = value

    def _as_drawn(self, path: str, seed: int) -> bool:
        return all(
            np.array_equal(self.view(variable), variable.initial_value(seed).astype(self.dtype))
            for variable in self._within(path)
        )

    def _reaching(self, path: str, X: Inputs) -> Iterator[Array]:
        """Yield, batch by batch, what the layers before make of the data."""
        for part in parts_of(X, self.forms.of(X)):
            program, padded = compile.reaching_program(self.recipe.of(part.form), path)
            executable = self._of(program)
            rows = part.together(_ADAPT_ROWS)
            for start in range(0, len(part.X), rows):
                batch = [array[start : start + rows] for array in part.arrays]
                reaching = executable.predict(batch, rows)[0]
                yield reaching[part.counted(start, start + rows)] if padded else reaching
