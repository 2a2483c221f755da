"""A network that is a graph of layers, of several inputs and outputs where that is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ganglion import optimizers, spec
from ganglion.arguments import names_arguments
from ganglion.bundle import in_order
from ganglion.chosen import chosen_losses, chosen_metrics
from ganglion.compile import Head, Recipe
from ganglion.data import non_negative
from ganglion.drawing import nodes_of
from ganglion.graph import Graph
from ganglion.losses import Loss
from ganglion.metrics import Metric
from ganglion.optimizers import Optimizer
from ganglion.showing import Showing
from ganglion.value import Shape
from ganglion.variables import Variables


class Model(Showing):
    """A neural network: a graph of layers, drawn in Keras's functional style.

    Layers are called on `layers.Input` and on what other layers make; the operations of
    `ganglion.ops` and ``+ - * /`` can stand between. A layer that is called several times is the
    same layer, with the same weights, in each place. Networks can be called as layers are. What is
    a chain is easier written as `Sequential`.

    Unlike in Keras, layers hold no weights: two models of the same layers each have their own, and
    `take_weights` copies those of one into the other.

    With several inputs, ``X`` is a tuple of arrays, or a dict of them by the names of the inputs;
    with several outputs so is ``y``, and `predict` returns a list. Each output has a loss, and what
    training minimises is their weighted sum; ``sample_weight`` is one array, for all of them. All
    else is as in `Sequential`.

    Parameters
    ----------
    inputs : Input, or sequence or dict of Input
        What the network reads. The keys of a dict are names; otherwise those of the layers are.
    outputs : node, or sequence or dict of nodes
        What it predicts: what layers made of the inputs. As a dict, `predict` returns one.
    loss : str or Loss, or sequence or dict of them, optional
        What training minimises: one loss for all outputs, or one for each; None for prediction
        alone.
    optimizer : str or Optimizer, default="rmsprop"
        Update rule.
    metrics : sequence of str or Metric, or sequence or dict of such, optional
        What is reported beside the loss; for several outputs one or a list for each, or a dict with
        those of some. They are reported under ``"output_metric"``, beside ``"output_loss"`` of
        each.
    loss_weights : sequence or dict of float, optional
        How many times the loss of each output counts in the sum; once by default.
    random_state : int, optional
        Keys initial weights, the order of samples and dropout: the same number gives the same bits.
    dtype : {"float32", "float64"}
        Of weights and arithmetic.
    device : {"auto", "cpu", "cuda", "numba-cuda"}
        As for `Sequential`.

    Raises
    ------
    TypeError, ValueError
        For inputs that are none or that no output needs, outputs that need others, and losses,
        metrics or weights that do not fit the outputs.

    Examples
    --------
    Two heads on one trunk:

    >>> import numpy as np
    >>> from ganglion import Model, layers
    >>> x = layers.Input((4,))
    >>> hidden = layers.Dense(16, activation="relu")(x)
    >>> size = layers.Dense(1, name="size")(hidden)
    >>> kind = layers.Dense(3, activation="softmax", name="kind")(hidden)
    >>> net = Model(x, [size, kind], loss=["mse", "sparse_categorical_crossentropy"],
    ...             loss_weights=[1.0, 0.5], metrics={"kind": ["accuracy"]}, random_state=0)
    >>> X = np.random.default_rng(0).normal(size=(32, 4))
    >>> history = net.fit(X, (X[:, :1], (X[:, 0] > 0) * 2), epochs=2).history_
    >>> list(history)
    ['loss', 'size_loss', 'kind_loss', 'kind_accuracy']
    >>> [part.shape for part in net.predict(X)]
    [(32, 1), (32, 3)]
    """

    @names_arguments("Model")
    def __init__(
        self,
        inputs: Any,
        outputs: Any,
        loss: Any = None,
        optimizer: str | Optimizer = "rmsprop",
        metrics: Any = None,
        loss_weights: Any = None,
        random_state: int | None = None,
        dtype: str = "float32",
        device: str = "auto",
    ) -> None:
        super().__init__(random_state, dtype, device)
        self._graph = Graph(nodes_of(inputs), nodes_of(outputs))
        own_inputs, own_outputs = self._graph.names()
        self.input_names = list(inputs) if isinstance(inputs, Mapping) else own_inputs
        self.output_names = list(outputs) if isinstance(outputs, Mapping) else own_outputs
        self._gives_dict = isinstance(outputs, Mapping)
        for name in (*self.input_names, *self.output_names):
            if not isinstance(name, str) or not name:
                raise TypeError(f"[Model] inputs and outputs must have text as names, got {name!r}")
        self.layers = self._graph.layers
        self.compile(loss=loss, optimizer=optimizer, metrics=metrics, loss_weights=loss_weights)
        built = self._initialized(tuple(node.shape for node in self._graph.inputs))
        called = (call.network for call in self._graph.calls if call.network is not None)
        for network in {id(one): one for one in called}.values():
            if network.built:
                built.take_weights(network.current("Model"))
        self._set_built(built)

    @names_arguments("compile")
    def compile(
        self,
        optimizer: str | Optimizer = "rmsprop",
        loss: Any = None,
        metrics: Any = None,
        loss_weights: Any = None,
    ) -> None:
        """Choose how the network is trained. Weights stay; the optimizer starts anew.

        Parameters
        ----------
        optimizer, loss, metrics, loss_weights
            As for the constructor.

        Raises
        ------
        TypeError, ValueError
            For an unknown name, and what does not fit the outputs.
        """
        rule = optimizers.get(optimizer)
        if loss is None and loss_weights is not None:
            raise ValueError("[compile] loss_weights weigh losses, and there is none")
        weights, losses = self._chosen_weights(loss_weights), self._chosen_losses(loss)
        reported = self._chosen_metrics(metrics)
        self._check_reported(reported)
        self.loss_weights = weights  # all of it fits
        self._set_objective(rule, losses, reported)

    def _chosen_losses(self, loss: Any) -> list[Loss]:
        names = self.output_names
        described = isinstance(loss, Mapping) and "class_name" in loss
        if described or not isinstance(loss, (list, tuple, Mapping)):
            return chosen_losses(loss) * len(names)
        given = in_order("compile", "loss", loss, names)
        if any(part is None for part in given):
            raise ValueError("[compile] each output needs a loss, got None for one")
        return [chosen_losses(part)[0] for part in given]

    def _chosen_metrics(self, metrics: Any) -> list[list[Metric]]:
        names = self.output_names
        if isinstance(metrics, Mapping):
            unknown = [name for name in metrics if name not in names]
            if unknown:
                raise ValueError(f"[compile] metrics names {unknown[0]!r}, the outputs are {names}")
            given = [metrics.get(name) for name in names]
        elif len(names) == 1 and not _holds_lists(metrics):
            return [chosen_metrics(metrics)]
        else:
            given = (
                in_order("compile", "metrics", metrics, names) if metrics else [None for _ in names]
            )
        return [
            chosen_metrics([part] if isinstance(part, (str, Metric)) else part) for part in given
        ]

    def _chosen_weights(self, loss_weights: Any) -> list[float]:
        names = self.output_names
        if loss_weights is None:
            return [1.0] * len(names)
        given = in_order("compile", "loss_weights", loss_weights, names)
        return [
            non_negative("compile", f"loss_weights of {name!r}", weight)
            for name, weight in zip(names, given, strict=True)
        ]

    def _check_reported(self, metrics: list[list[Metric]]) -> None:
        """Raise where two numbers would be reported under one name."""
        names = self.output_names
        if len(names) == 1:
            return
        reported = [f"{name}_loss" for name in names]
        for name, own in zip(names, metrics, strict=True):
            reported += [f"{name}_{metric.label}" for metric in own]
        for index, name in enumerate(reported):
            if name in reported[:index]:
                raise ValueError(
                    f"[compile] two numbers would be reported as {name!r}: give a metric another "
                    "name=..."
                )

    def _heads(self) -> tuple[Head, ...]:
        heads = super()._heads()
        if len(heads) == 1:
            return (Head(heads[0].loss, heads[0].metrics, self.loss_weights[0]),)
        named = zip(self.output_names, heads, self.loss_weights, strict=False)
        return tuple(
            Head(head.loss, {f"{name}_{label}": m for label, m in head.metrics.items()}, weight)
            for name, head, weight in named
        )

    def _joined(self) -> Graph:
        return self._graph

    def _recipe(self, input_shapes: tuple[Shape, ...]) -> Recipe:
        return Recipe(
            graph=self._graph,
            input_shapes=input_shapes,
            variables=Variables(),
            heads=self._heads(),
            optimizer=self.optimizer,
            input_names=tuple(self.input_names),
            output_names=tuple(self.output_names),
        )

    def _results(self, outputs: list[Any]) -> Any:
        if self._gives_dict:
            return dict(zip(self.output_names, outputs, strict=True))
        return super()._results(outputs)

    def get_config(self) -> dict[str, Any]:
        """Return the layers and how they are joined, as `save` writes them."""
        return {
            "layers": spec.serialize(self.layers),
            "graph": self._graph.get_config(),
            "input_names": self.input_names,
            "output_names": self.output_names,
            "gives_dict": self._gives_dict,
            "loss_weights": self.loss_weights,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any], **settings: Any) -> Model:
        """Return the network that `get_config` described, with new weights.

        Parameters
        ----------
        config : dict
            As `get_config` returns it.
        **settings
            Further arguments of the constructor.
        """
        if "graph" not in config:
            raise ValueError("it is a Sequential: ganglion.Sequential.load reads it")
        graph = Graph.from_config(config["graph"], spec.deserialize(config["layers"]))
        inputs = dict(zip(config["input_names"], graph.inputs, strict=True))
        outputs: Any = dict(zip(config["output_names"], graph.outputs, strict=True))
        weights = config["loss_weights"] if settings.get("loss") is not None else None
        network = cls(inputs, outputs, loss_weights=weights, **settings)
        network._gives_dict = bool(config["gives_dict"])
        return network

    # From other libraries. What these need is loaded when they are called.

    @classmethod
    def from_keras(cls, model: Any) -> Model:
        """Return the network that a Keras 3 model is, with its weights, names and settings.

        Read is any functional model: of several inputs and outputs, with layers used in several
        places, models within it, states from layer to layer, and operations of ``keras.ops`` that
        `ganglion.ops` has too. Of layers, those that ganglion has. How the model was compiled is
        not taken over: call `compile` to train.

        Parameters
        ----------
        model : keras.Model
            Built, with any of Keras's backends. Its weights are copied, and the names of its
            inputs.

        Returns
        -------
        Model
            Without a loss, of float64 where weights are.

        Raises
        ------
        TypeError
            When it is no Keras model.
        ValueError
            When it is not built, is a class of your own, or has a layer, an operation or a setting
            that is not supported; the message names it.

        Examples
        --------
        >>> model = keras.models.load_model("model.keras")  # doctest: +SKIP
        >>> net = Model.from_keras(model)  # doctest: +SKIP
        """
        from ganglion.interop.keras_graphs import load

        network: Model = load(cls, model)
        return network

    def __repr__(self) -> str:
        return f"Model({self.input_names} -> {self.output_names}, {len(self.layers)} layers)"


def _holds_lists(metrics: Any) -> bool:
    return isinstance(metrics, (list, tuple)) and any(isinstance(m, (list, tuple)) for m in metrics)
