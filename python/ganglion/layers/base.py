"""What every layer is: settings, and a ``build`` method that writes its part of a program."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, TypedDict

import numpy as np
import numpy.typing as npt

from ganglion import drawing, initializers, ops, regularizers
from ganglion.calls import LayerCall
from ganglion.errors import check_boolean, check_positive, place, suggestion
from ganglion.initializers import Initializer
from ganglion.lines import blame
from ganglion.regularizers import Regularizer
from ganglion.spec import Spec, parameter_names
from ganglion.tracing import current_trace
from ganglion.value import Value

# What Keras's layers take, and where it is said here.
_ELSEWHERE = {
    "data_format": "channels are always last",
    "dtype": "it is the network's, Sequential(..., dtype='float64')",
    "implementation": "the input's part of all steps is one product",
    "input_dim": "let the network begin with layers.Input((features,))",
    "unroll": "the loop over the steps runs in the core",
    "use_cudnn": "the loop over the steps runs in the core",
    "input_shape": "let the network begin with layers.Input(shape)",
}


class LayerSettings(TypedDict, total=False):
    """The settings that every layer takes, see :class:`Layer`."""

    name: str | None
    trainable: bool
    learning_rate_multiplier: float
    activity_regularizer: str | Regularizer | None


class Layer(Spec, kind="layer"):
    """Base class of the layers.

    A layer holds settings and no weights: those belong to the network, and one layer may serve in
    several. A subclass stores its arguments in attributes of the same names, passes what it does
    not know to ``super().__init__``, and writes its operations in :meth:`build`. Keras's ``dtype``
    is the network's.

    Parameters
    ----------
    name : str, optional
        Name within the network, by default ``"dense"``, ``"dense_1"``, ... after the class.
    trainable : bool
        False leaves the weights of this layer, and of the layers within it, as they are, and
        `BatchNormalization` acts as in prediction. It can be set at any time: what is trained next
        follows it, and `Sequential.freeze` sets it of many layers.
    learning_rate_multiplier : float, default=1.0
        The weights of this layer learn with so many times the learning rate, whatever the optimizer
        and its schedule; with that of the layer around it where it stands within one. Positive. Can
        be set as ``trainable``, and `Sequential.discriminate` sets it of many layers.
    activity_regularizer : str or Regularizer, optional
        Penalty on what the layer puts out, divided by the number of samples.

    Examples
    --------
    A layer of your own:

    >>> class Scale(Layer):
    ...     def __init__(self, initial=1.0, **settings):
    ...         super().__init__(**settings)
    ...         self.initial = initial
    ...
    ...     def build(self, x):
    ...         factor = self.add_weight("factor", x.shape[1:], initializers.Constant(self.initial))
    ...         return x * factor
    >>> ops.evaluate(Scale(2.0), [[1.0, 3.0]])
    array([[2., 6.]])
    """

    changeable = frozenset({"trainable", "learning_rate_multiplier"})

    example_shape: ClassVar[tuple[int, ...]] = (6,)
    """Shape of one sample that the instances of ``examples()`` can be tried on."""

    keeps_mask: ClassVar[bool] = False
    """Whether it acts on each step of a sequence: what it makes of padding is padding too."""

    takes_several: ClassVar[bool] = False
    """Whether it is called with a list of values, which `build` gets, as those that merge are."""

    reads_mask: ClassVar[bool] = False
    """Whether it leaves padding out where it brings the steps of a sequence together."""

    def __init__(
        self,
        *,
        name: str | None = None,
        trainable: bool = True,
        learning_rate_multiplier: float = 1.0,
        activity_regularizer: str | Regularizer | None = None,
        **unknown: Any,
    ) -> None:
        for argument in unknown:
            here = _ELSEWHERE.get(argument)
            hint = f": {here}" if here else suggestion(argument, parameter_names(type(self)))
            raise TypeError(f"{place(self)} got an unknown argument {argument!r}{hint}")
        if name is not None and (not isinstance(name, str) or not name or "/" in name):
            raise ValueError(f"{place(self)} name must be a word without '/', got {name!r}")
        self.name = name
        self.trainable = trainable
        self.learning_rate_multiplier = learning_rate_multiplier
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self._check_learning()

    def _check_learning(self) -> None:
        check_boolean(self, "trainable")
        check_positive(self, "learning_rate_multiplier")

    def build(self, x: Any) -> Value:
        """Append the operations of the layer to the program being written.

        It runs once for every program that a network needs, never while one runs.

        Parameters
        ----------
        x : Value
            The input, (None, ...); a list of them for a layer that takes several.

        Returns
        -------
        Value
            The output, (None, ...).
        """
        raise NotImplementedError(f"{place(self)} has no build method")

    def __call__(self, x: Any) -> Any:
        """Apply the layer within the program that is being written, or draw it in a graph.

        Parameters
        ----------
        x : Value or Input, or list of them for a layer that takes several
            Of a program; or, outside of one, `layers.Input` and what layers made of it, see
            `Model`.

        Returns
        -------
        Value
            The output, (None, ...).

        Raises
        ------
        TypeError
            ``x`` or what ``build`` returned is no value.
        ValueError
            ``build`` lost the batch; or whatever it raised, with the name of the layer added.
        """
        if drawing.is_drawn(x):
            return drawing.draw(self, x)
        trace = current_trace()
        values = x if self.takes_several else [x]
        if not isinstance(values, (list, tuple)) or not values:
            raise TypeError(f"{place(self)} must be called with a list of values, got {x!r}")
        if not all(isinstance(value, Value) for value in values):
            raise TypeError(
                f"{place(self)} expected layers.Input or a value of a program, got "
                f"{type(x).__name__}; ops.evaluate(layer, array) computes"
            )
        first = values[0]
        if hasattr(self, "call"):
            keras_style = TypeError(
                f"{place(self)} has a method call, as layers of Keras do: here build(x) does both, "
                "add_weight and the operations, and returns the output"
            )
            blame(keras_style, self.call)
            raise keras_style
        if "trainable" not in vars(self):
            unfinished = TypeError(f"{place(self)} its constructor must call super().__init__")
            blame(unfinished, self.__init__)  # type: ignore[misc]
            raise unfinished
        self._check_learning()  # again, since both can be set
        name = trace.name_of(self, self.name)
        with trace.scope(name, self.trainable, self.learning_rate_multiplier):
            try:
                y = self.build(x)
                self._check_output(first, y)
                shapes = tuple(value.shape for value in values)
                trace.variables.check_output(trace.path, trace.training, shapes, y.shape)
            except Exception as error:
                named = f"'{trace.path}" in str(error)  # by a layer within this one
                if not named and isinstance(error, (TypeError, ValueError)):
                    shown = ", ".join(str(value.shape) for value in values)
                    error.args = (f"{error} (in layer '{trace.path}', input {shown})",)
                blame(error, self.build)
                raise
            y = self._masked(x, y)
            if self.activity_regularizer is not None:
                self.add_loss(self.activity_regularizer.build(y) / ops.axis_size(y, axis=0))
            carries = any(name.startswith(f"{trace.path}/") for name in trace.carried)
            read = next((value for value in values if value.mask is not None), first)
            trace.calls.append(LayerCall(trace.path, self, read, y, trace.fold, carries))
        return y

    def _check_output(self, x: Value, y: object) -> None:
        if not isinstance(y, Value):
            raise TypeError(f"{place(self)} build must return a value, got {y!r}")
        trace = current_trace()
        if y.trace is not trace and not trace.is_within(y.trace):
            raise ValueError(
                f"{place(self)} build returned a value of another trace: a Value must not be kept "
                "from one pass through a network to the next"
            )
        if x.shape[:1] == (None,) and y.shape[:1] != (None,):
            raise ValueError(f"{place(self)} build lost the batch: {x.shape} became {y.shape}")

    def _masked(self, x: Any, y: Value) -> Value:
        if y.mask is not None and y is not x:  # of a layer within, or made here
            return y
        as_long = len(y.shape) >= len(x.shape) and y.shape[:2] == x.shape[:2]
        return ops.with_mask(y, x.mask if self.keeps_mask and as_long else None)

    @property
    def training(self) -> bool:
        """Whether the program being written trains the network."""
        return current_trace().training

    @property
    def learns(self) -> bool:
        """Whether the program being written trains this layer: it and all around are trainable."""
        trace = current_trace()
        return trace.training and trace.trainable

    def add_weight(
        self,
        name: str,
        shape: Sequence[int | None],
        initializer: str | Initializer = "glorot_uniform",
        trainable: bool = True,
        regularizer: str | Regularizer | None = None,
    ) -> Value:
        """Return a weight of this layer; to be called in :meth:`build`.

        The first trace of a network makes the weight, later ones find it by its name.

        Parameters
        ----------
        name : str
            Name within the layer.
        shape : sequence of int
            Its shape; not the batch.
        initializer : str or Initializer
            Its first values.
        trainable : bool
            False for statistics that ``ops.assign`` updates.
        regularizer : str or Regularizer, optional
            Penalty, when it is trained.

        Raises
        ------
        ValueError
            The network has it with another shape: the input is not as wide as before.
        """
        if any(size is None for size in shape):
            raise ValueError(f"{place(self)} weight {name!r} cannot have the batch in {shape}")
        return current_trace().add_weight(
            name,
            [size for size in shape if size is not None],
            initializers.get(initializer),
            trainable=trainable,
            regularizer=regularizers.get(regularizer),
        )

    def start_state(self, name: str, x: Value, shape: Sequence[int]) -> Value:
        """Return what a state is before the first step; to be called in :meth:`build`.

        Zeros, unless whoever writes the program carries on from steps before.

        Parameters
        ----------
        name : str
            Name within the layer.
        x : Value
            The sequences, (None, steps, ...).
        shape : sequence of int
            Of the state of one sequence.

        Returns
        -------
        Value
            (None, *shape)

        Raises
        ------
        ValueError
            A state of another shape was given.
        """
        trace = current_trace()
        carried = trace.carried.get(f"{trace.path}/{name}")
        if carried is not None:
            if carried.shape != (None, *shape):
                raise ValueError(
                    f"{place(self)} state {name!r} must be {(None, *shape)}, got {carried.shape}"
                )
            return carried
        return ops.broadcast_to(ops.constant(0.0), (*x.shape[:1], *shape))

    def end_state(self, name: str, value: Value) -> None:
        """Say what a state is after the last step, (None, ...); to be called in :meth:`build`."""
        trace = current_trace()
        trace.final[f"{trace.path}/{name}"] = value

    @property
    def single_output(self) -> bool:
        """Whether it returns one value, as a layer in a chain must."""
        return True

    @property
    def needs_adapt(self) -> bool:
        """Whether the layer learns from the data before training, through :meth:`adapt`.

        It does so once: at the first fit that finds its weights as they were drawn.
        """
        return False

    @property
    def vocabulary(self) -> int | None:
        """How many ids there are, for a layer that reads ids, whole numbers from 0; else None.

        A network that begins with it checks its data for others, before any work.
        """
        return None

    @property
    def padding_value(self) -> float | None:
        """What steps that do not count are filled with, for a layer that finds them; else None.

        A network that begins with it refuses samples that are nothing but padding, before any work.
        """
        return None

    def add_loss(self, penalty: Value) -> None:
        """Add a scalar to the loss; to be called in :meth:`build`."""
        if penalty.shape != ():
            raise ValueError(f"{place(self)} add_loss needs a scalar, got shape {penalty.shape}")
        current_trace().penalties.append(penalty)

    def mix_targets(self, share: Value, shift: int) -> None:
        """Mix the targets as the layer mixes the samples; to be called in :meth:`build`.

        The loss of a sample becomes ``share`` of the loss against what was its target so far, and
        the rest of the loss against that of the sample ``shift`` places before.

        Parameters
        ----------
        share : Value
            (None,), between 0 and 1.
        shift : int
            As ``ops.roll(x, shift)`` brings the other sample.

        Raises
        ------
        ValueError
            Within another layer, where only a part of what the network computes would be mixed.
        """
        trace = current_trace()
        if "/" in trace.path:
            raise ValueError(f"{place(self)} mixes targets: it cannot stand within another layer")
        before = trace.target_shares or {0: ops.broadcast_to(ops.constant(1.0), (None,))}
        mixed = {distance: share * part for distance, part in before.items()}
        for distance, part in before.items():
            moved = (1.0 - share) * ops.roll(part, shift)
            known = mixed.get(distance + shift)
            mixed[distance + shift] = moved if known is None else known + moved
        trace.target_shares = mixed

    def adapt(self, batches: Iterable[npt.NDArray[Any]]) -> dict[str, npt.NDArray[np.float64]]:
        """Learn from the data before training, where ``needs_adapt`` says so.

        Parameters
        ----------
        batches : iterable of ndarray
            What reaches the layer, (samples, ...) each.

        Returns
        -------
        dict of str to ndarray
            New values of weights, by their names within the layer.
        """
        raise NotImplementedError(f"{place(self)} does not adapt to data")


def check_single_output(place: str, layer: Layer) -> None:
    """Raise for a layer that takes or returns several values, in a chain, which passes on one."""
    if layer.takes_several:
        raise ValueError(
            f"{place} {layer!r} takes a list of values, and a chain passes on one: join the paths "
            "of a Model with it, or use layers.Branches"
        )
    if not layer.single_output:
        raise ValueError(
            f"{place} {layer!r} returns several values, and a chain passes on one: call it in the "
            "build of a layer of your own"
        )
