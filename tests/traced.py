"""Functions of values, such as a layer or a loss, traced into a program that can be judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import reference
from programs import central_difference
from tolerances import DIFFERENCE_STEP, GRADIENT

from ganglion import _core, ops
from ganglion.tracing import Trace
from ganglion.value import Value
from ganglion.variables import Variables

Array = np.ndarray
Shape = tuple[int | None, ...]


class Traced:
    """A function of values as a program with its gradients, and the weights it made.

    The program's outputs are `y`, then, when it is differentiated, the gradients of
    sum(y * seed) + penalties by each of the inputs in `wrt` and by each trainable weight, then the
    penalties. The seed is the last input; a `y` without a batch has none.
    """

    def __init__(
        self,
        function: Callable[..., Value],
        shapes: Sequence[Shape],
        *,
        training: bool = False,
        wrt: Sequence[int] | None = None,
        dtype: str = "float64",
        seed: int = 0,
        fuse: bool = True,
    ) -> None:
        self.variables = Variables()
        self.wrt = wrt
        self.dtype = dtype
        self._write(function, shapes, training)  # finds the weights
        self.variables.lay_out()
        trace = self._write(function, shapes, training)
        self.penalties = len(trace.penalties)
        self.program = trace.finish(fuse)
        self.store = _core.Store(max(self.variables.size, 16), dtype)
        for variable in self.variables:
            self.store.array[variable.span] = variable.initial_value(seed).ravel()
        self.executable = _core.Executable(self.program, dtype, self.store, None)

    def _write(
        self, function: Callable[..., Value], shapes: Sequence[Shape], training: bool
    ) -> Trace:
        trace = Trace(training=training, variables=self.variables)
        with trace:
            inputs = [trace.input(f"x{i}", shape) for i, shape in enumerate(shapes)]
            output = function(*inputs)
            trace.output("y", output)
            self.output_shape = output.shape
            if self.wrt is not None:
                total = output
                if output.shape:
                    total = ops.sum(output * trace.input("seed", output.shape))
                for penalty in trace.penalties:
                    total = total + penalty
                weights = [trace.weights[variable.name] for variable in self.variables.trainable]
                sources = [*(inputs[i] for i in self.wrt), *weights]
                for i, gradient in enumerate(trace.gradient(total, sources)):
                    trace.output(f"d{i}", gradient)
            for i, penalty in enumerate(trace.penalties):
                trace.output(f"penalty{i}", penalty)
        return trace

    def randomize(self, generator: np.random.Generator, scale: float = 0.5) -> None:
        """Moves every weight a little, so that zeros and ones hide nothing."""
        for variable in self.variables:
            self.store.array[variable.span] += scale * generator.uniform(0.1, 1.0, variable.size)

    def weight(self, name: str) -> Array:
        variable = self.variables[name]
        return self.store.array[variable.span].reshape(variable.shape)

    def run(self, *inputs: Array, seed: int = 0, step: int = 0) -> list[Array]:
        return list(self.executable.run(list(inputs), len(inputs[0]), {}, seed, step))

    def refer(self, *inputs: Array, seed: int = 0, step: int = 0) -> reference.Result:
        return reference.run(
            self.program.describe(),
            list(inputs),
            rows=len(inputs[0]),
            parameters=self.store.array,
            seed=seed,
            step=step,
            dtype=self.dtype,
        )

    def check_gradients(
        self,
        *inputs: Array,
        points: int = 30,
        seed: int = 0,
        step: int = 0,
        difference: float = DIFFERENCE_STEP,
    ) -> None:
        """Each gradient against central differences; weights and random numbers stay put."""
        assert self.wrt is not None
        generator = np.random.default_rng(1)
        start = self.store.array.copy()
        rows = len(inputs[0])
        shape = tuple(rows if extent is None else extent for extent in self.output_shape)
        weights = generator.normal(size=shape)
        seeds = [weights] if shape else []

        def run(values: Sequence[Array], buffer: Array) -> list[Array]:
            self.store.array[:] = buffer  # moving statistics start over
            return self.run(*values, *seeds, seed=seed, step=step)

        def objective(values: Sequence[Array], buffer: Array) -> float:
            results = run(values, buffer)
            penalties = results[len(results) - self.penalties :]
            return float((results[0] * (weights if shape else 1.0)).sum() + sum(penalties))

        gradients = run(inputs, start)[1:]
        for gradient, position in zip(gradients, self.wrt, strict=False):

            def by_input(moved: Array, position: int = position) -> float:
                values = [*inputs]
                values[position] = moved
                return objective(values, start)

            at = generator.permutation(inputs[position].size)[:points]
            slopes = central_difference(by_input, inputs[position], at, difference)
            compare(gradient, slopes, at, inputs[position].shape, f"x{position}")
        for gradient, variable in zip(
            gradients[len(self.wrt) :], self.variables.trainable, strict=False
        ):
            span = variable.span

            def by_weight(moved: Array, span: slice = span) -> float:
                buffer = start.copy()
                buffer[span] = moved.ravel()
                return objective(inputs, buffer)

            at = generator.permutation(variable.size)[:points]
            weight = start[span].reshape(variable.shape)
            slopes = central_difference(by_weight, weight, at, difference)
            compare(gradient, slopes, at, variable.shape, variable.name)
        self.store.array[:] = start


def compare(gradient: Array, slopes: Array, at: Array, shape: tuple[int, ...], name: str) -> None:
    """One gradient against the differences at a sample of its elements."""
    assert gradient.shape == shape, f"{name}: gradient {gradient.shape} of {shape}"
    scale = max(np.abs(slopes).max(initial=0.0), np.abs(gradient).max(initial=0.0), 1e-3)
    error = np.abs(gradient.ravel()[at] - slopes).max(initial=0.0) / scale
    assert error < GRADIENT, f"{name}: the gradient is {error:.1e} off"
