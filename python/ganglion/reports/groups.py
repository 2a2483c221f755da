"""Metrics of a fitted model, group by group."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import is_classifier
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import (
    check_scoring,
    make_scorer,
    mean_absolute_error,
    root_mean_squared_error,
)
from sklearn.metrics._scorer import _BaseScorer

from ganglion.errors import suggestion, warn
from ganglion.estimators.columns import (
    missing_values,
    names_of,
    select_columns,
    select_rows,
)
from ganglion.frames import is_frame
from ganglion.tables import Table, number, share

Metric = str | Callable[[Any, Any], float]


@dataclass(frozen=True, eq=False)
class GroupReport:
    """What `metrics_by_group` measured. Printed as a table, and shown as one in notebooks.

    Attributes
    ----------
    counts : dict of str to int
        Samples of each group.
    by_group : dict of str to dict of str to float
        Each metric of each group; NaN where a group has too little for it.
    overall : dict of str to float
        Each metric over all samples.
    """

    counts: dict[str, int]
    by_group: dict[str, dict[str, float]]
    overall: dict[str, float]

    @property
    def gap(self) -> dict[str, float]:
        """The largest value of each metric over the groups, less the smallest."""
        gaps = {}
        for name in self.overall:
            values = np.array([metrics[name] for metrics in self.by_group.values()])
            values = values[~np.isnan(values)]
            gaps[name] = float(np.ptp(values)) if len(values) else np.nan
        return gaps

    def _table(self) -> Table:
        total = sum(self.counts.values())
        rows = [
            [group, share(self.counts[group], total), *map(number, metrics.values())]
            for group, metrics in self.by_group.items()
        ]
        rows.append(["all", f"{total:,}", *map(number, self.overall.values())])
        rows.append(["gap", "", *map(number, self.gap.values())])
        header = ["group", "samples", *self.overall]
        return Table(header, rows, right=range(1, len(header)))

    def __str__(self) -> str:
        return self._table().text()

    def _repr_html_(self) -> str:
        return self._table().html()


def metrics_by_group(
    model: Any,
    X: ArrayLike,
    y: ArrayLike,
    groups: ArrayLike | str | Sequence[str],
    *,
    metrics: Sequence[Metric] | Mapping[str, Metric] | None = None,
) -> GroupReport:
    """Measure a fitted model on each group of samples, so that it shows whom it serves worse.

    A gap between small groups may be chance: look at the counts beside it.

    Parameters
    ----------
    model : estimator
        Fitted, or a pipeline that ends in one.
    X : frame or array of shape (n_samples, n_features)
        Samples, best those of a test set.
    y : array_like of shape (n_samples,)
        Their targets.
    groups : array_like of shape (n_samples,), str or list of str
        The group of each sample; or columns of the frame ``X``, where several make a group of each
        combination. A missing value is a group, too.
    metrics : sequence or dict of str and callable, optional
        Names of scikit-learn's scorers, such as ``"roc_auc"``, scorers (of ``make_scorer``), and
        functions of targets and predictions; a dict gives them names. By default for classes
        ``accuracy`` and ``f1_macro``, and, where there are two, the true and the predicted share of
        the second; for numbers the root mean squared, the mean absolute and the mean error.

    Returns
    -------
    GroupReport
        ``print`` it; its attributes have the numbers.

    Raises
    ------
    TypeError
        For a model that is no scikit-learn estimator, such as a network: give the estimator.
    ValueError
        For data of unequal lengths, an unknown column, a list that may be columns as well as
        labels, an unknown metric, or two of one name; and where ``y`` has no label that a
        classifier was fitted on. Where it has some others, there is a warning.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.dummy import DummyRegressor
    >>> from sklearn.metrics import max_error
    >>> from ganglion import metrics_by_group
    >>> X, y = np.zeros((4, 1)), np.array([1.0, 3.0, 4.0, 4.0])
    >>> model = DummyRegressor().fit(X, y)
    >>> print(metrics_by_group(model, X, y, ["a", "a", "b", "b"], metrics={"worst": max_error}))
    group        samples   worst
    ----------------------------
    a       2 of 4 (50%)   2.000
    b       2 of 4 (50%)   1.000
    all                4   2.000
    gap                    1.000
    """
    data = X if hasattr(X, "shape") else np.asarray(X)
    targets = np.asarray(y)
    names, codes = _grouped(data, groups)
    if not data.shape[0] == len(targets) == len(codes):
        raise ValueError(
            f"[metrics_by_group] X, y and groups must be of one length, got {data.shape[0]}, "
            f"{len(targets)} and {len(codes)}"
        )
    chosen = _scorers(model, targets, metrics)
    _check_labels(model, targets)
    # What can't be measured at all is an error; in a group it may be because the group is small.
    overall = _measure(check_scoring(model, chosen), model, data, targets)
    measure = check_scoring(model, chosen, raise_exc=False)
    counts, by_group = {}, {}
    for code in sorted(range(len(names)), key=names.__getitem__):
        rows = np.flatnonzero(codes == code)
        counts[names[code]] = len(rows)
        by_group[names[code]] = _measure(measure, model, select_rows(data, rows), targets[rows])
    return GroupReport(counts, by_group, overall)


def _grouped(X: Any, groups: Any) -> tuple[list[str], NDArray[np.intp]]:
    """Return the names of the groups, and which of them each sample is in, (n,)."""
    if _are_columns(X, groups):
        columns = [groups] if isinstance(groups, str) else groups
        known = list(X.columns)
        given: Any = select_columns(X, [known.index(column) for column in columns])
    elif isinstance(groups, str):
        known = names_of(X) if is_frame(X) else []
        raise ValueError(
            f"[metrics_by_group] groups {groups!r} is no column of X{suggestion(groups, known)}"
        )
    else:
        given = groups if hasattr(groups, "shape") else np.asarray(groups, dtype=object)
    if len(given.shape) == 1:
        given = given.to_frame() if hasattr(given, "to_frame") else np.asarray(given)[:, None]
    values = np.array(given, dtype=object)
    values[missing_values(given)] = None
    numbers: dict[tuple[Any, ...], int] = {}
    codes = [numbers.setdefault(tuple(row), len(numbers)) for row in values]
    return _distinct_names(list(numbers)), np.array(codes, dtype=np.intp)


def _are_columns(X: Any, groups: Any) -> bool:
    """Tell whether groups are columns of a frame, and not a label for each sample."""
    if not is_frame(X):
        return False
    columns = [groups] if isinstance(groups, str) else groups
    if not isinstance(columns, list) or not all(isinstance(one, str) for one in columns):
        return False
    if not columns or len(set(columns)) < len(columns) or not set(columns) <= set(X.columns):
        return False
    if isinstance(groups, list) and len(columns) == len(X):
        raise ValueError(
            f"[metrics_by_group] groups {groups!r} may be columns of X or a label for each of its "
            f"{len(X)} rows: give the columns' values, or the labels as an array"
        )
    return True


def _distinct_names(groups: list[tuple[Any, ...]]) -> list[str]:
    """Return a name for each group; values that look alike are told apart by their ``repr``."""
    names = [", ".join("missing" if v is None else str(v) for v in group) for group in groups]
    return [
        name
        if names.count(name) == 1
        else ", ".join("missing" if v is None else repr(v) for v in group)
        for name, group in zip(names, groups, strict=True)
    ]


def _check_labels(model: Any, y: NDArray[Any]) -> None:
    """Warn of labels that the model cannot predict; raise where it is all of them."""
    if not is_classifier(model) or y.ndim != 1:
        return
    known = set(np.asarray(model.classes_).tolist())
    unknown = [label for label in y.tolist() if label not in known]
    if not unknown:
        return
    message = (
        f"[metrics_by_group] {share(len(unknown), len(y))} labels of y are none of the model's, "
        f"such as {unknown[0]!r}: it was fitted on {np.asarray(model.classes_).tolist()[:5]}"
    )
    if len(unknown) == len(y):
        raise ValueError(message)
    warn(message)


def _scorers(model: Any, y: NDArray[Any], metrics: Any) -> dict[str, Any]:
    if not hasattr(model, "__sklearn_tags__"):
        raise TypeError(
            f"[metrics_by_group] model must be a scikit-learn estimator, got {type(model).__name__}"
        )
    if metrics is None:
        metrics = _default_metrics(model, y)
    elif isinstance(metrics, str) or not isinstance(metrics, (Sequence, Mapping)):
        raise TypeError(f"[metrics_by_group] metrics must be a list or a dict, got {metrics!r}")
    if not isinstance(metrics, Mapping):
        names = [_name(metric) for metric in metrics]
        if len(set(names)) < len(names):
            raise ValueError(
                f"[metrics_by_group] metrics must have names of their own, got {names}: give a dict"
            )
        metrics = dict(zip(names, metrics, strict=True))
    return {name: _scorer(metric) for name, metric in metrics.items()}


def _scorer(metric: Any) -> Any:
    if isinstance(metric, (str, _BaseScorer)):
        return metric
    if not callable(metric):
        raise TypeError(
            f"[metrics_by_group] metrics must hold names, scorers and functions, got {metric!r}"
        )
    return make_scorer(metric)


def _name(metric: Any) -> str:
    if isinstance(metric, str):
        return metric
    if isinstance(metric, _BaseScorer):  # in scikit-learn's way: "neg_" where less is better
        return ("neg_" if metric._sign < 0 else "") + _name(metric._score_func)
    return str(getattr(metric, "__name__", repr(metric)))


def _default_metrics(model: Any, y: NDArray[Any]) -> dict[str, Metric]:
    if not is_classifier(model):
        return {
            "RMSE": root_mean_squared_error,
            "mean absolute error": mean_absolute_error,
            "mean error": lambda y, predicted: np.mean(predicted - y),
        }
    chosen: dict[str, Metric] = {"accuracy": "accuracy", "f1_macro": "f1_macro"}
    if y.ndim == 1 and len(model.classes_) == 2:
        second = model.classes_[1]
        chosen[f"true {second}"] = lambda y, predicted: np.mean(y == second)
        chosen[f"predicted {second}"] = lambda y, predicted: np.mean(predicted == second)
    return chosen


def _measure(measure: Any, model: Any, X: Any, y: Any) -> dict[str, float]:
    """Measure on some samples; NaN where these are too few for a metric."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        scores = measure(model, X, y)
    # Of what could not be measured, scikit-learn gives the text of the error.
    return {
        name: np.nan if isinstance(score, str) else float(score) for name, score in scores.items()
    }
