"""The program with which a network goes on with sequences: it reads what it chose before.

A loop over some steps, whose body is the network. Where every layer goes step by step, it reads one
id, and the states of recurrent layers are carried on. Otherwise it reads a window of ids, which
moves on by one.

==========  ================================  ================================
program     inputs                            outputs
==========  ================================  ================================
greedy      id[, window], states, given       id[, window], states, chosen
sampled     the same                          the same, each id as likely as the network says
top_k       the same                          the same, of the likeliest ids alone
==========  ================================  ================================

``given`` (None, STEPS) holds the ids of a seed, and -1 where the id chosen before is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import numpy as np

from ganglion import _core, ops
from ganglion.compile import Recipe
from ganglion.layers import Input
from ganglion.tracing import Stepped, Trace, current_trace
from ganglion.value import Shape, Value

# Of one run: enough to make starting it cheap, few enough to stop soon.
STEPS = 64
# Uniform numbers have 24 bits: below half of the least that is not 0.
_LEAST_UNIFORM = 2.0**-25
# Of the trial whether a network goes step by step: steps where it takes any number of them, and
# how far off it may be.
_TRIED_STEPS = 5
_DIFFERENCE = 1e-6
PROGRAMS = ("greedy", "sampled", "top_k")


class Stepper:
    """How a network goes on with sequences of ids.

    Parameters
    ----------
    recipe : Recipe
        Of a network that reads ids, or one-hot vectors of them, and predicts the next.
    vocabulary : int or None
        Ids that it can read; None where it reads vectors.

    Attributes
    ----------
    vocabulary : int
        Ids that it can read.
    classes : int
        Ids it chooses from.
    window : int
        Ids that a prediction is made from, beside states; 1 where every layer goes step by step.
    states : dict of str to tuple
        Shapes of the states carried on, by ``"path/name"``.

    Raises
    ------
    ValueError
        The network reads or predicts something else.
    """

    def __init__(self, recipe: Recipe, vocabulary: int | None) -> None:
        self._recipe = recipe
        self._reads_ids = vocabulary is not None
        self._layers = [layer for layer in recipe.graph.layers if not isinstance(layer, Input)]
        sizes = recipe.input_shapes[0][1:]
        if len(sizes) != (1 if self._reads_ids else 2):
            raise ValueError(
                "[generate] needs a network that reads ids, such as one that begins with "
                "layers.Embedding, or one-hot vectors (None, steps, classes), got input shape "
                f"{recipe.input_shapes[0]}"
            )
        self._steps = sizes[0] or _TRIED_STEPS
        shape = self._predicted((None, self._steps, *sizes[1:]))
        self.classes = shape[-1] or 1
        self.vocabulary = vocabulary or self.classes
        if len(shape) != 2 and shape[:-1] != (None, self._steps):
            raise ValueError(
                "[generate] needs a network that predicts the next id, with shape (None, classes) "
                f"or (None, steps, classes), got {shape}"
            )
        fits = self._reads_ids or sizes[1] == self.classes
        if not fits or self.classes > self.vocabulary:
            read = (
                f"ids of a vocabulary of {vocabulary}" if vocabulary else f"vectors of {sizes[1]}"
            )
            raise ValueError(
                f"[generate] the network reads {read}, and predicts {self.classes} classes: it "
                "cannot read what it predicts"
            )
        self.states = self._find_states()
        self.window = 1
        if not self._goes_step_by_step():
            if sizes[0] is None:
                raise ValueError(
                    "[generate] the network takes any number of steps and does not go step by "
                    "step: let it begin with layers.Input((steps,)) for those that it looks back "
                    "over"
                )
            self.window, self.states = sizes[0], {}

    def _predicted(self, input_shape: Shape) -> Shape:
        trace = Trace(training=False, variables=self._recipe.variables)
        with trace:
            return self._apply(trace.input("x", input_shape)).shape

    def _find_states(self) -> dict[str, Shape]:
        """Return the states of the network when it reads one id, by name."""
        trace = Trace(training=False, variables=self._recipe.variables)
        with trace, suppress(TypeError, ValueError):  # of a layer that needs more than one step
            self._logits(trace.input("ids", (None, 1)))
        return {name: state.shape for name, state in trace.final.items()}

    def _goes_step_by_step(self) -> bool:
        """Whether reading id by id gives what reading all at once does: it is tried out."""
        variables = self._recipe.variables
        trace = Trace(training=False, variables=variables)
        try:
            with trace:
                ids = trace.input("ids", (None, self._steps))
                trace.output("whole", self._logits(ids))
                zeros = ops.constant(0.0)
                first = [ops.broadcast_to(zeros, shape) for shape in self.states.values()]

                def step(states: list[Value], slices: list[Value]) -> Stepped:
                    carried = dict(zip(self.states, states, strict=True))
                    logits, states = self._step(ops.expand_dims(slices[0], 1), carried)
                    return states, [logits]

                trace.output("stepped", ops.scan(step, first, [ids])[1][0][:, -1])
        except (TypeError, ValueError):
            return False
        draw = np.random.default_rng(0)
        weights = _core.Store(variables.size, "float64")
        for variable in variables:  # as at first, but without zeros
            numbers = variable.initial_value(0).ravel() + draw.uniform(0.05, 0.1, variable.size)
            weights.array[variable.span] = numbers
        executable = _core.Executable(trace.finish(), "float64", weights, None)
        tried = draw.integers(
            self.vocabulary > 1, self.vocabulary, (3, self._steps)
        )  # 0 may be padding
        whole, stepped = executable.run([tried], 3)
        return bool(np.abs(whole - stepped).max() <= _DIFFERENCE * np.abs(whole).max())

    def program(self, name: str) -> _core.Program:
        """Return one of the programs, which are named in `PROGRAMS`."""
        trace = Trace(training=False, variables=self._recipe.variables)
        with trace:
            carries = {"id": trace.input("id", (None,))}
            if self.window > 1:
                carries["window"] = trace.input("window", (None, self.window - 1))
            for state, shape in self.states.items():
                carries[state] = trace.input(state, shape)
            sequences = [trace.input("given", (None, STEPS))]
            scalars = [] if name == "greedy" else [trace.scalar("temperature")]
            if name == "top_k":
                scalars.append(trace.scalar("top_k"))
            if scalars:
                sequences.append(_noise((None, STEPS, self.classes)))

            def step(before: list[Value], slices: list[Value]) -> Stepped:
                carried = dict(zip(carries, before, strict=True))
                given = slices[0]
                ids = ops.expand_dims(ops.where(given >= 0.0, given, carried["id"]), 1)
                if self.window > 1:
                    ids = ops.concat([carried["window"], ids])
                states = {state: carried[state] for state in self.states}
                logits, following = self._step(ids, states)
                chosen = _choose(logits, slices[1:], *scalars)
                moved = [ids[:, 1:]] if self.window > 1 else []
                return [chosen, *moved, *following], [chosen]

            last, results = ops.scan(step, list(carries.values()), sequences)
            for carry, value in zip(carries, last, strict=True):
                trace.output(carry, value)
            trace.output("chosen", results[0])
        return trace.finish()

    def _step(self, ids: Value, states: dict[str, Value]) -> tuple[Value, list[Value]]:
        """Return logits and the states behind some ids, in the body of a loop."""
        trace = current_trace()
        trace.carried = states
        logits = self._logits(ids)
        return logits, [trace.final[state] for state in self.states]

    def _apply(self, x: Value) -> Value:
        current_trace().reserve(self._layers)
        for layer in self._layers:
            x = layer(x)
        return x

    def _logits(self, ids: Value) -> Value:
        """Return what the network predicts behind the last of some ids, (None, classes)."""
        prediction = self._apply(ids if self._reads_ids else ops.one_hot(ids, self.classes))
        logits = prediction.argument_of("softmax")
        if logits is None:
            losses = [head.loss for head in self._recipe.heads]
            is_share = any(getattr(loss, "from_logits", True) is False for loss in losses)
            logits = ops.log(prediction) if is_share else prediction
        return logits if len(logits.shape) == 2 else logits[:, -1]


def _noise(shape: Shape) -> Value:
    """Return numbers of the standard Gumbel distribution.

    The greatest of logits, to each of which one was added, is the index drawn from their softmax.
    """
    uniform = ops.maximum(ops.random_uniform(shape), _LEAST_UNIFORM)
    return -ops.log(-ops.log(uniform))


def _choose(
    logits: Value, noise: Sequence[Value], temperature: Value | None = None, k: Value | None = None
) -> Value:
    """Return the index that is chosen, (None,): the likeliest, or one that is drawn."""
    if temperature is None:
        return ops.argmax(logits)
    drawn = logits + noise[0] * temperature
    if k is not None:
        least = ops.expand_dims(ops.kth_largest(logits, k), -1)
        drawn = ops.where(logits >= least, drawn, -np.inf)
    return ops.argmax(drawn)
