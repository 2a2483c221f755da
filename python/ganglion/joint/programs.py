"""The programs of networks that are trained together, over one flat buffer of weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ganglion import _core
from ganglion.built import Built
from ganglion.engines import engine_for
from ganglion.joint.objective import Objective
from ganglion.joint.part import Part, State, output_name
from ganglion.joint.tracing import Inputs, ObjectiveTrace, is_zero, trace_objective
from ganglion.layers import Layer
from ganglion.layers.recurrent import Recurrent
from ganglion.ops import axis_size
from ganglion.optimizers import Slots
from ganglion.sequential import Sequential
from ganglion.training import Training
from ganglion.value import Shape, Value
from ganglion.variables import Variable, Variables
from ganglion.weights import Weights


class Reader:
    """A layer that reads an input as it is, and what it cannot read of it.

    Attributes
    ----------
    path : str
        Of the layer.
    position : int
        Of the input.
    layer : Layer
        Its ``vocabulary`` and ``padding_value`` say what.
    """

    def __init__(self, path: str, position: int, layer: Layer) -> None:
        self.path = path
        self.position = position
        self.layer = layer


class JointPrograms(Weights):
    """Networks that are trained together, with their weights and programs.

    Parameters
    ----------
    networks : dict of str to Sequential or Model
        By their names.
    objectives : sequence of Objective
        In the order in which they take a batch.
    inputs : Inputs
        What their functions are given.
    dtype : {"float32", "float64"}
        Of weights and arithmetic.
    device : {"auto", "cpu", "cuda", "gpu", "numba-cuda"}
        What they run on.

    Attributes
    ----------
    engine : Engine
        Runs the programs.
    parts : list of Part
        One for each objective.
    readers : list of Reader
        The layers that read an input as it is, and not all that can stand there.

    Raises
    ------
    ValueError, TypeError
        What the functions raise; for a network that no objective applies, or that an objective
        trains and does not reach; for two scalars of one name.
    """

    def __init__(
        self,
        networks: Mapping[str, Training],
        objectives: Sequence[Objective],
        inputs: Inputs,
        dtype: str,
        device: str,
    ) -> None:
        self._networks = dict(networks)
        self.engine = engine_for(device, "[Joint]")
        self.inputs = inputs
        self.readers: list[Reader] = []
        self._adapting: set[str] = set()
        variables = Variables()
        self._shapes: dict[str, tuple[Shape, ...]] = {}
        reported: list[list[str]] = []
        for objective in objectives:
            trace, given, values = trace_objective(
                objective, self._networks, variables, inputs, training=False
            )
            _check_applied(objective, trace)
            self._shapes = trace.applied | self._shapes
            reported.append(list(values))
            self._note_layers(trace, given)
        _check_names(objectives, reported)
        unused = [name for name in networks if name not in self._shapes]
        if unused:
            raise ValueError(f"[Joint] no objective applies network {unused[0]!r}")
        variables.lay_out()
        super().__init__(variables, dtype)
        self.parts = [
            Part(self, objective, names)
            for objective, names in zip(objectives, reported, strict=True)
        ]
        self._built: dict[str, Built] = {}

    def _note_layers(self, trace: ObjectiveTrace, given: Sequence[Value]) -> None:
        positions = {value.id: position for position, value in enumerate(given)}
        for call in trace.calls:
            layer = call.layer
            if not isinstance(layer, Layer):
                continue
            if isinstance(layer, Recurrent) and layer.stateful:
                raise ValueError(
                    f"[Joint] layer {call.path!r} keeps its states from batch to batch, which only "
                    "a network that is trained by itself can"
                )
            if layer.needs_adapt:
                self._adapting.add(call.path)
            if call.input.id in positions and (layer.vocabulary or layer.padding_value is not None):
                self.readers.append(Reader(call.path, positions[call.input.id], layer))

    def check_adapted(self) -> None:
        """Raise for a layer that has yet to learn from data."""
        for path in sorted(self._adapting):
            name, _, within = path.partition("/")
            network = self._networks[name]
            if not network.built or within in network.current("Joint").unadapted(network.seed_):
                raise ValueError(
                    f"[Joint] layer {path!r} learns from data before training: give it what it "
                    "would learn, as layers.Normalization(mean=..., variance=...), or fit its "
                    "network first"
                )

    # Programs.

    def evaluate_program(self, objective: Objective) -> _core.Program:
        """Return the program from the inputs to the scalars of an objective."""
        trace, given, values = self._trace(objective, training=False)
        with trace:
            _put_out(trace, given, values)
        return trace.finish()

    def train_program(self, objective: Objective) -> tuple[_core.Program, Variables, Slots]:
        """Return the same with layers as in training and an update.

        And the weights that it changes, and what state the update keeps.
        """
        trace, given, values = self._trace(objective, training=True)
        with trace:
            loss = _put_out(trace, given, values)
            trained = self.layout.only(
                lambda weight: weight.name in trace.weights and trace.trains(_network_of(weight))
            )
            weights = trained.trainable
            gradients = trace.gradient(loss, [trace.weights[weight.name] for weight in weights])
            reached = {
                _network_of(weight)
                for weight, gradient in zip(weights, gradients, strict=True)
                if not is_zero(trace, gradient)
            }
            _check_reached(objective, trace, weights, reached)
            slots = objective.optimizer.apply(trace, trained, gradients)
        return trace.finish(), trained, slots

    def _trace(
        self, objective: Objective, training: bool
    ) -> tuple[ObjectiveTrace, list[Value], dict[str, Value]]:
        return trace_objective(objective, self._networks, self.layout, self.inputs, training)

    # The weights of the networks.

    def build_networks(self) -> None:
        """Have networks without weights draw them, for the shapes that they were applied to."""
        for name, network in self._networks.items():
            if not network.built:
                assert isinstance(network, Sequential)  # a Model is built from the first
                network.build(*self._shapes[name])
            self._built[name] = network.current("Joint")

    @property
    def outdated(self) -> bool:
        """Whether a network was built again since: its layers, or what of them is trained, changed.

        Weights that changed alone are none of that.
        """
        return any(
            not network.built or network.current("Joint") is not self._built.get(name)
            for name, network in self._networks.items()
        )

    def pull(self) -> None:
        """Read the weights of the networks."""
        for weight in self.variables:
            built, own = self._of_network(weight)
            self.view(weight)[...] = built.view(own)

    def push(self) -> None:
        """Write the weights to the networks."""
        for weight in self.variables:
            built, own = self._of_network(weight)
            built.view(own)[...] = self.view(weight)

    def _of_network(self, weight: Variable) -> tuple[Built, Variable]:
        network, _, name = weight.name.partition("/")
        built = self._built[network]
        return built, built.layout[name]

    # The state of the optimizers.

    def get_states(self) -> dict[str, State]:
        """Return copies of the state of all optimizers, by objective."""
        return {part.objective.name: part.get_state() for part in self.parts}

    def set_states(self, states: Mapping[str, State]) -> bool:
        """Go on with these; False, and nothing changes, where they are of other optimizers."""
        names = [part.objective.name for part in self.parts]
        if names != list(states) or not all(
            part.fits(states[part.objective.name]) for part in self.parts
        ):
            return False
        for part in self.parts:
            part.set_state(states[part.objective.name])
        return True

    def reset_optimizers(self) -> None:
        """Set the state of all optimizers to what it is before training."""
        for part in self.parts:
            part.slots.fill(part.states.array)

    def finalize_optimizers(self, step: int) -> None:
        """Have those that keep averages of the weights set them to these, after so many batches."""
        for part in self.parts:
            optimizer = part.objective.optimizer
            updates = step // part.objective.every // optimizer.batches_per_update
            optimizer.finalize(self.parameters.array, part.states.array, part.slots, updates)


def _network_of(weight: Variable) -> str:
    return weight.name.partition("/")[0]


def _put_out(trace: ObjectiveTrace, given: Sequence[Value], values: Mapping[str, Value]) -> Value:
    """Put out the scalars of an objective; return the loss, the first, with its penalties.

    The others times the rows of the batch, so that batches can be added.
    """
    loss, *others = values.values()
    for penalty in trace.penalties:
        loss = loss + penalty
    trace.output("loss", loss)
    for name, value in zip(list(values)[1:], others, strict=True):
        trace.output(output_name(name), value * axis_size(given[0], axis=0))
    return loss


def _check_applied(objective: Objective, trace: ObjectiveTrace) -> None:
    if not trace.applied:
        raise ValueError(f"[Joint] objective {objective.name!r} applies no network")
    for name in objective.trains or ():
        if name not in trace.applied:
            raise ValueError(
                f"[Joint] objective {objective.name!r} trains network {name!r} and does not apply "
                "it"
            )


def _check_reached(
    objective: Objective, trace: ObjectiveTrace, weights: Sequence[Variable], reached: set[str]
) -> None:
    names = [name for name in trace.applied if trace.trains(name)]
    trained = {_network_of(weight) for weight in weights}
    for name in names:
        if name in reached:
            continue
        if name in trained:
            raise ValueError(
                f"[Joint] objective {objective.name!r} trains network {name!r}, and its loss does "
                "not depend on a weight of it: say what is trained by trains=..."
            )
        raise ValueError(
            f"[Joint] objective {objective.name!r} trains network {name!r}, which has no weights "
            "that are trained: its layers are frozen, or have none"
        )


def _check_names(objectives: Sequence[Objective], reported: Sequence[Sequence[str]]) -> None:
    owners: dict[str, str] = {}
    for objective, names in zip(objectives, reported, strict=True):
        for name in names:
            if name in owners:
                raise ValueError(
                    f"[Joint] objectives {owners[name]!r} and {objective.name!r} both report "
                    f"{name!r}: give one of the scalars another name"
                )
            owners[name] = objective.name
