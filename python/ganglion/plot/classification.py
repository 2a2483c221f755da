"""What a classifier got right and wrong, with scikit-learn's displays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ganglion.figure import TRAINING_COLOR, panels, plain, tidy
from ganglion.optional import require

if TYPE_CHECKING:
    from types import ModuleType

    from matplotlib.axes import Axes


def _scikit_learn(module: str, place: str) -> ModuleType:
    return require(module, place, extra="sklearn", distribution="scikit-learn")


def confusion_matrix(
    estimator: Any, X: ArrayLike, y: ArrayLike, *, axes: Axes | None = None
) -> Axes:
    """Draw how often each class was taken for each.

    Parameters
    ----------
    estimator : classifier
        A fitted classifier, or a pipeline that ends in one.
    X : array of shape (n_samples, n_features)
        Samples.
    y : array of shape (n_samples,)
        Their true labels.
    axes : matplotlib Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib Axes
        Where it was drawn.

    Raises
    ------
    ImportError
        Without matplotlib or scikit-learn.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from ganglion import NeuralClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = NeuralClassifier([8], epochs=5, random_state=0).fit(X, y)
    >>> confusion_matrix(model, X, y).get_xlabel()
    'predicted label'
    """
    metrics = _scikit_learn("sklearn.metrics", "confusion_matrix")
    (panel,) = panels("confusion_matrix", axes, size=(4.8, 4.4))
    display = metrics.ConfusionMatrixDisplay.from_estimator(
        estimator, X, y, ax=panel, cmap="Blues", colorbar=False
    )
    names = [plain(name) for name in display.display_labels]
    panel.set(xticklabels=names, yticklabels=names)
    panel.set(xlabel="predicted label", ylabel="true label")
    return panel


def roc_curve(estimator: Any, X: ArrayLike, y: ArrayLike, *, axes: Axes | None = None) -> Axes:
    """Draw how many are found against how many are falsely reported, for each class.

    With two classes the second is what is to be found; with more, each against the rest.

    Parameters
    ----------
    estimator : classifier
        A fitted classifier with ``predict_proba``, or a pipeline that ends in one.
    X : array of shape (n_samples, n_features)
        Samples.
    y : array of shape (n_samples,)
        Their true labels.
    axes : matplotlib Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib Axes
        Where it was drawn.

    Raises
    ------
    ImportError
        Without matplotlib or scikit-learn.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from ganglion import NeuralClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = NeuralClassifier([8], epochs=5, random_state=0).fit(X, y)
    >>> len(roc_curve(model, X, y).lines)  # three classes, and chance
    4
    """
    metrics = _scikit_learn("sklearn.metrics", "roc_curve")
    (panel,) = panels("roc_curve", axes, size=(5.0, 4.6))
    probabilities = np.asarray(estimator.predict_proba(X))
    shown = [1] if len(estimator.classes_) == 2 else range(len(estimator.classes_))
    for index in shown:
        metrics.RocCurveDisplay.from_predictions(
            np.asarray(y) == estimator.classes_[index],
            probabilities[:, index],
            name=plain(estimator.classes_[index]),
            ax=panel,
            plot_chance_level=index == shown[-1],
        )
    for line in panel.lines:
        line.set_linewidth(1.2)
    panel.set(xlabel="false positive rate", ylabel="true positive rate", ylim=(-0.01, 1.02))
    tidy(panel)
    panel.legend(frameon=False, fontsize="small", loc="lower right")
    return panel


def calibration_curve(
    estimator: Any, X: ArrayLike, y: ArrayLike, *, bins: int = 10, axes: Axes | None = None
) -> Axes:
    """Draw how often a prediction was right against how sure the classifier was of it.

    With two classes that is the probability of the second. With more it is that of the class
    predicted, whichever it is.

    Parameters
    ----------
    estimator : classifier
        A fitted classifier with ``predict_proba``, or a pipeline that ends in one.
    X : array of shape (n_samples, n_features)
        Samples.
    y : array of shape (n_samples,)
        Their true labels.
    bins : int, default=10
        Groups of equally many samples.
    axes : matplotlib Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib Axes
        Where it was drawn.

    Raises
    ------
    ImportError
        Without matplotlib or scikit-learn.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from ganglion import NeuralClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = NeuralClassifier([8], epochs=5, random_state=0).fit(X, y)
    >>> calibration_curve(model, X, y).get_ylabel()
    'share that was right'
    """
    calibration = _scikit_learn("sklearn.calibration", "calibration_curve")
    (panel,) = panels("calibration_curve", axes, size=(5.0, 4.6))
    probabilities = np.asarray(estimator.predict_proba(X))
    if len(estimator.classes_) == 2:
        happened, sure = np.asarray(y) == estimator.classes_[1], probabilities[:, 1]
        labels = f"predicted probability of {plain(estimator.classes_[1])}", "share that was so"
    else:
        happened = np.asarray(y) == estimator.classes_[probabilities.argmax(axis=1)]
        sure = probabilities.max(axis=1)
        labels = "probability of the class predicted", "share that was right"
    calibration.CalibrationDisplay.from_predictions(
        happened,
        sure,
        n_bins=bins,
        strategy="quantile",
        name=type(estimator).__name__,
        ax=panel,
        color=TRAINING_COLOR,
    )
    panel.set(xlabel=labels[0], ylabel=labels[1])
    tidy(panel)
    panel.legend(frameon=False, fontsize="small")
    return panel
