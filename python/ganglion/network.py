"""What every network has, however its layers are joined: settings, shapes, weights."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from numpy.typing import ArrayLike, NDArray

from ganglion import losses, optimizers
from ganglion import metrics as metric_library
from ganglion.arguments import names_arguments
from ganglion.built import Built
from ganglion.callbacks.base import Callback
from ganglion.compile import Recipe
from ganglion.data import whole_number
from ganglion.errors import check_choice, not_fitted
from ganglion.inputs import Inputs
from ganglion.layers import Input, Layer
from ganglion.layers.base import check_single_output
from ganglion.losses import Loss
from ganglion.metrics import Metric
from ganglion.optimizers import Optimizer
from ganglion.value import Shape, fits
from ganglion.variables import Variables

Array = NDArray[Any]
LearningRate = float | Callable[[Any], Any]


class Network:
    """Base of the networks. `Sequential` documents what a user sees of it."""

    loss: Loss | None
    optimizer: Optimizer
    metrics: list[Metric]

    def __init__(
        self,
        layers: Sequence[Layer],
        loss: str | Loss | None,
        optimizer: str | Optimizer,
        metrics: Sequence[str | Metric] | None,
        random_state: int | None,
        dtype: str,
        device: str,
    ) -> None:
        self.dtype = dtype
        self.device = device
        self.random_state = random_state
        check_choice(self, ["float32", "float64"], "dtype")
        check_choice(self, ["auto", "cpu", "cuda", "gpu"], "device")
        if device in ("cuda", "gpu"):
            raise ValueError(
                f"[Sequential] device {device!r}: no CUDA engine is installed; use 'auto' or 'cpu'"
            )
        if random_state is None:
            self.seed_ = int.from_bytes(os.urandom(4), "little")
        else:
            self.seed_ = whole_number(
                "Sequential", "random_state", random_state, minimum=0, below=2**64
            )
        if not isinstance(layers, Sequence):
            raise TypeError(f"[Sequential] layers must be a list of Layers, got {layers!r}")
        self.layers: list[Layer] = []
        self._held = False
        self.feature_names_in_: list[str] | None = None
        self._set_built(None)
        self._forget_training()
        self.compile(loss=loss, optimizer=optimizer, metrics=metrics)
        for layer in layers:
            self._append(layer)

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
        self._predict_rows: Callable[[list[Inputs], int], list[Array]]
        if built is not None:
            layers = [row.layer for row in built.rows]
            for part in (*layers, self.loss, self.optimizer, *self.metrics):
                if part is not None:
                    part.settle()

    def _append(self, layer: Layer) -> None:
        if not isinstance(layer, Layer):
            raise TypeError(f"[Sequential] layers must be Layers, got {layer!r}")
        if isinstance(layer, Input) and self.layers:
            raise ValueError("[Sequential] Input must be the first layer")
        if any(layer is known for known in self.layers):
            raise ValueError(f"[Sequential] {layer!r} is there already: a layer can be used once")
        check_single_output("[Sequential]", layer)
        self.layers.append(layer)

    # Building.

    @names_arguments("compile")
    def compile(
        self,
        optimizer: str | Optimizer = "rmsprop",
        loss: str | Loss | None = None,
        metrics: Sequence[str | Metric] | None = None,
    ) -> None:
        """Choose how the network is trained. Weights stay; the optimizer starts anew.

        Unlike in Keras, it is not needed after a layer's ``trainable`` was changed.

        Parameters
        ----------
        optimizer : str or Optimizer, default="rmsprop"
            Update rule.
        loss : str, Loss or None
            What training minimises; None for prediction alone.
        metrics : sequence of str or Metric, optional
            What is reported beside the loss.

        Raises
        ------
        ValueError, TypeError
            For an unknown name; the nearest right one is suggested.
        """
        chosen = None if loss is None else losses.get(loss)
        rule = optimizers.get(optimizer)
        if metrics is not None and (isinstance(metrics, str) or not isinstance(metrics, Sequence)):
            raise TypeError(f"[compile] metrics must be a list, got {metrics!r}")
        reported = [metric_library.get(metric) for metric in metrics or ()]
        _check_labels([metric.label for metric in reported])
        self.loss, self.optimizer, self.metrics = chosen, rule, reported
        self._own_rate: tuple[LearningRate, float] | None = None
        self.step_ = 0
        if self._built is not None:
            self._rebuild()

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Settle all shapes and draw the weights, without data.

        Parameters
        ----------
        input_shape : tuple
            ``(None, ...)``: the first dimension is that of the samples. ``(None, None, ...)`` for
            sequences of any number of steps, see `layers.Input`.

        Raises
        ------
        ValueError
            When the layers do not take that shape, or the network has another already.
        """
        shape = _check_input_shape(input_shape)
        if self._built is None:
            self._set_built(self._initialized(shape))
        elif not fits(self.input_shape, shape):
            raise ValueError(f"[build] the network takes {self.input_shape}, got {shape}")

    def _make_built(self, input_shape: Shape) -> Built:
        """Build for a shape, with weights all zero; the network itself does not change."""
        if not self.layers:
            raise ValueError("[Sequential] the network has no layers")
        recipe = Recipe(
            layers=self.layers,
            input_shape=input_shape,
            variables=Variables(),
            loss=self.loss,
            optimizer=self.optimizer,
            metrics={m.label: m.for_loss(self.loss) for m in self.metrics} if self.loss else {},
        )
        return Built(recipe, self.dtype)

    def _initialized(self, input_shape: Shape) -> Built:
        """Build for a shape, and draw the weights."""
        built = self._make_built(input_shape)
        built.initialize(self.seed_)
        return built

    def _rebuild(self) -> None:
        """Build again after layers or settings changed; the weights of layers that stay, stay."""
        previous = self._need_built("compile")
        built = self._initialized(previous.recipe.input_shape)
        built.take_weights(previous)
        self._set_built(built)

    def _follow_layers(self) -> None:
        """Build again where what layers train was changed; training goes on with what stays."""
        previous = self._built
        if previous is None or self._held or not previous.outdated:
            return
        built = self._make_built(previous.recipe.input_shape)
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

    def _need_loss(self, place: str) -> Loss:
        if self.loss is None:
            raise ValueError(f"[{place}] the network has no loss: call compile(loss=...)")
        return self.loss

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
    def input_shape(self) -> Shape:
        """``(None, ...)``; ``(None, None, ...)`` where the number of steps is open."""
        return self._need_built("input_shape").recipe.input_shape

    @property
    def output_shape(self) -> Shape:
        """``(None, ...)``; None too where it follows a number of steps that is open."""
        return self._need_built("output_shape").output_shape

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


def _check_labels(labels: Sequence[str]) -> None:
    for index, label in enumerate(labels):
        if label in ("loss", "learning_rate", *labels[:index]):
            raise ValueError(f"[compile] two metrics are named {label!r}: give one name=...")


def _check_input_shape(input_shape: Sequence[int | None]) -> Shape:
    if not isinstance(input_shape, Sequence):
        raise TypeError(f"[build] input_shape must be (None, ...), got {input_shape!r}")
    shape = tuple(input_shape)
    if len(shape) < 2 or shape[0] is not None:
        raise ValueError(f"[build] input_shape must be (None, ...), got {shape}")
    known = 2 if shape[1] is None else 1
    return (
        *shape[:known],
        *(whole_number("build", "input_shape", size) for size in shape[known:]),
    )
