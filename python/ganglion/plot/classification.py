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


# Of more classes a confusion matrix has no numbers, and a ROC picture names the worst alone.
_MANY, _WORST = 15, 3


def _check(place: str, estimator: Any, y: Any, method: str) -> None:
    if not hasattr(estimator, method) or not hasattr(estimator, "classes_"):
        raise TypeError(
            f"[{place}] takes a fitted classifier such as NeuralClassifier, then X and y, got "
            f"{type(estimator).__name__}: from labels alone scikit-learn's displays draw, with "
            "from_predictions"
        )
    if np.ndim(y) != 1:
        raise ValueError(
            f"[{place}] y must have one class a sample, got shape {np.shape(y)}: of several "
            "labels, scikit-learn's displays draw one at a time, with from_predictions"
        )


def confusion_matrix(estimator: Any, X: ArrayLike, y: ArrayLike, *, ax: Axes | None = None) -> Axes:
    """Draw how often each class was taken for each.

    Parameters
    ----------
    estimator : classifier
        A fitted classifier, or a pipeline that ends in one.
    X : array of shape (n_samples, n_features)
        Samples.
    y : array of shape (n_samples,)
        Their true labels.
    ax : matplotlib Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib Axes
        Where it was drawn.

    Raises
    ------
    ImportError
        Without matplotlib or scikit-learn.
    TypeError, ValueError
        For something that is no fitted classifier, or several labels a sample.

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
    _check("confusion_matrix", estimator, y, "predict")
    classes = len(set(np.asarray(estimator.classes_).tolist()) | set(np.asarray(y).tolist()))
    side = max(4.8, min(1.5 + 0.24 * classes, 14.0))
    (panel,) = panels("confusion_matrix", ax, size=(side, side - 0.4))
    many = classes > _MANY
    display = metrics.ConfusionMatrixDisplay.from_estimator(
        estimator, X, y, ax=panel, cmap="Blues", colorbar=many, include_values=not many
    )
    names = [plain(name) for name in display.display_labels]
    panel.set(xticklabels=names, yticklabels=names)
    panel.tick_params(labelsize="small" if many else "medium")
    if sum(map(len, names)) > 3 * _MANY:  # side by side they would not fit
        panel.tick_params(axis="x", rotation=90)
    panel.set(xlabel="predicted label", ylabel="true label")
    return panel


def roc_curve(estimator: Any, X: ArrayLike, y: ArrayLike, *, ax: Axes | None = None) -> Axes:
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
    ax : matplotlib Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib Axes
        Where it was drawn.

    Raises
    ------
    ImportError
        Without matplotlib or scikit-learn.
    TypeError, ValueError
        For something that is no fitted classifier, or several labels a sample.

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
    _check("roc_curve", estimator, y, "predict_proba")
    (panel,) = panels("roc_curve", ax, size=(5.0, 4.6))
    probabilities = np.asarray(estimator.predict_proba(X))
    shown = [1] if len(estimator.classes_) == 2 else range(len(estimator.classes_))
    displays = [
        metrics.RocCurveDisplay.from_predictions(
            np.asarray(y) == estimator.classes_[index],
            probabilities[:, index],
            name=plain(estimator.classes_[index]),
            ax=panel,
            plot_chance_level=index == shown[-1],
        )
        for index in shown
    ]
    for line in panel.lines:
        line.set_linewidth(1.2)
    if len(displays) > _MANY:
        _name_the_worst(displays)
    panel.set(xlabel="false positive rate", ylabel="true positive rate", ylim=(-0.01, 1.02))
    tidy(panel)
    panel.legend(frameon=False, fontsize="small", loc="lower right")
    return panel


def _name_the_worst(displays: list[Any]) -> None:
    """Leave colours and names to the classes that are told apart least; the others are grey."""
    areas = np.array([display.roc_auc for display in displays])
    best_first = np.argsort(-areas, kind="stable")
    for index in best_first[:-_WORST]:
        displays[index].line_.set(color="0.7", linewidth=0.8, label="_nolegend_")
    mean = f"{len(areas) - _WORST} others, mean AUC = {areas[best_first[:-_WORST]].mean():.2f}"
    displays[best_first[0]].line_.set_label(mean)


def calibration_curve(
    estimator: Any, X: ArrayLike, y: ArrayLike, *, bins: int = 10, ax: Axes | None = None
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
    ax : matplotlib Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib Axes
        Where it was drawn.

    Raises
    ------
    ImportError
        Without matplotlib or scikit-learn.
    TypeError, ValueError
        For something that is no fitted classifier, or several labels a sample.

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
    (panel,) = panels("calibration_curve", ax, size=(5.0, 4.6))
    _check("calibration_curve", estimator, y, "predict_proba")
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
