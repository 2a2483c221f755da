"""The programs of a network ready to run, and the optimizer's state that those of training keep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from ganglion import _core, compile
from ganglion.compile import Form, Recipe
from ganglion.engines import engine_for
from ganglion.optimizers import Slots
from ganglion.weights import Weights, new_store

Array = NDArray[Any]

# Kept of a network: as many as fit and evaluate make for sequences of different lengths, and some.
_MOST_PROGRAMS = 48


class Programs(Weights):
    """Programs over the weights of a network.

    Parameters
    ----------
    recipe : Recipe
        What they are made of.
    example : Recipe
        The same for some number of steps, where that is open.
    dtype : {"float32", "float64"}
        Of weights and arithmetic.
    device : {"auto", "cpu", "cuda", "gpu", "numba-cuda"}
        What they run on.

    Attributes
    ----------
    engine : Engine
        Runs them.
    states : Store or None
        The flat buffer of the optimizer's state; None before training.
    slots : Slots or None
        What stands where in ``states``.
    """

    def __init__(self, recipe: Recipe, example: Recipe, dtype: str, device: str) -> None:
        super().__init__(recipe.variables, dtype)
        self.engine = engine_for(device)
        self.recipe = recipe
        self.example = example
        self.states: _core.Store | None = None
        self.slots: Slots | None = None
        self._executables: dict[tuple[str, int, Form], _core.Executable] = {}

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
                self.states = new_store(slots.size, self.dtype)
                self.slots = slots
                slots.fill(self.states.array)
            return self.engine.executable(program, self.dtype, self.parameters, self.states)
        if name == "evaluate":
            program = compile.evaluate_program(recipe, flag)
        elif name == "gradient":
            program = compile.gradient_program(recipe, flag)
        elif name == "backward":
            program = compile.backward_program(recipe, training=bool(flag))
        elif name == "layers":
            program = compile.layers_trace(recipe).finish()
        else:
            program = compile.predict_program(recipe, training=name == "forward")
        return self._of(program)

    def _of(self, program: _core.Program) -> _core.Executable:
        """Return a program that trains nothing ready to run."""
        return self.engine.executable(program, self.dtype, self.parameters, None)

    @property
    def some_form(self) -> Form:
        """A form that the network takes, where it takes sequences of several."""
        if not self.recipe.is_open:
            return Form()
        return Form(self.example.input_shapes[self.recipe.open_inputs[0]][1])

    # The state of the optimizer.

    def initialize(self, seed: int) -> None:
        """Draw all weights anew, and set the optimizer's state back."""
        for variable in self.variables:
            self.view(variable)[...] = variable.initial_value(seed)
        self.reset_optimizer()

    @property
    def stores(self) -> list[_core.Store]:
        """All that training changes."""
        return [self.parameters] if self.states is None else [self.parameters, self.states]

    def reset_optimizer(self) -> None:
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
        return {v.name: v.first_update for v in self.layout.trainable if v.first_update}

    @first_updates.setter
    def first_updates(self, counts: Mapping[str, int]) -> None:
        for variable in self.variables:
            variable.first_update = int(counts.get(variable.name, 0))

    def take_training(self, other: Programs, updates: int) -> None:
        """Go on with another training of the same weights, of which some others were trained.

        Parameters
        ----------
        other : Programs
            Those of the network as it was built before.
        updates : int
            That were made so far: what was not trained begins there.
        """
        trained = {variable.name for variable in other.layout.trainable}
        names = (variable.name for variable in self.layout.trainable)
        begun = {name: updates for name in names if name not in trained}
        self.first_updates = {**other.first_updates, **begun}
        if other.states is None or other.slots is None:
            return
        self._make_states()
        assert self.states is not None and self.slots is not None
        self.slots.take(
            self.states.array, self.layout, other.slots, other.states.array, other.layout
        )

    def _make_states(self) -> None:
        """Lay out the optimizer's state, as the first program for training does."""
        if self.states is None:
            self.executable("train", form=self.some_form)

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
        self._make_states()
        assert self.states is not None and self.slots is not None
        expected = {slot.name: slot.shape for slot in self.slots}
        given = {name: array.shape for name, array in states.items()}
        if expected != given:
            raise ValueError(f"[optimizer] its state has {expected}, got {given}")
        for slot in self.slots:
            self.states.array[slot.span] = states[slot.name].reshape(-1)
