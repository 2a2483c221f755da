"""Looking at networks, and keeping them in files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from ganglion import files
from ganglion.built import LayerRow
from ganglion.errors import suggestion
from ganglion.layers import Layer
from ganglion.summary import summary_html, summary_text
from ganglion.transfer import Transfer

if TYPE_CHECKING:
    from typing_extensions import Self

# Not offered when a name is completed.
_INTERNAL = frozenset(
    {
        "begin_callbacks",
        "callback_states",
        "current",
        "end_callbacks",
        "finalize",
        "follows_schedule",
        "held",
        "need_settable_learning_rate",
        "restore_training",
        "scalars",
    }
)


class Showing(Transfer):
    """Summaries and files. `Sequential` documents what a user sees of it."""

    def get_layer(self, name: str) -> Layer:
        """Return the layer of this name, as `summary` shows it, or ``"residual/dense"`` within one.

        Raises
        ------
        ValueError
            When there is none; the nearest name is suggested.
        """
        by_name = {row.name: row.layer for row in self._need_built("get_layer").rows}
        if name not in by_name:
            raise ValueError(f"[get_layer] no layer is named {name!r}{suggestion(name, by_name)}")
        return by_name[name]

    def __dir__(self) -> list[str]:
        """Leave out what only training, callbacks and files call."""
        return [name for name in super().__dir__() if name not in _INTERNAL]

    # Looking and keeping.

    def summary(self) -> None:
        """Print the layers with their output shapes and numbers of weights, as Keras does.

        What stands within a layer is counted with it.
        """
        print(summary_text(self._need_built("summary"), np.dtype(self.dtype).itemsize))

    def _repr_html_(self) -> str | None:
        if self._built is None:
            return None
        return summary_html(self._built, np.dtype(self.dtype).itemsize)

    @property
    def layer_rows(self) -> list[LayerRow]:
        """Name, layer, output shape and number of weights of each layer.

        Layers within another, as ``"residual/dense"``, come before it.
        """
        return list(self._need_built("layer_rows").rows)

    def save(
        self,
        path: str | os.PathLike[str],
        training_state: bool = False,
        vectorization: Any = None,
    ) -> None:
        """Write the network to a file, as a whole or not at all.

        The file is safetensors, with a description of the layers in its header, and the learning
        rate as it is now.

        Parameters
        ----------
        path : str or path
            Where to write. A file that is there is replaced once all is written.
        training_state : bool, default=False
            Whether to keep the optimizer's state, counters and history too, so that training goes
            on after `load` with the same bits as if it had not stopped. During a fit the states of
            its callbacks are kept as well: the first fit after `load` gives them to callbacks of
            the same settings.
        vectorization : TextVectorization, optional
            What makes the network's inputs of texts, kept in the same file:
            ``TextVectorization.load`` gives it back.

        Raises
        ------
        NotFittedError
            Before the network was built or fitted.
        TypeError
            When a part, such as a function, cannot be described.
        OSError
            When the file cannot be written.
        """
        files.save(self, self._need_built("save"), path, training_state, vectorization)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Return the network that `save` wrote. No code of the file is run.

        ``TextVectorization.load(path)`` gives the vectorization that was saved with it.

        Layers of your own are found when their module was imported before.

        Raises
        ------
        OSError
            When there is no such file.
        ValueError
            When it is cut short, damaged, of a later version, or something else; the message names
            the file and what is wrong.
        """
        network: Self = files.load(cls, path)
        return network

    # To other libraries and back. What these need is loaded when they are called.

    def to_onnx(self, path: str | os.PathLike[str]) -> None:
        """Write the network's prediction as an ONNX file, as a whole or not at all.

        Every layer is written, your own ones too, in the form it has in prediction: dropout and
        noise are gone, normalisation uses the statistics it learned. The graph has one input,
        ``"x"``, and one output, ``"prediction"``, whose first size is the batch; those of a `Model`
        have its ``input_names`` and ``output_names``, with a number behind where an output is
        called as an input. It is of opset 17, and of the network's dtype. An
        estimator's network is its ``network_``. Recurrent layers are LSTM, GRU and RNN, but where
        ONNX has no such activation, where padding is left out or states are given, and in float64,
        which ONNX Runtime's have not: these and other loops are Scan.

        In float64 the error function, which GELU uses, has the precision of float32, since ONNX
        Runtime has no other.

        Needs the library onnx: ``pip install "ganglion[onnx]"``.

        Parameters
        ----------
        path : str or path
            Where to write. A file that is there is replaced once all is written.

        Raises
        ------
        NotFittedError
            Before the network was built or fitted.
        ImportError
            Without the library.
        ValueError
            A layer of your own that draws random numbers or changes its weights in prediction too,
            a recurrent one that is stateful, weights of 2 GB and more, or a number of steps that is
            open: build the same layers with ``Input((steps, ...))`` and give them the weights.
        OSError
            When the file cannot be written.

        Examples
        --------
        >>> from ganglion import Sequential, layers
        >>> net = Sequential([layers.Input((2,)), layers.Dense(3, activation="relu")])
        >>> net.to_onnx("net.onnx")
        """
        from ganglion.interop.onnx_export import export

        export(self._need_built("to_onnx"), path)
