"""What every network has, however its layers are joined: settings, shapes, weights."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from numpy.typing import ArrayLike, NDArray

from ganglion.built import Built
from ganglion.callbacks.base import Callback
from ganglion.compile import Head, Recipe
from ganglion.data import whole_number
from ganglion.engines import DEVICES, engine_for
from ganglion.errors import check_choice, not_fitted, place
from ganglion.inputs import Inputs
from ganglion.layers import Layer
from ganglion.losses import Loss
from ganglion.metrics import Metric
from ganglion.optimizers import Optimizer
from ganglion.value import Shape

Array = NDArray[Any]
LearningRate = float | Callable[[Any], Any]


class Network:
    """Base of the networks. `Sequential` and `Model` document what a user sees of it."""

    layers: list[Layer]
    optimizer: Optimizer
    # Of each output; no loss of any for prediction alone.
    _losses: list[Loss]
    _metrics: list[list[Metric]]

    def __init__(self, random_state: int | None, dtype: str, device: str) -> None:
        self.dtype = dtype
        self.device = device
        self.random_state = random_state
        check_choice(self, ["float32", "float64"], "dtype")
        check_choice(self, DEVICES, "device")
        engine_for(device, place(self))  # raises where there is none
        if random_state is None:
            self.seed_ = int.from_bytes(os.urandom(4), "little")
        else:
            self.seed_ = whole_number(
                type(self).__name__, "random_state", random_state, minimum=0, below=2**64
            )
        self._held = False
        self.feature_names_in_: list[str] | None = None
        self._losses, self._metrics = [], []
        self._set_built(None)
        self._forget_training()

    def _forget_training(self) -> None:
        self.history_: dict[str, list[float]] = {}
        self.epoch_ = 0
        self.step_ = 0
        self.stop_training = False
        self.gradients_: list[Array] = []
        self._last_forward: tuple[Inputs, bool, int] | None = None
        # Of the fit that runs; and from a file, by what they are, for the fit that comes.
        self._callbacks: Sequence[Callback] = ()
        self._callback_states: list[tuple[str, dict[str, Any]]] = []

    def _set_built(self, built: Built | None) -> None:
        self._built = built
        # What predict needs for one row; set by its first call.
        self._row_shape: tuple[int, ...] | None = None
        self._predict_rows: Callable[..., Any]
        if built is not None:
            layers = [row.layer for row in built.rows]
            reported = [metric for metrics in self._metrics for metric in metrics]
            for part in (*layers, *self._losses, self.optimizer, *reported):
                part.settle()

    # What it is trained for.

    @property
    def loss(self) -> Any:
        """What training minimises; None for prediction alone, a list for several outputs."""
        return self._losses[0] if len(self._losses) == 1 else list(self._losses) or None

    @property
    def metrics(self) -> list[Any]:
        """What is reported beside the loss; a list for each output where there are several."""
        return list(self._metrics[0] if len(self._metrics) == 1 else self._metrics)

    def _set_objective(
        self, optimizer: Optimizer, losses: list[Loss], metrics: list[list[Metric]]
    ) -> None:
        """Train for this from here on; weights stay, the optimizer starts anew."""
        self._losses, self.optimizer, self._metrics = losses, optimizer, metrics
        self._own_rate: tuple[LearningRate, float] | None = None
        self.step_ = 0
        if self._built is not None:
            self._rebuild()

    def _heads(self) -> tuple[Head, ...]:
        """Return what each output is trained for."""
        return tuple(
            Head(loss, {metric.label: metric.for_loss(loss) for metric in metrics})
            for loss, metrics in zip(self._losses, self._metrics, strict=False)
        )

    # Building.

    def compile(self, optimizer: Any = "rmsprop", loss: Any = None, metrics: Any = None) -> None:
        """Choose how the network is trained."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Return the layers and how they are joined, as `save` writes them."""
        raise NotImplementedError

    def _recipe(self, input_shapes: tuple[Shape, ...]) -> Recipe:
        """Return what programs for these inputs are made of, without weights."""
        raise NotImplementedError

    def _make_built(self, input_shapes: tuple[Shape, ...]) -> Built:
        """Build for some shapes, with weights all zero; the network itself does not change."""
        return Built(self._recipe(input_shapes), self.dtype, self.device)

    def _initialized(self, input_shapes: tuple[Shape, ...]) -> Built:
        """Build for some shapes, and draw the weights."""
        built = self._make_built(input_shapes)
        built.initialize(self.seed_)
        return built

    def _rebuild(self) -> None:
        """Build again after layers or settings changed; the weights of layers that stay, stay."""
        previous = self._need_built("compile")
        built = self._initialized(previous.recipe.input_shapes)
        built.take_weights(previous)
        self._set_built(built)

    def _follow_layers(self) -> None:
        """Build again where what layers train was changed; training goes on with what stays."""
        previous = self._built
        if previous is None or self._held or not previous.outdated:
            return
        built = self._make_built(previous.recipe.input_shapes)
        built.take_weights(previous)
        built.take_training(previous, self.step_ // self.optimizer.batches_per_update)
        self._set_built(built)

    def current(self, place: str) -> Built:
        """Return what the network is built as, with all that was changed in its layers.

        Raises
        ------
        NotFittedError
            Before it was built; ``place`` is named.
        """
        return self._need_built(place)

    @contextmanager
    def held(self) -> Iterator[None]:
        """While the batches of an epoch run, what is changed in layers waits for the next one."""
        self._held = True
        try:
            yield
        finally:
            self._held = False

    def _need_built(self, place: str) -> Built:
        self._follow_layers()
        if self._built is None:
            raise not_fitted(
                f"[{place}] the network has no weights yet: call fit, or build((None, ...))"
            )
        return self._built

    def _need_loss(self, place: str) -> None:
        if not self._losses:
            raise ValueError(f"[{place}] the network has no loss: call compile(loss=...)")

    def reset(self) -> None:
        """Start anew: the weights that the seed gives, no history, the optimizer as at first."""
        self._forget_training()
        self._own_rate = None
        self.feature_names_in_ = None
        if self._built is not None:
            self._built.initialize(self.seed_)

    # What it holds.

    @property
    def built(self) -> bool:
        """Whether shapes are settled and weights are there."""
        return self._built is not None

    @property
    def input_shape(self) -> Any:
        """``(None, ...)``; ``(None, None, ...)`` where the number of steps is open.

        A list of them for several inputs.
        """
        return _alone(self._need_built("input_shape").recipe.input_shapes)

    @property
    def output_shape(self) -> Any:
        """``(None, ...)``; None too where it follows a number of steps that is open.

        A list of them for several outputs.
        """
        return _alone(self._need_built("output_shape").output_shapes)

    def reset_states(self) -> None:
        """Let layers that are ``stateful`` begin with zeros again, as before a new sequence.

        Without such layers nothing happens.

        Examples
        --------
        >>> import numpy as np
        >>> from ganglion import Sequential, layers
        >>> net = Sequential([layers.Input((5, 3), batch_size=2), layers.GRU(4, stateful=True)])
        >>> net.build((None, 5, 3))
        >>> first = net.predict(np.ones((2, 5, 3)))
        >>> bool(np.allclose(net.predict(np.ones((2, 5, 3))), first))
        False
        >>> net.reset_states()
        >>> bool(np.allclose(net.predict(np.ones((2, 5, 3))), first))
        True
        """
        self._need_built("reset_states").reset_kept_states()

    def count_params(self) -> int:
        """Return the number of weights, counted by element."""
        return sum(variable.size for variable in self._need_built("count_params").variables)

    def get_weights(self) -> list[Array]:
        """Return copies of all weights, layer by layer, in Keras's order within each.

        Weights that are not trained, such as moving statistics, are among them.
        """
        built = self._need_built("get_weights")
        return [built.view(variable).copy() for variable in built.variables]

    @property
    def weights(self) -> list[Array]:
        """The weights themselves, in the order of `get_weights`: what is written here is used.

        They are views of the network's memory, until `compile` or `add`, or what its layers train,
        give it another.
        """
        built = self._need_built("weights")
        return [built.view(variable) for variable in built.variables]

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Replace all weights, given as `get_weights` returns them.

        Raises
        ------
        ValueError
            For another number of arrays, a wrong shape, or a value that is not finite; then none is
            replaced.
        """
        self._need_built("set_weights").set_weights(weights)

    @property
    def weight_names(self) -> list[str]:
        """Names of the weights, such as ``"dense/kernel"``, in the order of `get_weights`."""
        return [variable.name for variable in self._need_built("weight_names").variables]

    @property
    def trainable_weight_names(self) -> list[str]:
        """Names of the weights that the optimizer changes, in the order of `get_weights`."""
        built = self._need_built("trainable_weight_names")
        return [variable.name for variable in built.recipe.variables.trainable]


def _alone(shapes: Sequence[Shape]) -> Any:
    return shapes[0] if len(shapes) == 1 else list(shapes)
