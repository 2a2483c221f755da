"""An objective of several networks as it runs: its programs, and the state of its optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from numpy.typing import NDArray

from ganglion import _core
from ganglion.callbacks.base import Logs
from ganglion.joint.objective import Objective
from ganglion.weights import new_store

if TYPE_CHECKING:
    from ganglion.joint.programs import JointPrograms

Array = NDArray[Any]


def output_name(reported: str) -> str:
    """Return what a program calls the sum of a scalar that is not its loss."""
    return f"reported/{reported}"


class State(NamedTuple):
    """What an optimizer remembers.

    Attributes
    ----------
    trained : list of str
        Names of the weights that it trains, in order.
    slots : dict of str to ndarray
        By name.
    """

    trained: list[str]
    slots: dict[str, Array]


class Part:
    """An objective with its programs and the state of its optimizer.

    Attributes
    ----------
    objective : Objective
        Which.
    reported : list of str
        Names of its scalars; of the first, the loss, the penalties of regularizers are a part.
    train : Executable
        Changes the weights of the networks that are trained.
    variables : Variables
        These weights.
    states : Store
        The flat buffer of the optimizer's state.
    slots : Slots
        What stands where in ``states``.
    """

    def __init__(self, programs: JointPrograms, objective: Objective, reported: list[str]) -> None:
        self.objective = objective
        self.reported = reported
        self._programs = programs
        program, self.variables, self.slots = programs.train_program(objective)
        objective.optimizer.settle()
        self.states = new_store(self.slots.size, programs.dtype)
        self.slots.fill(self.states.array)
        self.train = programs.engine.executable(
            program, programs.dtype, programs.parameters, self.states
        )
        self._evaluate: _core.Executable | None = None

    @property
    def evaluate(self) -> _core.Executable:
        """The program that changes nothing, made when first asked for."""
        if self._evaluate is None:
            programs = self._programs
            program = programs.evaluate_program(self.objective)
            self._evaluate = programs.engine.executable(
                program, programs.dtype, programs.parameters, None
            )
        return self._evaluate

    def logs(self, sums: Mapping[str, Array], rows: float) -> Logs:
        """Return its scalars, from their sums over the batches; NaN where it took none."""
        values = [sums["loss"], *(sums[output_name(name)] for name in self.reported[1:])]
        return {
            name: float(value) / rows if rows else float("nan")
            for name, value in zip(self.reported, values, strict=True)
        }

    def get_state(self) -> State:
        """Return a copy of the optimizer's state."""
        array = self.states.array
        slots = {slot.name: array[slot.span].reshape(slot.shape).copy() for slot in self.slots}
        return State(self._trained, slots)

    @property
    def _trained(self) -> list[str]:
        return [weight.name for weight in self.variables.trainable]

    def fits(self, state: State) -> bool:
        """Whether a state is of this optimizer, of these weights."""
        own = {slot.name: slot.shape for slot in self.slots}
        given = {name: array.shape for name, array in state.slots.items()}
        return own == given and self._trained == state.trained

    def set_state(self, state: State) -> None:
        """Replace the optimizer's state by one that fits."""
        for slot in self.slots:
            self.states.array[slot.span] = state.slots[slot.name].reshape(-1)
