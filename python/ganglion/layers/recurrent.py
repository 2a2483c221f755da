"""What recurrent layers have in common: the loop over the steps of sequences, and its states."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ganglion import activations, drawing, initializers, ops, regularizers
from ganglion.activations import Activation
from ganglion.errors import check_boolean, check_count, check_seed, check_share, place
from ganglion.initializers import Initializer
from ganglion.layers.base import Layer, LayerSettings
from ganglion.layers.sequences import check_sequences
from ganglion.regularizers import Regularizer
from ganglion.tracing import current_trace
from ganglion.value import Value

if TYPE_CHECKING:
    from typing_extensions import Unpack

# Gets what a step reads, (None, gates * units), and the states before; returns those after.
Cell = Callable[[Value, Sequence[Value]], list[Value]]
# The recurrent kernel applied to a state, (None, units), for the gates from one to another.
Product = Callable[[Value, int, int], Value]


def activated(activation: Activation | None, x: Value) -> Value:
    """Return the activation of ``x``, which is ``x`` for None."""
    return x if activation is None else activation(x)


class Carrying(Layer, registered=False):
    """A layer with states, which can be given and asked for where it is called."""

    return_state: bool

    @property
    def state_names(self) -> list[str]:
        """Names of the states within the layer."""
        raise NotImplementedError

    @property
    def single_output(self) -> bool:
        return not self.return_state

    def outputs(self, y: Value) -> tuple[Value, ...]:
        """Return what ``build`` returned as the outputs that it stands for."""
        return (y,)

    def __call__(self, x: Value, initial_state: Sequence[Value] | None = None) -> Any:
        """Apply the layer; to be called in the ``build`` of another.

        Parameters
        ----------
        x : Value
            (None, steps, features)
        initial_state : sequence of Value, optional
            The states before the first step, (None, units) each. Zeros by default.

        Returns
        -------
        Value or tuple of Value
            What ``build`` returns; with ``return_state``, that and the states after the last step.

        Raises
        ------
        TypeError, ValueError
            As `Layer`; and for another number of states, or one of another shape.
        """
        if drawing.is_drawn([x, initial_state]):
            return drawing.draw(self, x, initial_state=initial_state)
        trace = current_trace()
        name = trace.name_of(self, self.name)
        path = f"{trace.path}/{name}" if trace.path else name
        paths = [f"{path}/{state}" for state in self.state_names]
        if initial_state is not None:
            if not isinstance(initial_state, (list, tuple)) or len(initial_state) != len(paths):
                raise ValueError(
                    f"{place(self)} initial_state must be a list of {len(paths)} values, "
                    f"got {initial_state!r}"
                )
            trace.carried.update(zip(paths, initial_state, strict=True))
        y = super().__call__(x)
        if initial_state is not None:  # of this call alone, should the layer be called again
            for state in paths:
                del trace.carried[state]
        states = [trace.final[state] for state in paths] if self.return_state else []
        values = (*self.outputs(y), *states)
        return values[0] if len(values) == 1 else values


class Recurrent(Carrying, registered=False):
    """Base of `SimpleRNN`, `LSTM` and `GRU`, which differ in their cells.

    Arguments as for :class:`LSTM`.
    """

    keeps_mask = True
    reads_mask = True
    example_shape = (4, 3)

    gates: ClassVar[int]
    """Parts of the kernels, each as wide as the state."""

    def __init__(
        self,
        units: int,
        activation: str | Activation | Callable[[Value], Value] | None,
        use_bias: bool,
        kernel_initializer: str | Initializer,
        recurrent_initializer: str | Initializer,
        bias_initializer: str | Initializer,
        kernel_regularizer: str | Regularizer | None,
        recurrent_regularizer: str | Regularizer | None,
        bias_regularizer: str | Regularizer | None,
        dropout: float,
        recurrent_dropout: float,
        seed: int | None,
        return_sequences: bool,
        return_state: bool,
        go_backwards: bool,
        stateful: bool,
        zero_output_for_mask: bool,
        **settings: Unpack[LayerSettings],
    ) -> None:
        super().__init__(**settings)
        self.units = units
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.recurrent_regularizer = regularizers.get(recurrent_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.dropout = dropout
        self.recurrent_dropout = recurrent_dropout
        self.seed = seed
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.stateful = stateful
        self.zero_output_for_mask = zero_output_for_mask
        check_count(self, "units")
        check_boolean(self, "use_bias", "return_sequences", "return_state", "go_backwards")
        check_boolean(self, "stateful", "zero_output_for_mask")
        check_share(self, "dropout", "recurrent_dropout")
        check_seed(self)

    @classmethod
    def examples(cls) -> list[Any]:
        """Return what the three have in common to be tested."""
        settings: list[dict[str, Any]] = [
            {"bias_initializer": "normal", "return_sequences": True},
            {"activation": "relu", "use_bias": False, "go_backwards": True, "dropout": 0.3},
            {
                "kernel_regularizer": "l2",
                "recurrent_regularizer": "l1",
                "bias_regularizer": "l2",
                "activity_regularizer": "l2",
                "return_sequences": True,
                "go_backwards": True,
                "dropout": 0.2,
                "recurrent_dropout": 0.4,
                "seed": 3,
            },
        ]
        return [cls(units=3, **chosen) for chosen in settings]

    @property
    def state_names(self) -> list[str]:
        return ["hidden_state"]

    def cell(self, product: Product, recurrent_bias: Value | None) -> Cell:
        """Return the function of one step.

        Parameters
        ----------
        product : callable
            The recurrent kernel, to be applied to a state.
        recurrent_bias : Value or None
            That which is added to the product, where it is kept apart from that of the input.
        """
        raise NotImplementedError

    def add_bias(self) -> tuple[Value | None, Value | None]:
        """Return the bias of the input and, where it is kept apart, that of the recurrent part."""
        if not self.use_bias:
            return None, None
        return self._bias((self.gates * self.units,), self.bias_initializer), None

    def _bias(self, shape: tuple[int, ...], initializer: Initializer) -> Value:
        return self.add_weight("bias", shape, initializer, regularizer=self.bias_regularizer)

    def build(self, x: Value) -> Value:
        """Return (None, units), or (None, steps, units), for ``x`` of (None, steps, features)."""
        check_sequences(self, x)
        if current_trace().fold > 1:
            raise ValueError(
                f"{place(self)} cannot stand within TimeDistributed, which takes steps for samples"
            )
        kernel = self.add_weight(
            "kernel",
            (x.shape[2], self.gates * self.units),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
        )
        recurrent_kernel = self.add_weight(
            "recurrent_kernel",
            (self.units, self.gates * self.units),
            self.recurrent_initializer,
            regularizer=self.recurrent_regularizer,
        )
        bias, recurrent_bias = self.add_bias()
        project = self._projection(kernel, bias)
        cell = self.cell(self._product(recurrent_kernel), recurrent_bias)
        # A narrow input is multiplied within the step: reading it is cheaper than writing and
        # reading the products of all steps, (None, steps, gates * units). For a wide one, a single
        # product of all steps is.
        features = x.shape[2]
        assert features is not None
        if features <= self.units:
            return self._loop(lambda x, states: cell(project(x), states), x, x.mask)
        return self._loop(cell, project(x), x.mask)

    def _loop(self, cell: Cell, read: Value, mask: Value | None) -> Value:
        """Return the output; ``read`` is what the steps read, (None, steps, ...)."""
        kept = self._kept_states()
        first = [self._first_state(name, read, kept.get(name)) for name in self.state_names]

        def step(
            states: list[Value], slices: list[Value]
        ) -> tuple[Sequence[Value], Sequence[Value]]:
            following = cell(slices[0], states)
            return following, following[:1] if self.return_sequences else []

        # At padding the results of the one are zeros, those of the other what was there before.
        scan = current_trace().scan if self.zero_output_for_mask else ops.scan
        last, outputs = scan(step, first, [read], self.go_backwards, mask)
        for name, state in zip(self.state_names, last, strict=True):
            self.end_state(name, state)
            if name in kept:
                size = kept[name].shape[0]
                assert size is not None
                ops.assign(kept[name], ops.from_batch(state, size))
        if not self.return_sequences:
            return last[0] if mask is None else self._last_output(last[0], mask)
        if self.go_backwards:
            return ops.with_mask(
                ops.flip(outputs[0], 1), None if mask is None else ops.flip(mask, 1)
            )
        return outputs[0]

    def _last_output(self, state: Value, mask: Value) -> Value:
        """Return the state after the last step as the output: zeros where that was padding.

        Without ``zero_output_for_mask`` only where all was; states that are zeros at first are so
        by themselves.
        """
        if self.zero_output_for_mask:
            shown = mask[:, 0 if self.go_backwards else -1]
        elif self._carries_on():
            shown = ops.max(mask, axis=1)
        else:
            return state
        return ops.where(ops.expand_dims(shown, -1), state, 0.0)

    # Dropout: what is left out is drawn once a sequence, and for each gate where states are.

    def _drawn(self, features: int | None, rate: float, count: int) -> list[Value]:
        """Return ``count`` factors, (None, features), 0 for what is left out; or none at all."""
        if not self.training or rate == 0:
            return []
        drawn = [ops.random_uniform((None, features), self.seed) for _ in range(count)]
        return [(uniform >= rate) * (1.0 / (1.0 - rate)) for uniform in drawn]

    def _projection(self, kernel: Value, bias: Value | None) -> Callable[[Value], Value]:
        """Return the input's part as a function of a step, (None, features), or of all."""
        count = self.gates if self.recurrent_dropout > 0 else 1
        factors = self._drawn(kernel.shape[0], self.dropout, count)

        def project(x: Value) -> Value:
            if len(x.shape) == 3:
                dropped = [x * ops.expand_dims(factor, 1) for factor in factors]
            else:
                dropped = [x * factor for factor in factors]
            if len(dropped) > 1:
                parts = [ops.matmul(x, self._gate(kernel, i)) for i, x in enumerate(dropped)]
                product = ops.concat(parts)
            else:
                product = ops.matmul(dropped[0] if dropped else x, kernel)
            return product if bias is None else product + bias

        return project

    def _product(self, kernel: Value) -> Product:
        """Return the recurrent kernel as a function of a state and the first and last gate."""
        factors = self._drawn(self.units, self.recurrent_dropout, self.gates)

        def product(state: Value, first: int, last: int) -> Value:
            if not factors:
                return ops.matmul(state, self._gate(kernel, first, last))
            parts = [
                ops.matmul(state * factors[gate], self._gate(kernel, gate))
                for gate in range(first, last)
            ]
            return ops.concat(parts)

        return product

    def _gate(self, value: Value, first: int, last: int | None = None) -> Value:
        """Return the part of one gate, or of some, of what has one for each."""
        stop = first + 1 if last is None else last
        return value[..., first * self.units : stop * self.units]

    # States.

    def _kept_states(self) -> dict[str, Value]:
        """Return the weights that hold the states from batch to batch, (batch_size, units)."""
        if not self.stateful:
            return {}
        size = current_trace().batch_size
        if size is None:
            raise ValueError(
                f"{place(self)} stateful=True needs batches of one size: begin the network with "
                "layers.Input(shape, batch_size=...)"
            )
        shape = (size, self.units)
        return {
            name: self.add_weight(name, shape, "zeros", trainable=False)
            for name in self.state_names
        }

    def _carries_on(self) -> bool:
        """Whether the states may be other than zeros before the first step."""
        trace = current_trace()
        return self.stateful or f"{trace.path}/{self.state_names[0]}" in trace.carried

    def _first_state(self, name: str, x: Value, kept: Value | None) -> Value:
        carried = f"{current_trace().path}/{name}" in current_trace().carried
        if kept is None or carried:
            return self.start_state(name, x, (self.units,))
        return ops.as_batch(kept)
