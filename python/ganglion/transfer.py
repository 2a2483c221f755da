"""Reusing what a network has learned: frozen layers, slower learning near the input."""

from __future__ import annotations

from ganglion.built import LayerRow
from ganglion.data import non_negative, whole_number
from ganglion.errors import suggestion
from ganglion.layers import Layer
from ganglion.training import Training

# A layer of a network: its name, its place, or itself.
WhichLayer = str | int | Layer


class Transfer(Training):
    """Freezing. `Sequential` documents what a user sees of it."""

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
