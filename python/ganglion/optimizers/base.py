"""What all optimizers share: clipping, accumulation, weight decay, moving averages of weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from ganglion import ops
from ganglion.errors import (
    check_at_least,
    check_boolean,
    check_count,
    check_fraction,
    check_integer,
    check_positive,
    place,
    suggestion,
)
from ganglion.optimizers.clipping import clipped, packed
from ganglion.optimizers.slots import Slots
from ganglion.schedules import Schedule
from ganglion.spec import Spec, parameter_names
from ganglion.tracing import Trace
from ganglion.value import Value
from ganglion.variables import Group, Variables

Array = npt.NDArray[Any]
LearningRate = float | Schedule | Callable[[Array], Array]

# Names that other libraries have for an argument.
_ELSEWHERE = {"lr": "learning_rate"}
_ACCUMULATOR = "gradient_accumulator"
_AVERAGE = "average"


class CommonSettings(TypedDict, total=False):
    """The settings that every optimizer takes by name, but for the weight decay."""

    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None
    use_ema: bool
    ema_momentum: float
    ema_overwrite_frequency: int | None
    gradient_accumulation_steps: int | None


class OptimizerSettings(CommonSettings, total=False):
    """The settings that every optimizer takes by name, see `Optimizer`."""

    weight_decay: float | None


class Optimizer(Spec, kind="optimizer"):
    """Base of the optimizers: how a gradient changes the weights.

    A network's trainable weights are one flat vector of P elements, its gradient another. An
    optimizer is its settings and an `update` from the old vector to the new one, written with
    `ganglion.ops`; all of it runs in the core.

    Keras's ``name``, ``loss_scale_factor`` and ``exclude_from_weight_decay`` are left out: weights
    decay all or none.

    The settings below are common to all, and given by name. One update, in this order: average of
    the accumulated gradients, clipping, weight decay, `update`, moving average.

    Parameters
    ----------
    learning_rate : float, Schedule or callable
        Step size, not negative; or a schedule; or a function that maps an array of step numbers
        (batches trained so far, from 0) to an array of rates. The one setting that can be changed
        at any time: the networks that have the optimizer follow it.
    weight_decay : float, optional
        Before each update, `weights -= learning_rate * weight_decay * weights`, for all trainable
        weights (Loshchilov & Hutter, 2019).
    clipnorm : float, optional
        The gradient of each weight is scaled down to at most this Euclidean norm.
    clipvalue : float, optional
        Each element of the gradient is kept within plus and minus this. At most one of the three
        kinds of clipping can be chosen.
    global_clipnorm : float, optional
        The whole gradient is scaled down to at most this Euclidean norm.
    use_ema : bool, default False
        Keep an exponential moving average of the weights. Each `fit` ends by setting the weights to
        it, `partial_fit` too, so the next one goes on from the average.
    ema_momentum : float, default 0.99
        `average = ema_momentum * average + (1 - ema_momentum) * weights` after each update, between
        0 and 1. The first update sets the average to the weights.
    ema_overwrite_frequency : int, optional
        Also set the weights to their average after every so many updates.
    gradient_accumulation_steps : int, optional
        Update only after every so many batches, at least 2, with the mean of their gradients.
        Schedules count batches nonetheless. Where Keras moves the average of the weights at each
        batch, here it moves at each update.

    Raises
    ------
    TypeError, ValueError
        If a setting is of the wrong type or out of range.

    Examples
    --------
    >>> from ganglion.optimizers import SGD
    >>> class SignDescent(Optimizer):
    ...     def update(self, parameter, gradient, slot, learning_rate, iteration):
    ...         return parameter - learning_rate * ops.sign(gradient)
    >>> SGD(0.1, global_clipnorm=1.0)
    SGD(learning_rate=0.1, global_clipnorm=1.0)
    """

    changeable = frozenset({"learning_rate"})

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        *,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        gradient_accumulation_steps: int | None = None,
        **unknown: Any,
    ) -> None:
        for argument in unknown:
            raise TypeError(
                f"{place(self)} got an unknown argument {argument!r}"
                f"{suggestion(_ELSEWHERE.get(argument, argument), parameter_names(type(self)))}"
            )
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.clipnorm = clipnorm
        self.clipvalue = clipvalue
        self.global_clipnorm = global_clipnorm
        self.use_ema = use_ema
        self.ema_momentum = ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self.gradient_accumulation_steps = gradient_accumulation_steps
        if not callable(learning_rate):
            check_at_least(self, 0, "learning_rate")
        if weight_decay is not None:
            check_at_least(self, 0, "weight_decay")
        clipping = [
            name
            for name in ("clipnorm", "clipvalue", "global_clipnorm")
            if getattr(self, name) is not None
        ]
        check_positive(self, *clipping)
        if len(clipping) > 1:
            raise ValueError(
                f"{place(self)} at most one of clipnorm, clipvalue and global_clipnorm "
                f"can be chosen, got {' and '.join(clipping)}"
            )
        check_boolean(self, "use_ema")
        check_fraction(self, "ema_momentum")
        if ema_overwrite_frequency is not None:
            check_count(self, "ema_overwrite_frequency")
        if gradient_accumulation_steps is not None:
            check_integer(self, "gradient_accumulation_steps")
            check_at_least(self, 2, "gradient_accumulation_steps")

    def update(
        self,
        parameter: Value,
        gradient: Value,
        slot: Slots,
        learning_rate: Value,
        iteration: Value,
    ) -> Value:
        """Return the new weights.

        Where layers have learning rates of their own, it is called for each group of weights that
        have the same.

        Parameters
        ----------
        parameter : Value, shape (P,)
            The trainable weights.
        gradient : Value, shape (P,)
            Gradient of the loss.
        slot : Slots
            `slot("momentum")` is what an earlier update left with `ops.assign`.
        learning_rate, iteration : Value, shape ()
            The rate; the number of this update, from 1. Weights that were frozen at first have
            their own count.

        Returns
        -------
        Value, shape (P,)
        """
        raise NotImplementedError(f"[{type(self).__name__}] has no update method")

    def apply(self, trace: Trace, variables: Variables, gradients: Sequence[Value]) -> Slots:
        """Append a whole update to a program.

        Parameters
        ----------
        trace : Trace
            The program, with its gradients; later operations go into its update section.
        variables : Variables
            The weights, laid out.
        gradients : sequence of Value
            Gradient of each of `variables.trainable`, in order.

        Returns
        -------
        Slots
            What state there is, for the flat buffer to be allocated, filled, saved and loaded.
        """
        size = variables.trainable_size
        groups = variables.groups()
        slots = Slots(trace, size, groups)
        if not size:
            return slots
        with trace.scope(type(self).registered_name):
            parts, gradient = list(gradients), packed(gradients)
            if self.gradient_accumulation_steps:
                total = ops.assign(slots(_ACCUMULATOR), slots(_ACCUMULATOR) + gradient)
            trace.section = "update"
            if self.gradient_accumulation_steps:
                gradient = total / float(self.batches_per_update)
                parts = [
                    ops.reshape(gradient[span], weight.shape)
                    for weight, span in zip(
                        variables.trainable, variables.packed_spans, strict=True
                    )
                ]
            shortened = clipped(
                gradient, parts, self.clipnorm, self.clipvalue, self.global_clipnorm
            )
            as_made = shortened is gradient and not self.gradient_accumulation_steps
            scalars = trace.scalar("learning_rate"), trace.scalar("iteration")
            for group in groups:
                if len(groups) == 1:
                    of_group = shortened
                elif as_made:  # so that the update can follow the products that make it
                    of_group = packed(parts[group.weights])
                else:
                    of_group = shortened[group.packed]
                slots.group = group
                self._update_group(trace, group, of_group, slots, *scalars)
            slots.group = None
            if self.gradient_accumulation_steps:
                ops.assign(slots(_ACCUMULATOR), ops.broadcast_to(ops.constant(0.0), (size,)))
        return slots

    def _update_group(
        self,
        trace: Trace,
        group: Group,
        gradient: Value,
        slots: Slots,
        learning_rate: Value,
        iteration: Value,
    ) -> None:
        if group.learning_rate_multiplier != 1:
            learning_rate = learning_rate * group.learning_rate_multiplier
        updates = iteration - float(group.first_update) if group.first_update else iteration
        theta = trace.parameter("theta", (group.size,), group.span.start)
        parameter = theta
        if self.weight_decay:
            parameter = parameter - parameter * self.weight_decay * learning_rate
        parameter = self.update(parameter, gradient, slots, learning_rate, updates)
        if self.use_ema:
            parameter = self._averaged(parameter, slots, iteration, updates)
        ops.assign(theta, parameter)

    def _averaged(self, parameter: Value, slots: Slots, iteration: Value, updates: Value) -> Value:
        momentum = ops.where(updates > 1.0, self.ema_momentum, 0.0)
        average = ops.assign(
            slots(_AVERAGE), momentum * slots(_AVERAGE) + (1.0 - momentum) * parameter
        )
        every = self.ema_overwrite_frequency
        if every is None:
            return parameter
        # iteration modulo every; the half keeps the quotient clear of whole numbers.
        rest = iteration - every * ops.floor((iteration + 0.5) / every)
        return ops.where(ops.equal(rest, 0.0), average, parameter)

    @property
    def batches_per_update(self) -> int:
        """How many batches make one update: `gradient_accumulation_steps`, or 1."""
        return self.gradient_accumulation_steps or 1

    def scalars(self, steps: npt.ArrayLike) -> dict[str, npt.NDArray[np.float64]]:
        """Return the numbers that the program takes at each step.

        Parameters
        ----------
        steps : array_like of int
            Numbers of the batches, counted from 0 since training began.

        Returns
        -------
        dict of str to ndarray of float64
            "learning_rate" and "iteration".

        Raises
        ------
        ValueError
            If a schedule gives rates that are not numbers of at least 0, or not one for each step.

        Examples
        --------
        >>> from ganglion.optimizers import SGD
        >>> SGD(0.1, gradient_accumulation_steps=2).scalars([0, 1, 2])["iteration"].tolist()
        [1.0, 1.0, 2.0]
        """
        batches = np.asarray(steps, dtype=np.float64)
        return {
            "learning_rate": self._rates(batches),
            "iteration": np.floor(batches / self.batches_per_update) + 1.0,
        }

    def _rates(self, batches: Array) -> Array:
        rate = self.learning_rate
        if not callable(rate):
            check_at_least(self, 0, "learning_rate")  # again, since it can be set
            return np.full(batches.shape, rate, dtype=np.float64)
        rates = np.asarray(rate(batches), dtype=np.float64)
        if rates.ndim == 0:
            rates = np.full(batches.shape, rates)
        if rates.shape != batches.shape or not np.all(np.isfinite(rates) & (rates >= 0)):
            raise ValueError(
                f"{place(self)} learning_rate must give one non-negative rate for each "
                f"step, got {rates} for {batches}"
            )
        return rates

    def finalize(self, weights: Array, state: Array, slots: Slots, updates: int) -> None:
        """Set the weights to their moving average, when training ends and `use_ema` is chosen.

        Parameters
        ----------
        weights : ndarray
            The flat buffer of weights, written in place.
        state : ndarray
            The flat buffer of state.
        slots : Slots
            What `apply` returned.
        updates : int
            Updates made so far; before the first there is no average.
        """
        if not self.use_ema or _AVERAGE not in slots:
            return
        for group in slots.groups:
            if updates > group.first_update:
                weights[group.span] = state[slots[_AVERAGE].part(group.packed)]

    def drop_gradients(self, state: Array, slots: Slots) -> None:
        """Forget the gradients accumulated for the next update, after a step that diverged.

        Parameters
        ----------
        state : ndarray
            The flat buffer of state, written in place.
        slots : Slots
            What `apply` returned.
        """
        if _ACCUMULATOR in slots:
            state[slots[_ACCUMULATOR].span] = 0.0
