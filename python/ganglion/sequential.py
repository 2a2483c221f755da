"""A network that is a chain of layers."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from types import FunctionType
from typing import Any

from ganglion import spec
from ganglion.arguments import names_arguments
from ganglion.generation import Generation
from ganglion.layers import Input, Layer
from ganglion.losses import Loss
from ganglion.metrics import Metric
from ganglion.optimizers import Optimizer


class Sequential(Generation):
    """A neural network: layers applied one after the other.

    Parameters
    ----------
    layers : sequence of Layer
        With `layers.Input` first, the network is built at once; otherwise the shapes come from the
        first data seen.
    loss : str, Loss or None
        What training minimises; None for prediction alone.
    optimizer : str or Optimizer, default="rmsprop"
        Update rule.
    metrics : sequence of str or Metric, optional
        What is reported beside the loss.
    random_state : int, optional
        Keys initial weights, the order of samples and dropout: the same number gives the same bits.
        By default one is drawn, and kept in ``seed_``.
    dtype : {"float32", "float64"}
        Of weights and arithmetic.
    device : {"auto", "cpu", "cuda", "numba-cuda"}
        Where to train: ``"auto"`` is the processor, as yet; ``"cuda"`` a GPU, which needs
        ``pip install "ganglion[numba-cuda]"``.

    Attributes
    ----------
    history_ : dict of str to list of float
        ``loss``, the metrics, and with validation the same with ``val_`` before them, after each
        epoch since the network was made or `reset`.
    epoch_, step_ : int
        Epochs, and batches since `compile`, trained so far. They go on from fit to fit.
    gradients_ : list of ndarray
        Left by `backward`.
    feature_names_in_ : list of str or None
        Columns of the frame that it was first trained on; other frames must have the same.
    learning_rate : float
        Of the next step. Can be set, unless the optimizer follows a schedule.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion import Sequential, layers, optimizers
    >>> X = np.linspace(-1, 1, 64).reshape(-1, 1)
    >>> net = Sequential([layers.Dense(16, activation="tanh"), layers.Dense(1)], loss="mse",
    ...                  optimizer=optimizers.Adam(0.01), random_state=0)
    >>> net.fit(X, X**2, epochs=200).history_["loss"][-1] < 0.01
    True
    """

    @names_arguments("Sequential")
    def __init__(
        self,
        layers: Sequence[Layer] = (),
        loss: str | Loss | None = None,
        optimizer: str | Optimizer = "rmsprop",
        metrics: Sequence[str | Metric] | None = None,
        random_state: int | None = None,
        dtype: str = "float32",
        device: str = "auto",
    ) -> None:
        super().__init__(random_state, dtype, device)
        if not isinstance(layers, Sequence):
            raise TypeError(f"[Sequential] layers must be a list of Layers, got {layers!r}")
        self.layers = []
        self.compile(loss=loss, optimizer=optimizer, metrics=metrics)
        for layer in layers:
            self._append(layer)
        self._build_from_input()

    def add(self, layer: Layer) -> None:
        """Append a layer. Weights that are there already stay.

        Raises
        ------
        TypeError, ValueError
            When it is no layer, or does not fit behind the others; then it is not appended.
        """
        self._append(layer)
        try:
            if self._built is not None:
                self._rebuild()
            else:
                self._build_from_input()
        except BaseException:  # whatever a layer of the user's own raises
            self.layers.pop()
            raise

    def _build_from_input(self) -> None:
        if self.layers and isinstance(self.layers[0], Input):
            self.build((None, *self.layers[0].shape))

    def get_config(self) -> dict[str, Any]:
        """Return the layers and the input shape, as `save` writes them."""
        built = self._need_built("get_config")
        return {
            "layers": spec.serialize(self.layers),
            "input_shape": list(built.recipe.input_shapes[0]),
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any], **settings: Any) -> Sequential:
        """Return the network that `get_config` described, with new weights.

        Parameters
        ----------
        config : dict
            As `get_config` returns it.
        **settings
            Further arguments of the constructor.
        """
        if "graph" in config:
            raise ValueError("it is a Model: ganglion.Model.load reads it")
        network = cls(layers=spec.deserialize(config["layers"]), **settings)
        network.build(config["input_shape"])
        return network

    def __repr__(self) -> str:
        layers = ",\n    ".join(map(repr, self.layers))
        return f"Sequential([\n    {layers},\n])" if layers else "Sequential([])"

    @classmethod
    def from_onnx(cls, path: str | os.PathLike[str], output: str | None = None) -> Sequential:
        """Return the network that an ONNX file describes, with its weights.

        It can be predicted with as it is, and trained on after `compile`. Read are chains, and
        branches that part and meet again, of what the exporters of PyTorch, Keras and scikit-learn
        write for dense networks: products and biases become `layers.Dense`, with the activation
        behind them, rows gathered from a table `layers.Embedding`, LSTM, GRU and RNN, in either
        direction or both, their layers, and normalisation its; branches become `layers.Residual`
        and `layers.Branches`. Activations and attention made of several nodes are recognised by
        their values. Other constants that multiply or are added become `layers.Rescaling`, which is
        not trained.

        Needs the library onnx: ``pip install "ganglion[onnx]"``.

        Parameters
        ----------
        path : str or path
            The file.
        output : str, optional
            Name of the result that is wanted. By default the only one of floating-point numbers:
            of scikit-learn's classifiers the probabilities and not the labels.

        Returns
        -------
        Sequential
            Without a loss, of float64 where weights are.

        Raises
        ------
        OSError
            When there is no such file.
        ImportError
            Without the library.
        ValueError
            When it is no ONNX file, or has a node that is not supported: the message names the
            node, what it computes, and what is supported.

        Examples
        --------
        >>> from ganglion import Sequential, layers
        >>> Sequential([layers.Input((2,)), layers.Dense(3, activation="relu")]).to_onnx("net.onnx")
        >>> Sequential.from_onnx("net.onnx")
        Sequential([
            Input((2,)),
            Dense(3, activation='relu'),
        ])
        """
        from ganglion.interop.onnx_import import load

        network: Sequential = load(cls, path, output)
        return network

    @classmethod
    def from_keras(cls, model: Any) -> Sequential:
        """Return the network that a Keras 3 model is, with its weights, names and settings.

        Read are sequential models, and functional ones of one input and one output whose branches
        part and meet again, which become `layers.Residual` and `layers.Branches`; of layers, those
        that ganglion has. How the model was compiled is not taken over: call `compile` to train.

        Parameters
        ----------
        model : keras.Model
            Built, with any of Keras's backends. Its weights are copied.

        Returns
        -------
        Sequential
            Without a loss, of float64 where weights are.

        Raises
        ------
        TypeError
            When it is no Keras model.
        ValueError
            When it is not built, is a class of your own, or has a layer or a setting that is not
            supported; the message names it.

        Examples
        --------
        >>> model = keras.models.load_model("model.keras")  # doctest: +SKIP
        >>> net = Sequential.from_keras(model)  # doctest: +SKIP
        """
        from ganglion.interop.keras_reading import load

        network: Sequential = load(cls, model)
        return network

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over the weights of a PyTorch model, which has the same layers in the same order.

        The first layer with weights gets those of the first module, and so on, whatever their
        names. `layers.Dense` gets those of ``Linear``, transposed, convolutions those of theirs,
        `layers.SeparableConv2D` those of two; the two normalisations those of
        ``BatchNorm1d`` and ``LayerNorm``, `layers.PReLU` and `layers.Embedding` those of theirs; a
        recurrent layer those of one layer and direction of ``RNN``, ``LSTM`` or ``GRU``;
        `layers.MultiHeadAttention` those of ``MultiheadAttention``, or of four ``Linear`` for
        queries, keys, values and outputs; a layer of your own those whose names are its own.
        `layers.Normalization` keeps its statistics. PyTorch has channels first: behind a flattened
        image the features are put into our order.

        A dict has no settings: PyTorch's normalisations have ``epsilon=1e-5``, and what is its
        ``momentum=0.1`` is 0.9 here.

        Parameters
        ----------
        state : dict of str to array
            As ``model.state_dict()`` gives it: tensors, or arrays.

        Raises
        ------
        NotFittedError
            Before the network was built or fitted.
        TypeError, ValueError
            When it is no dict of arrays, or does not fit: the message names both sides. Then no
            weight is replaced.

        Examples
        --------
        >>> import numpy as np
        >>> from ganglion import Sequential, layers
        >>> net = Sequential([layers.Input((2,)), layers.Dense(1)])
        >>> net.load_state_dict({"0.weight": np.array([[3.0, 4.0]]), "0.bias": np.array([5.0])})
        >>> net.predict(np.array([[1.0, 10.0]])).tolist()
        [[48.0]]
        """
        from ganglion.interop.state_dict import weights_from

        built = self._need_built("load_state_dict")
        built.set_weights(weights_from(built, state))


# Python's own messages name a method by this: the class that users know, not the one it stands in.
for _base in Sequential.__mro__[1:-1]:
    for _name, _method in vars(_base).items():
        if isinstance(_method, FunctionType) and not _name.startswith("_"):
            _method.__qualname__ = f"{Sequential.__name__}.{_name}"
