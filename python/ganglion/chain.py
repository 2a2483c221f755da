"""Networks whose layers follow each other: how they grow, are built, and get new heads."""

from __future__ import annotations

from collections.abc import Sequence

from ganglion import optimizers
from ganglion.arguments import names_arguments
from ganglion.chosen import chosen_losses, chosen_metrics
from ganglion.compile import Recipe
from ganglion.data import whole_number
from ganglion.graph import Chain
from ganglion.layers import Input, Layer
from ganglion.layers.base import check_single_output
from ganglion.losses import Loss
from ganglion.metrics import Metric
from ganglion.optimizers import Optimizer
from ganglion.showing import Showing
from ganglion.transfer import WhichLayer
from ganglion.value import Shape, fits
from ganglion.variables import Variables


class Chained(Showing):
    """A chain of layers. `Sequential` documents what a user sees of it."""

    def _append(self, layer: Layer) -> None:
        if not isinstance(layer, Layer):
            hint = ""
            if isinstance(layer, Showing):
                hint = (
                    ": ganglion.Model joins networks, Model(x, net(x)) with x = layers.Input(...)"
                )
            raise TypeError(f"[Sequential] layers must be Layers, got {layer!r}{hint}")
        if isinstance(layer, Input) and self.layers:
            raise ValueError("[Sequential] Input must be the first layer")
        if any(layer is known for known in self.layers):
            raise ValueError(f"[Sequential] {layer!r} is there already: a layer can be used once")
        check_single_output("[Sequential]", layer)
        self.layers.append(layer)

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
        rule = optimizers.get(optimizer)
        self._set_objective(rule, chosen_losses(loss), [chosen_metrics(metrics)])

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
            self._set_built(self._initialized((shape,)))
        elif not fits(self.input_shape, shape):
            raise ValueError(f"[build] the network takes {self.input_shape}, got {shape}")

    def _joined(self) -> Chain:
        return Chain([layer for layer in self.layers if not isinstance(layer, Input)])

    def _recipe(self, input_shapes: tuple[Shape, ...]) -> Recipe:
        if not self.layers:
            raise ValueError("[Sequential] the network has no layers")
        return Recipe(
            graph=Chain(self.layers),
            input_shapes=input_shapes,
            variables=Variables(),
            heads=self._heads(),
            optimizer=self.optimizer,
        )

    def replace_head(
        self,
        layers: Sequence[Layer],
        upto: WhichLayer | None = None,
        *,
        loss: str | Loss | None = None,
    ) -> None:
        """Put new layers in the place of the last ones, for another task.

        The network itself changes: ``copy.deepcopy(net)`` keeps one as it was. The layers before
        keep their weights and settings, the new ones begin with weights that the seed gives.
        History, counters and optimizer start anew.

        Parameters
        ----------
        layers : sequence of Layer
            The new last layers. One of those they replace may be among them, and keeps its weights.
        upto : str, int or Layer, optional
            The last layer to be kept, as for `freeze`. By default the last layer that has weights
            is replaced, and what stands behind it.
        loss : str or Loss, optional
            Of the new task; by default the loss stays.

        Raises
        ------
        NotFittedError
            Before the network was built or fitted: then it has nothing to keep.
        ValueError, TypeError
            When there is no such layer, or the new ones do not fit; then the network stays as it
            was.

        Examples
        --------
        >>> from ganglion import Sequential, layers
        >>> net = Sequential([layers.Input((4,)), layers.Dense(8, "relu"), layers.Dense(1)])
        >>> net.replace_head([layers.Dense(3, "softmax")], loss="sparse_categorical_crossentropy")
        >>> net.output_shape
        (None, 3)
        """
        place = "replace_head"
        previous = self._need_built(place)
        end = self._head(place) if upto is None else self._position(place, "upto", upto) + 1
        if not isinstance(layers, (list, tuple)) or not layers:
            raise TypeError(f"[{place}] layers must be a list of layers, got {layers!r}")
        chosen = self._losses if loss is None else chosen_losses(loss)
        kept = self.layers, self._losses
        self.layers, self._losses = self.layers[:end], chosen
        try:
            for layer in layers:
                self._append(layer)
            built = self._initialized(previous.recipe.input_shapes)
        except BaseException:  # whatever a layer of the user's own raises
            self.layers, self._losses = kept
            raise
        built.take_weights(previous)
        self._forget_training()
        self._own_rate = None
        self._set_built(built)


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
