"""Looking into a network: what its layers put out, and where the loss pulls its weights."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike, NDArray

from ganglion.passes import PREDICTION_BATCH, Passes
from ganglion.samples import check_samples

Array = NDArray[Any]


class Inspection(Passes):
    """Outputs within, and gradients of the loss. `Sequential` documents what a user sees of it."""

    def layer_outputs(self, X: ArrayLike) -> dict[str, Array]:
        """Return what each layer puts out in prediction.

        Parameters
        ----------
        X : array_like, shape (n, ...)
            Finite numbers.

        Returns
        -------
        dict of str to ndarray, shape (n, ...)
            By the layers' names, in the order in which they are applied; layers within another, as
            ``"residual/dense"``, come before it.

        Raises
        ------
        NotFittedError
            Before the network was built or fitted.
        TypeError, ValueError
            As `predict`.

        Examples
        --------
        >>> import numpy as np
        >>> from ganglion import Sequential, layers
        >>> net = Sequential([layers.Input((2,)), layers.Dense(3, "relu"), layers.Dense(1)])
        >>> {name: output.shape for name, output in net.layer_outputs(np.ones((5, 2))).items()}
        {'input': (5, 2), 'dense': (5, 3), 'dense_1': (5, 1)}
        """
        built = self._need_built("layer_outputs")
        array = self._check_inputs("layer_outputs", X)
        executable = built.executable("layers")
        outputs = executable.predict([array], PREDICTION_BATCH)
        names = [name for name, _ in executable.program.outputs]
        return dict(zip(names, outputs, strict=True))

    def loss_gradients(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> dict[str, Array]:
        """Return the gradient of the loss to each weight that is trained, as the next step sees it.

        Layers act as in training: dropout draws as that step would. Nothing changes, moving
        statistics neither. Penalties of regularizers are part of the loss, clipping is not looked
        at.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`; all samples are one batch.

        Returns
        -------
        dict of str to ndarray
            By the names of the weights, such as ``"dense/kernel"``.

        Raises
        ------
        NotFittedError
            Before the network was built or fitted.
        TypeError, ValueError
            As `fit`.

        Examples
        --------
        >>> import numpy as np
        >>> from ganglion import Sequential, layers
        >>> net = Sequential([layers.Dense(1, kernel_initializer="zeros")], loss="mse")
        >>> net.build((None, 2))
        >>> net.loss_gradients(np.array([[1.0, 2.0]]), np.array([3.0]))["dense/kernel"].tolist()
        [[-6.0], [-12.0]]
        """
        built = self._need_built("loss_gradients")
        loss = self._need_loss("loss_gradients")
        array = self._check_inputs("loss_gradients", X)
        samples = check_samples(
            "loss_gradients", array, y, loss, built.output_shape, self.dtype, sample_weight
        )
        executable = built.executable("gradient", samples.weight is not None)
        _, *gradients = executable.run(samples.arrays, len(samples), {}, self.seed_, self.step_)
        return dict(zip(self.trainable_weight_names, gradients, strict=True))
