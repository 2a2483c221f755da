"""Two networks against each other: one draws images, the other tells them from real ones.

Each class is learned apart, so that a digit can be asked for. A classifier that was trained on real
images judges those that were drawn: are they taken for the class that was asked for, and are all of
them different? The picture is drawn anew after each epoch. Handwritten digits, which ship with
scikit-learn; with ``--data`` the images of MNIST or Fashion-MNIST.
"""

# ruff: noqa: E402  the libraries are looked for before they are imported

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ganglion.examples.command import Command, require_libraries

require_libraries(__name__)

import matplotlib
import numpy as np
from numpy.typing import NDArray

from ganglion import GAN, NeuralClassifier, layers, plot

Array = NDArray[Any]
EPOCHS, MANY_EPOCHS = 4, 200
JUDGED = 1000


def main(arguments: Sequence[str] | None = None) -> dict[str, float]:
    """Train, print what a classifier takes the samples for, and draw them.

    Parameters
    ----------
    arguments : sequence of str, optional
        Command line; that of the process by default.

    Returns
    -------
    dict of str to float
        ``recognised``, the share of drawn images that the classifier takes for the class that was
        asked for, and ``real``, the same of test images; ``spread``, how far drawn images of a
        class are from each other, as a share of what real ones are.
    """
    command = Command("gan", __doc__)
    command.add_images()
    command.add_argument(
        "--loss",
        choices=["non-saturating", "wasserstein"],
        default="non-saturating",
        help="what the two minimise (non-saturating)",
    )
    command.add_output("gan.png")
    command.add_epochs(None)
    command.add_seed()
    options = command.parse_args(arguments)
    matplotlib.use("Agg")  # into a file: no window

    data = command.read_images(options.data)
    few = options.data is None
    model = GAN(
        loss=options.loss,
        learning_rate=1e-3 if few else 5e-4,
        epochs=options.epochs or (MANY_EPOCHS if few else EPOCHS),
        picture=plot.SampleGrid(options.output),
        random_state=options.seed,
        verbose="auto",
    ).fit(data.X_train, data.y_train)

    judge = NeuralClassifier(
        [layers.Flatten(), 128, 64],
        epochs=60 if few else 5,
        batch_size=64,
        random_state=options.seed,
    ).fit(data.X_train, data.y_train)
    wanted = np.resize(model.classes_, JUDGED)
    drawn = model.sample(JUDGED, wanted, random_state=options.seed)
    found = {
        "recognised": float((judge.predict(drawn) == wanted).mean()),
        "real": float((judge.predict(data.X_test) == data.y_test).mean()),
        "spread": _spread(drawn, wanted) / _spread(data.X_test, data.y_test),
    }
    print(f"\nTaken for the class that was asked for: {found['recognised']:.1%}")
    print(f"Of real test images:                    {found['real']:.1%}")
    print(f"Spread within a class, to that of real images: {found['spread']:.2f}")
    print(f"Picture: {options.output.resolve()}")
    return found


def _spread(images: Array, labels: Array) -> float:
    """Return the variance of the images of a class, summed over the pixels, in the mean."""
    classes = np.unique(labels)
    return float(np.mean([images[labels == label].var(axis=0).sum() for label in classes]))


if __name__ == "__main__":
    main()
