"""Reusing what a network has learned: frozen layers, slower learning near the input."""

from __future__ import annotations

from typing import Any

from ganglion.built import LayerRow
from ganglion.bundle import in_order
from ganglion.data import non_negative, whole_number
from ganglion.drawing import Node, nodes_of
from ganglion.errors import suggestion
from ganglion.graph import Chain, Graph
from ganglion.layers import Layer
from ganglion.training import Training
from ganglion.value import fits

# A layer of a network: its name, its place, or itself.
WhichLayer = str | int | Layer


class Transfer(Training):
    """Freezing, and networks within networks. `Sequential` documents what a user sees of it."""

    def __call__(self, inputs: Any) -> Any:
        """Draw the network as a part of a graph, as if it were a layer.

        Its layers are part of the graph too. A `Model` that is made of it begins with the weights
        that the network has then, and trains its own: `take_weights` brings them back.

        Parameters
        ----------
        inputs : Input or node, or sequence or dict of them
            As many as the network has inputs.

        Returns
        -------
        node, or list or dict of nodes
            As `predict` returns arrays.

        Raises
        ------
        TypeError
            For arrays: `predict` computes.
        ValueError
            For another number of inputs, or other shapes than it takes.

        Examples
        --------
        >>> from ganglion import Model, Sequential, layers
        >>> encoder = Sequential([layers.Input((4,)), layers.Dense(2)])
        >>> a, b = layers.Input((4,)), layers.Input((4,))
        >>> distance = Model([a, b], layers.Subtract()([encoder(a), encoder(b)]))
        >>> distance.weight_names
        ['dense/kernel', 'dense/bias']
        """
        place = type(self).__name__
        shapes = () if self._built is None else self._built.recipe.input_shapes
        if len(shapes) > 1:
            assert self._built is not None
            inputs = in_order(place, "inputs", inputs, self._built.recipe.input_names)
        nodes = nodes_of(inputs)
        for node in nodes:
            if not isinstance(node, Node):
                raise TypeError(
                    f"[{place}] is called on layers.Input and what layers make of them, got "
                    f"{type(node).__name__}; predict(X) computes the prediction of arrays"
                )
        if len(nodes) != max(len(shapes), 1):
            raise ValueError(f"[{place}] takes {max(len(shapes), 1)} input, got {len(nodes)}")
        for shape, node in zip(shapes, nodes, strict=False):
            if not fits(shape, node.shape):
                raise ValueError(f"[{place}] takes {shape}, got {node.shape}")
        return self._results(self._joined().draw(nodes, self))

    def _joined(self) -> Chain | Graph:
        """Return how the layers are joined, but for what a user gives."""
        raise NotImplementedError

    def take_weights(self, other: Transfer) -> None:
        """Copy the weights of the layers that another network has too.

        Layers hold no weights: networks that share layers each have their own. What was trained in
        one comes into another so.

        Parameters
        ----------
        other : Sequential or Model
            Of some of the same layers.

        Raises
        ------
        NotFittedError
            Before both were built or fitted.
        ValueError
            When they share no layer that has weights.

        Examples
        --------
        >>> from ganglion import Model, layers
        >>> x = layers.Input((4,))
        >>> code = layers.Dense(2)(x)
        >>> whole, encoder = Model(x, layers.Dense(4)(code)), Model(x, code)
        >>> encoder.take_weights(whole)
        >>> bool((encoder.get_weights()[0] == whole.get_weights()[0]).all())
        True
        """
        place = "take_weights"
        if not isinstance(other, Transfer):
            raise TypeError(f"[{place}] other must be a Sequential or a Model, got {other!r}")
        own, theirs = self._need_built(place), other._need_built(place)
        known = {id(row.layer) for row in theirs.rows if row.weights}
        if not any(id(row.layer) in known for row in own.rows if row.weights):
            raise ValueError(f"[{place}] the networks share no layer that has weights")
        own.take_weights(theirs)

    def freeze(self, upto: WhichLayer | None = None) -> None:
        """Leave the weights of the first layers as they are, from here on.

        Sets their ``trainable`` to False. A training step computes no gradient of their weights,
        nor of what reaches them, and keeps no optimizer state for them; the state of the others
        stays. `BatchNormalization` among them acts as in prediction, dropout as in training.

        Parameters
        ----------
        upto : str, int or Layer, optional
            The last layer to be frozen: its name as `summary` shows it, its place in ``layers``, or
            itself. In a `Model` it is frozen with all that it depends on. By default all are frozen
            that stand before others that have weights: all but the head, or heads.

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
        rows, behind = self._outer_rows("freeze"), self._behind("freeze")
        if upto is None:
            frozen = [any(rows[place].weights for place in after) for after in behind]
            if not any(
                row.weights for row, is_frozen in zip(rows, frozen, strict=True) if is_frozen
            ):
                raise _no_body("freeze")
        else:
            end = self._position("freeze", "upto", upto)
            frozen = [place == end or end in after for place, after in enumerate(behind)]
        pairs = list(zip(rows, frozen, strict=True))
        if not any(row.trainable_weights for row, is_frozen in pairs if not is_frozen):
            last = [row.name for row, is_frozen in pairs if is_frozen][-1]
            raise ValueError(
                f"[freeze] nothing would be left to train: behind layer {last!r} there are no "
                "weights that are trained"
            )
        for row, is_frozen in pairs:
            if is_frozen:
                row.layer.trainable = False
        self._follow_layers()

    def unfreeze(self, downto: WhichLayer | None = None) -> None:
        """Train the last layers again, from here on; the opposite of `freeze`.

        Sets their ``trainable`` to True; layers within them keep their own. The optimizer begins
        anew with weights that were frozen, and goes on with the others.

        Parameters
        ----------
        downto : str, int or Layer, optional
            The first layer to be trained, as for `freeze`; all behind it are trained too, in a
            `Model` all that depend on it. By default all layers.

        Raises
        ------
        NotFittedError
            Before the network was built or fitted.
        ValueError, TypeError
            When there is no such layer.
        """
        rows, behind = self._outer_rows("unfreeze"), self._behind("unfreeze")
        trained = set(range(len(rows)))
        if downto is not None:
            start = self._position("unfreeze", "downto", downto)
            trained = {start, *behind[start]}
        for place in trained:
            rows[place].layer.trainable = True
        self._follow_layers()

    def discriminate(self, factor: float) -> None:
        """Let each layer learn slower than the one behind it (Howard & Ruder, 2018).

        Sets ``learning_rate_multiplier``: 1 for the last layer that has weights, and for each one
        before it that has some, ``factor`` times that of the next. In a `Model` it is 1 for each
        head, and of several ways to them the longest counts.

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
        rows, behind = self._outer_rows("discriminate"), self._behind("discriminate")
        slower = non_negative("discriminate", "factor", factor)
        if slower == 0:
            raise ValueError("[discriminate] factor must be positive, got 0: freeze layers instead")
        distances: dict[int, int] = {}  # of those with weights, to the last of them
        for place in reversed(range(len(rows))):
            if rows[place].weights:
                # A layer in several places may stand before itself: the first counts.
                later = (other for other in behind[place] if other > place)
                after = [distances[other] + 1 for other in later if other in distances]
                distances[place] = max(after, default=0)
        multipliers = [1.0]
        while len(multipliers) < len(rows):
            multipliers.append(multipliers[-1] * slower)
        for place, distance in distances.items():
            rows[place].layer.learning_rate_multiplier = multipliers[distance]
        self._follow_layers()

    # Which layer is meant.

    def _outer_rows(self, place: str) -> list[LayerRow]:
        """Return the rows of ``layers``, without those of layers within them."""
        return [row for row in self._need_built(place).rows if not row.depth]

    def _behind(self, place: str) -> list[set[int]]:
        """Return for each layer the places of those that what it makes goes to."""
        graph = self._need_built(place).recipe.graph
        if isinstance(graph, Graph):
            return graph.behind()
        count = len(self.layers)
        return [set(range(index + 1, count)) for index in range(count)]

    def _head(self, place: str) -> int:
        """Return the place of the last layer that has weights."""
        rows = self._outer_rows(place)
        having = [index for index, row in enumerate(rows) if row.weights]
        if len(having) < 2:
            raise _no_body(place)
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


def _no_body(place: str) -> ValueError:
    return ValueError(f"[{place}] the network has no layer with weights before its last one")
