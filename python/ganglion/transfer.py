"""Reusing what a network has learned: frozen layers, new heads, slower learning near the input."""

from __future__ import annotations

from collections.abc import Sequence

from ganglion import losses
from ganglion.built import LayerRow
from ganglion.data import non_negative, whole_number
from ganglion.errors import suggestion
from ganglion.layers import Layer
from ganglion.losses import Loss
from ganglion.training import Training

# A layer of a network: its name, its place, or itself.
WhichLayer = str | int | Layer


class Transfer(Training):
    """Freezing, and new heads. `Sequential` documents what a user sees of it."""

    def freeze(self, upto: WhichLayer | None = None) -> None:
        """Leave the weights of the first layers as they are, from here on.

        Sets their ``trainable`` to False. A training step computes no gradient of their weights,
        nor of what reaches them, and keeps no optimizer state for them; the state of the others
        stays. `BatchNormalization` among them acts as in prediction, dropout as in training.

        Parameters
        ----------
        upto : str, int or Layer, optional
            The last layer to be frozen: its name as `summary` shows it, its place in ``layers``, or
            itself. By default all are frozen before the last one that has weights: all but the
            head.

        Raises
        ------
        NotFittedError
            Before the network was built or fitted.
        ValueError, TypeError
            When there is no such layer, or nothing would be left to train.

        Examples
        --------
        >>> from ganglion import Sequential, layers
        >>> net = Sequential([layers.Input((4,)), layers.Dense(8, "relu"), layers.Dense(1)])
        >>> net.freeze()
        >>> net.trainable_weight_names
        ['dense_1/kernel', 'dense_1/bias']
        >>> net.unfreeze()
        """
        rows = self._outer_rows("freeze")
        end = self._head("freeze") if upto is None else self._position("freeze", "upto", upto) + 1
        if not any(row.trainable_weights for row in rows[end:]):
            raise ValueError(
                f"[freeze] nothing would be left to train: behind layer {rows[end - 1].name!r} "
                "there are no weights that are trained"
            )
        for layer in self.layers[:end]:
            layer.trainable = False
        self._follow_layers()

    def unfreeze(self, downto: WhichLayer | None = None) -> None:
        """Train the last layers again, from here on; the opposite of `freeze`.

        Sets their ``trainable`` to True; layers within them keep their own. The optimizer begins
        anew with weights that were frozen, and goes on with the others.

        Parameters
        ----------
        downto : str, int or Layer, optional
            The first layer to be trained, as for `freeze`; all behind it are trained too. By
            default all layers.

        Raises
        ------
        NotFittedError
            Before the network was built or fitted.
        ValueError, TypeError
            When there is no such layer.
        """
        self._outer_rows("unfreeze")
        start = 0 if downto is None else self._position("unfreeze", "downto", downto)
        for layer in self.layers[start:]:
            layer.trainable = True
        self._follow_layers()

    def discriminate(self, factor: float) -> None:
        """Let each layer learn slower than the one behind it (Howard & Ruder, 2018).

        Sets ``learning_rate_multiplier``: 1 for the last layer that has weights, and for each one
        before it that has some, ``factor`` times that of the next.

        Parameters
        ----------
        factor : float
            Positive; 1 sets all back. Less than 1 changes the first layers least, which hold what
            is most general.

        Raises
        ------
        NotFittedError
            Before the network was built or fitted.
        ValueError, TypeError
            When ``factor`` is not positive.

        Examples
        --------
        >>> from ganglion import Sequential, layers
        >>> net = Sequential([layers.Input((4,)), layers.Dense(8, "relu"), layers.Dense(1)])
        >>> net.discriminate(0.1)
        >>> [layer.learning_rate_multiplier for layer in net.layers[1:]]
        [0.1, 1.0]
        """
        rows = self._outer_rows("discriminate")
        slower, multiplier = non_negative("discriminate", "factor", factor), 1.0
        if slower == 0:
            raise ValueError("[discriminate] factor must be positive, got 0: freeze layers instead")
        for row in reversed(rows):
            if row.weights:
                row.layer.learning_rate_multiplier = multiplier
                multiplier *= slower
        self._follow_layers()

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
        chosen = self.loss if loss is None else losses.get(loss)
        kept = self.layers, self.loss
        self.layers, self.loss = self.layers[:end], chosen
        try:
            for layer in layers:
                self._append(layer)
            built = self._initialized(previous.recipe.input_shape)
        except BaseException:  # whatever a layer of the user's own raises
            self.layers, self.loss = kept
            raise
        built.take_weights(previous)
        self._forget_training()
        self._own_rate = None
        self._set_built(built)

    # Which layer is meant.

    def _outer_rows(self, place: str) -> list[LayerRow]:
        """Return the rows of ``layers``, without those of layers within them."""
        return [row for row in self._need_built(place).rows if not row.depth]

    def _head(self, place: str) -> int:
        """Return the place of the last layer that has weights."""
        rows = self._outer_rows(place)
        having = [index for index, row in enumerate(rows) if row.weights]
        if len(having) < 2:
            raise ValueError(f"[{place}] the network has no layer with weights before its last one")
        return having[-1]

    def _position(self, place: str, argument: str, which: WhichLayer) -> int:
        """Return the place in ``layers`` of the layer that is meant."""
        if isinstance(which, str):
            names = [row.name for row in self._outer_rows(place)]
            if which not in names:
                raise ValueError(f"[{place}] no layer is named {which!r}{suggestion(which, names)}")
            return names.index(which)
        if isinstance(which, Layer):
            for index, layer in enumerate(self.layers):
                if layer is which:
                    return index
            raise ValueError(f"[{place}] {argument} is no layer of the network: {which!r}")
        count = len(self.layers)
        return (whole_number(place, argument, which, minimum=-count, below=count) + count) % count
