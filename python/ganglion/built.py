"""A network whose shapes are known: its weights in memory, and its programs ready to run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganglion import _core, compile
from ganglion.compile import Form, Recipe
from ganglion.data import as_array
from ganglion.endings import ending_of, mismatch
from ganglion.errors import warn
from ganglion.inputs import Inputs, check_ids
from ganglion.layers import Layer
from ganglion.layers.recurrent import Recurrent
from ganglion.open_steps import Forms, trace_once
from ganglion.optimizers import Slots
from ganglion.parts import parts_of
from ganglion.stepping import PROGRAMS, Stepper
from ganglion.value import Shape
from ganglion.variables import Variable

Array = NDArray[Any]

# Rows that a layer is shown together when it adapts to the data.
_ADAPT_ROWS = 1024
# Kept of a network: as many as fit and evaluate make for sequences of different lengths, and some.
_MOST_PROGRAMS = 48


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


class Built:
    """Weights, optimizer state and programs of a network.

    Parameters
    ----------
    recipe : Recipe
        What the programs are made of, with empty variables.
    dtype : {"float32", "float64"}
        Of weights and arithmetic.

    Attributes
    ----------
    example : Recipe
        One that programs can be written from, for some number of steps where that is open.
    forms : Forms
        What it makes of sequences of different numbers of steps.
    output_shape : tuple
        (None, ...); None too for what follows a number of steps that is open.
    parameters, states : Store
        The flat buffers of weights and of optimizer state; ``states`` is None before training.
    slots : Slots or None
        What stands where in ``states``.
    rows : list of LayerRow
        The layers in the order in which they are applied; those within another come before it.
    batch_size : int or None
        Samples of every batch, where layers keep states.
    kept_states : list of str
        Names of the weights that are states of layers, kept from batch to batch.
    """

    def __init__(self, recipe: Recipe, dtype: str) -> None:
        self.example, trace, (x, prediction), shapes = trace_once(recipe)
        self.output_shape: Shape = shapes[-1]
        self._ending = ending_of(trace, prediction)
        self.example.variables.lay_out()
        self.recipe = replace(recipe, variables=self.example.variables)
        self.forms = Forms(self.recipe, self.output_shape)
        self.dtype = dtype
        self.rows = [
            self._row(call.path, call.layer, shape)
            for call, shape in zip(trace.calls, shapes[:-1], strict=True)
            if isinstance(call.layer, Layer)
        ]
        self._learning = self._learning_of_layers()
        # By path, of the layers that read the network's input as it is.
        self._vocabularies = {
            call.path: call.layer.vocabulary
            for call in trace.calls
            if isinstance(call.layer, Layer) and call.layer.vocabulary and call.input.id == x.id
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
        self.parameters = _store(self.recipe.variables.size, dtype)
        self.states: _core.Store | None = None
        self.slots: Slots | None = None
        self._executables: dict[tuple[str, int, Form], _core.Executable] = {}

    def _check_ending(self) -> None:
        assert self.recipe.loss is not None
        wrong = mismatch(self.recipe.loss, self._ending, self.output_shape[-1])
        if wrong is not None:
            warn(wrong)

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
    def reads_ids(self) -> bool:
        """Whether some layer takes the network's input for ids."""
        return bool(self._vocabularies)

    def check_ids(self, place: str, X: Inputs) -> None:
        """Raise for the first input that is not in the vocabulary of a layer that reads ids.

        Parameters
        ----------
        place : str
            What was called, for the error.
        X : ndarray, SparseRows or Stream, shape (n, ...)
            Checked inputs.
        """
        for path, vocabulary in self._vocabularies.items():
            check_ids(place, X, vocabulary, path, self.dtype)

    @property
    def is_frozen(self) -> bool:
        """Whether there are layers with weights, and none of those is trained."""
        frozen = any(row.weights and not row.layer.trainable for row in self.rows)
        return frozen and not self.recipe.variables.trainable

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
            self.view(self.recipe.variables[name])[...] = 0.0

    # Weights.

    @property
    def variables(self) -> list[Variable]:
        """The weights in the order of ``get_weights``."""
        return list(self.recipe.variables)

    def _within(self, path: str) -> list[Variable]:
        return [variable for variable in self.variables if variable.name.startswith(path + "/")]

    def view(self, variable: Variable) -> Array:
        """Return the values of a weight, writable, in its shape."""
        return self.parameters.array[variable.span].reshape(variable.shape)

    @property
    def untrained(self) -> Array:
        """The part of the flat weights that the optimizer leaves alone: moving statistics."""
        return self.parameters.array[self.recipe.variables.trainable_size :]

    def initialize(self, seed: int) -> None:
        """Draw all weights anew, and set the optimizer's state back."""
        for variable in self.variables:
            self.view(variable)[...] = variable.initial_value(seed)
        self.reset_states()

    @property
    def stores(self) -> list[_core.Store]:
        """All that training changes."""
        return [self.parameters] if self.states is None else [self.parameters, self.states]

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

    def laid_out_anew(self, flat: Array, other: Built) -> Array:
        """Return weights in this layout, given flat as another network of the same lays them."""
        anew = np.zeros_like(self.parameters.array)
        for variable in self.variables:
            anew[variable.span] = flat[other.recipe.variables[variable.name].span]
        return anew

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Replace all weights, or none when one does not fit.

        Raises
        ------
        TypeError
            For a weight that holds no numbers.
        ValueError
            For another number of arrays, another shape, or a value that is not finite or would not
            be in the network's dtype.
        """
        variables = self.variables
        if not isinstance(weights, (Sequence, np.ndarray)) or isinstance(weights, str):
            raise TypeError(f"[set_weights] weights must be a list of arrays, got {weights!r}")
        if len(weights) != len(variables):
            raise ValueError(
                f"[set_weights] the network has {len(variables)} weights, got {len(weights)}"
            )
        arrays = [
            self._check_weight(f"weight {index} ({variable.name})", variable, weight)
            for index, (variable, weight) in enumerate(zip(variables, weights, strict=True))
        ]
        for variable, array in zip(variables, arrays, strict=True):
            self.view(variable)[...] = array

    def _check_weight(self, name: str, variable: Variable, weight: Any) -> Array:
        array = as_array("set_weights", name, weight)
        if array.shape != variable.shape:
            raise ValueError(
                f"[set_weights] {name} must have shape {variable.shape}, got {array.shape}"
            )
        if not np.isfinite(array).all():
            raise ValueError(f"[set_weights] {name} has a value that is not finite")
        if np.abs(array).max(initial=0) > np.finfo(self.dtype).max:
            raise ValueError(f"[set_weights] {name} has a value too large for {self.dtype}")
        return array

    def adapt(self, X: Inputs, seed: int) -> None:
        """Let the layers that need it learn from the data, each from what reaches it.

        A layer whose weights are not those it began with, because it learned before or because they
        were set, stays as it is.

        Parameters
        ----------
        X : ndarray, SparseRows or Stream, shape (n, ...)
            Read in batches.
        seed : int
            What the weights were drawn with.
        """
        for path, layer in self._adapting.items():
            if self._as_drawn(path, seed):
                for name, value in layer.adapt(self._reaching(path, X)).items():
                    self.view(self.recipe.variables[f"{path}/{name}"])[...] = value

    def _as_drawn(self, path: str, seed: int) -> bool:
        return all(
            np.array_equal(self.view(variable), variable.initial_value(seed).astype(self.dtype))
            for variable in self._within(path)
        )

    def _reaching(self, path: str, X: Inputs) -> Iterator[Array]:
        """Yield, batch by batch, what the layers before make of the data."""
        for part in parts_of(X, self.forms.of(X)):
            program, padded = compile.reaching_program(self.recipe.of(part.form), path)
            executable = _core.Executable(program, self.dtype, self.parameters, None)
            rows = part.together(_ADAPT_ROWS)
            for start in range(0, len(part.X), rows):
                batch = [array[start : start + rows] for array in part.arrays]
                reaching = executable.predict(batch, rows)[0]
                yield reaching[part.counted(start, start + rows)] if padded else reaching

    # The state of the optimizer.

    def reset_states(self) -> None:
        """Set the optimizer's state to what it is before training."""
        if self.first_updates:
            # They are part of the programs, and of how the state is laid out.
            self.first_updates = {}
            self.states = self.slots = None
            for key in [key for key in self._executables if key[0] == "train"]:
                del self._executables[key]
        if self.states is not None and self.slots is not None:
            self.slots.fill(self.states.array)

    @property
    def first_updates(self) -> dict[str, int]:
        """How many updates had been made when a weight was first trained, where not 0; by name."""
        return {v.name: v.first_update for v in self.recipe.variables.trainable if v.first_update}

    @first_updates.setter
    def first_updates(self, counts: Mapping[str, int]) -> None:
        for variable in self.variables:
            variable.first_update = int(counts.get(variable.name, 0))

    def take_training(self, other: Built, updates: int) -> None:
        """Go on with another training of the same weights, of which some others were trained.

        Parameters
        ----------
        other : Built
            The network as it was built before.
        updates : int
            That were made so far: what was not trained begins there.
        """
        trained = {variable.name for variable in other.recipe.variables.trainable}
        names = (variable.name for variable in self.recipe.variables.trainable)
        begun = {name: updates for name in names if name not in trained}
        self.first_updates = {**other.first_updates, **begun}
        if other.states is None or other.slots is None:
            return
        _, flag, form = next(key for key in other._executables if key[0] == "train")
        self.executable("train", flag, form)
        assert self.states is not None and self.slots is not None
        self.slots.take(
            self.states.array,
            self.recipe.variables,
            other.slots,
            other.states.array,
            other.recipe.variables,
        )

    def get_states(self) -> dict[str, Array]:
        """Return copies of the optimizer's state by name; empty before training."""
        if self.states is None or self.slots is None:
            return {}
        array = self.states.array
        return {slot.name: array[slot.span].reshape(slot.shape).copy() for slot in self.slots}

    def set_states(
        self, states: Mapping[str, Array], first_updates: Mapping[str, int] | None = None
    ) -> None:
        """Replace the optimizer's state, or nothing when it does not fit.

        Parameters
        ----------
        states : dict of str to ndarray
            As `get_states` returns it.
        first_updates : dict of str to int, optional
            As they were then.

        Raises
        ------
        ValueError
            For other names or shapes than the optimizer has.
        """
        if not states:
            return
        self.first_updates = dict(first_updates or {})
        self.executable("train", form=Form(self.example.input_shape[1]))
        assert self.states is not None and self.slots is not None
        expected = {slot.name: slot.shape for slot in self.slots}
        given = {name: array.shape for name, array in states.items()}
        if expected != given:
            raise ValueError(f"[optimizer] its state has {expected}, got {given}")
        for slot in self.slots:
            self.states.array[slot.span] = states[slot.name].reshape(-1)

    # Programs.

    @cached_property
    def stepper(self) -> Stepper:
        """How the network goes on with sequences of ids."""
        return Stepper(self.recipe, min(self._vocabularies.values(), default=None))

    def executable(self, name: str, flag: int = 0, form: Form | None = None) -> _core.Executable:
        """Return a program ready to run, made when first asked for.

        Of those for sequences of several forms the ones used last are kept.

        Parameters
        ----------
        name : {"predict", "forward", "evaluate", "gradient", "train", "backward", "layers"}
            Which; see `ganglion.compile`. Or one of `ganglion.stepping`.
        flag : int
            For "evaluate", "gradient" and "train" how many axes the weights of samples have, 0
            without; for "backward" whether layers act as in training.
        form : Form, optional
            Of the sequences, as ``forms.of`` returns it.
        """
        key = (name, int(flag), form or Form())
        executable = self._executables.pop(key, None) or self._make(*key)
        self._executables[key] = executable  # the last
        if len(self._executables) > _MOST_PROGRAMS:
            self._executables.pop(next(iter(self._executables)))
        return executable

    def _make(self, name: str, flag: int, form: Form) -> _core.Executable:
        recipe = self.recipe.of(form)
        if name == "train":
            program, slots = compile.train_program(recipe, flag)
            if self.states is None:
                self._check_ending()
                self.states = _store(slots.size, self.dtype)
                self.slots = slots
                slots.fill(self.states.array)
            return _core.Executable(program, self.dtype, self.parameters, self.states)
        if name == "evaluate":
            program = compile.evaluate_program(recipe, flag)
        elif name == "gradient":
            program = compile.gradient_program(recipe, flag)
        elif name == "backward":
            program = compile.backward_program(recipe, training=bool(flag))
        elif name == "layers":
            program = compile.layers_trace(recipe).finish()
        elif name in PROGRAMS:
            program = self.stepper.program(name)
        else:
            program = compile.predict_program(recipe, training=name == "forward")
        return _core.Executable(program, self.dtype, self.parameters, None)


def _store(size: int, dtype: str) -> _core.Store:
    try:
        return _core.Store(size, dtype)
    except MemoryError:
        gigabytes = size * np.dtype(dtype).itemsize / 1e9
        raise MemoryError(
            f"[Sequential] there is no memory for {size:,} weights or their optimizer's state, "
            f"{gigabytes:,.0f} GB"
        ) from None
