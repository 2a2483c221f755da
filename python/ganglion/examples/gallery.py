"""Draw every picture there is of a network, of its training and of what came out.

The data ships with scikit-learn: 1797 images of handwritten digits. A network is trained on three
quarters of them, and tested on the rest with noise added, since without it hardly takes one for
another. A second one, of convolutions, shows what it looks at; an autoencoder where digits lie
among each other, and capsules what their numbers stand for. Each function of `ganglion.plot` draws
what it can.
"""

# ruff: noqa: E402  the libraries are looked for before they are imported

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ganglion.examples.command import Command, require_libraries

require_libraries(__name__)

import matplotlib
import numpy as np
from matplotlib import pyplot
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from ganglion import (
    Autoencoder,
    CapsuleClassifier,
    Model,
    NeuralClassifier,
    Sequential,
    find_learning_rate,
    layers,
    optimizers,
    plot,
)
from ganglion.callbacks import LayerRecorder, WeightRecorder

EPOCHS, IMAGE_EPOCHS = 30, 10
# Deviation of what is added to the pixels of the test, which go from 0 to 1.
NOISE = 0.4


class Gallery:
    """A classifier of digits, trained, and the pictures of it, by the names of their files.

    Parameters
    ----------
    seed : int
        Of weights, order of samples and dropout.
    """

    def __init__(self, seed: int) -> None:
        images, digits = load_digits(return_X_y=True)
        self.X, self.X_test, self.y, self.y_test = train_test_split(
            images / 16, digits, test_size=0.25, stratify=digits, random_state=0
        )
        self.X_test += np.random.default_rng(0).normal(scale=NOISE, size=self.X_test.shape)
        self.path = WeightRecorder()
        self.layers = LayerRecorder(self.X[:500], self.y[:500])
        self.model = NeuralClassifier(
            [64, 32],
            learning_rate=0.003,
            epochs=EPOCHS,
            early_stopping=True,
            patience=EPOCHS,
            metrics=["accuracy"],
            callbacks=[self.path, self.layers],
            random_state=seed,
        ).fit(self.X, self.y)
        self.images = self.X[:12].reshape(-1, 8, 8, 1)
        self.capsules = CapsuleClassifier(
            decoder=(128,), epochs=IMAGE_EPOCHS, random_state=seed
        ).fit(self.X, self.y)
        self.convolutional = _convolutional(seed).fit(
            self.X.reshape(-1, 8, 8, 1), self.y, epochs=IMAGE_EPOCHS, verbose=0
        )

        self.coder = Autoencoder(8, epochs=EPOCHS, random_state=seed).fit(self.X)

    def pictures(self) -> dict[str, Callable[[], object]]:
        """Return what draws each picture."""
        model, seen = self.model, (self.model, self.X, self.y)
        tested = self.model, self.X_test, self.y_test
        return {
            "learning_curves": lambda: plot.learning_curves(model),
            "learning_rate": lambda: find_learning_rate(*seen).plot(),
            "loss_curve": lambda: plot.loss_landscape(*seen, dimensions=1),
            "loss_landscape": lambda: plot.loss_landscape(*seen),
            "descent": lambda: plot.loss_landscape(*seen, path=self.path),
            "activations": plot.activations,
            "weights": lambda: plot.weight_histograms(self.layers),
            "gradients": lambda: plot.weight_histograms(self.layers, gradients=True),
            "dead_units": lambda: plot.dead_units(self.layers),
            "confusion_matrix": lambda: plot.confusion_matrix(*tested),
            "roc_curve": lambda: plot.roc_curve(*tested),
            "calibration_curve": lambda: plot.calibration_curve(*tested),
            "saliency": lambda: plot.saliency(self.convolutional, self.images),
            "grad_cam": lambda: plot.grad_cam(self.convolutional, self.images),
            "occlusion": lambda: plot.occlusion(self.convolutional, self.images, 3, 1),
            "capsule_dimensions": lambda: plot.capsule_dimensions(self.capsules, self.X[0]),
            "filters": lambda: plot.filters(model.network_, shape=(8, 8)),
            "latent_space": lambda: plot.latent_space(self.coder, self.X, self.y),
            "image_grid": lambda: plot.image_grid(
                self.coder.reconstruct(self.X[:100]), shape=(8, 8)
            ),
            "network": lambda: plot.network(_network_with_branches()),
            "graph": lambda: plot.network(_graph()),
        }


def main(arguments: Sequence[str] | None = None) -> list[Path]:
    """Train, and write each picture to its file.

    Parameters
    ----------
    arguments : sequence of str, optional
        Command line; that of the process by default.

    Returns
    -------
    list of Path
        The pictures.
    """
    command = Command("gallery", __doc__)
    command.add_argument(
        "--output", type=Path, default=Path("gallery"), help="folder of the pictures (gallery)"
    )
    command.add_seed()
    options = command.parse_args(arguments)
    try:
        options.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        command.error(f"argument --output: {error}")

    matplotlib.use("Agg")  # into files: no windows
    written = []
    for name, draw in Gallery(options.seed).pictures().items():
        path = options.output / f"{name}.png"
        draw()
        pyplot.gcf().savefig(path, dpi=110)
        pyplot.close()
        written.append(path)
        print(path.resolve())
    return written


def _convolutional(seed: int) -> Sequential:
    """Return a network of which can be drawn what it looks at."""
    return Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10, activation="softmax"),
        ],
        loss="sparse_categorical_crossentropy",
        optimizer=optimizers.Adam(0.01),
        random_state=seed,
    )


def _network_with_branches() -> Sequential:
    """Return a network that is no chain, not trained."""
    return Sequential(
        [
            layers.Input((64,)),
            layers.Rescaling(1 / 16),
            layers.Branches(
                [
                    [layers.Dense(32, activation="relu"), layers.Dense(16, activation="relu")],
                    [layers.Dense(16, activation="tanh")],
                ]
            ),
            layers.Residual([layers.Dense(32, activation="gelu"), layers.Dropout(0.2)]),
            layers.Dense(10, activation="softmax"),
        ]
    )


def _graph() -> Model:
    """Return a network of two inputs and two outputs, not trained."""
    image, table = layers.Input((8, 8, 1), name="image"), layers.Input((5,), name="table")
    seen = layers.Conv2D(16, 3, padding="same", activation="relu")(image)
    seen = layers.Add()([seen, layers.Conv2D(16, 3, padding="same")(seen)])
    joined = layers.Concatenate()([layers.GlobalAveragePooling2D()(seen), table])
    hidden = layers.Dense(32, activation="relu")(joined)
    return Model(
        [image, table],
        {
            "digit": layers.Dense(10, activation="softmax")(hidden),
            "slant": layers.Dense(1)(layers.Concatenate()([hidden, table])),
        },
    )


if __name__ == "__main__":
    main()
