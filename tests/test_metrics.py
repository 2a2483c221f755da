"""Metrics: against scikit-learn or a formula, over several batches, with weights of samples."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from registry import classes, examples
from traced import Traced

from ganglion import Sequential, layers, losses, metrics

sklearn_metrics = pytest.importorskip("sklearn.metrics")

Array = np.ndarray
ROWS = 240
# name -> loss, number of outputs, and whether targets are class numbers
TASKS: dict[str, tuple[Any, int, bool]] = {
    "binary": (losses.BinaryCrossentropy(), 1, False),
    "multilabel": (losses.BinaryCrossentropy(), 3, False),
    "sparse": (losses.SparseCategoricalCrossentropy(), 4, True),
    "one_hot": (losses.CategoricalCrossentropy(), 4, False),
    "regression": (losses.MeanSquaredError(), 2, False),
}


def task(name: str, seed: int = 0) -> tuple[Array, Array, Array]:
    """Targets, predictions at half steps between the thresholds of an AUC, and weights."""
    draw = np.random.default_rng(seed)
    _, outputs, sparse = TASKS[name]
    if name == "regression":
        target = draw.normal(1000.0, 2.0, size=(ROWS, outputs))
        return target, target + draw.normal(size=target.shape), draw.uniform(0.1, 2.0, ROWS)
    if sparse or name == "one_hot":
        labels = draw.integers(0, outputs, ROWS)
        prediction = np.stack([draw.permutation(198)[:outputs] for _ in range(ROWS)])
        for row, label in enumerate(labels[: ROWS // 2]):  # half of the rows are right
            best = prediction[row].argmax()
            prediction[row, [label, best]] = prediction[row, [best, label]]
        prediction = (prediction + 0.5) / 199
        target = labels.astype(float) if sparse else np.eye(outputs)[labels]
        return target, prediction, draw.uniform(0.1, 2.0, ROWS)
    target = draw.integers(0, 2, (ROWS, outputs)).astype(float)
    steps = np.clip(draw.normal(80 + 40 * target, 40), 0, 198).astype(int)
    return target, (steps + 0.5) / 199, draw.uniform(0.1, 2.0, ROWS)


def value(metric: Any, name: str, *, weighted: bool = False, dtype: str = "float64") -> float:
    """The metric over batches of 32, the last one partial."""
    loss = TASKS[name][0]
    target, prediction, weight = task(name)
    prepared = metric.for_loss(loss)
    shape = (None, *prediction.shape[1:])
    shapes = [loss.target_shape(shape), shape] + ([(None,)] if weighted else [])

    def update(y: Any, p: Any, w: Any = None) -> Any:
        return prepared.update(y, p, w)

    traced = Traced(update, shapes, dtype=dtype)
    total: Any = 0.0
    for start in range(0, ROWS, 32):
        part = slice(start, start + 32)
        arrays = [target[part], prediction[part]] + ([weight[part]] if weighted else [])
        total = total + traced.run(*arrays)[0].astype(np.float64)
    return float(prepared.result(total))


def labels_of(target: Array) -> Array:
    return target.argmax(axis=-1) if target.ndim > 1 else target


def decided(name: str) -> tuple[Array, Array]:
    target, prediction, _ = task(name)
    if name in ("binary", "multilabel"):
        return target, (prediction > 0.5).astype(float)
    return labels_of(target), prediction.argmax(axis=-1).astype(float)


def accuracy(s: Any, name: str, weight: Array) -> float:
    actual, predicted = decided(name)
    right = (actual == predicted).reshape(ROWS, -1).mean(axis=1)
    return float(np.average(right, weights=weight))


def scored(function: Callable[..., float]) -> Callable[[Any, str, Array], float]:
    def score(s: Any, name: str, weight: Array) -> float:
        actual, predicted = decided(name)
        average = "binary" if name == "binary" else s.average
        return float(
            function(actual, predicted, average=average, sample_weight=weight, zero_division=0)
        )

    return score


def area(s: Any, name: str, weight: Array) -> float:
    """Exact, since all predictions lie in the middle between two thresholds."""
    target, prediction, _ = task(name)
    if target.ndim == 1:
        target = np.eye(prediction.shape[1])[target.astype(int)]
    weights = np.repeat(weight, prediction.shape[1])
    return float(
        sklearn_metrics.roc_auc_score(target.ravel(), prediction.ravel(), sample_weight=weights)
    )


def r2(s: Any, name: str, weight: Array) -> float:
    target, prediction, _ = task(name)
    average = "uniform_average" if s.class_aggregation == "uniform_average" else "variance_weighted"
    score = sklearn_metrics.r2_score(target, prediction, sample_weight=weight, multioutput=average)
    if s.num_regressors:
        score = 1 - (1 - score) * (weight.sum() - 1) / (weight.sum() - s.num_regressors - 1)
    return float(score)


def squared(name: str, weight: Array) -> float:
    target, prediction, _ = task(name)
    return float(np.average(((target - prediction) ** 2).mean(axis=1), weights=weight))


def top_k(s: Any, name: str, weight: Array) -> float:
    target, prediction, _ = task(name)
    return float(
        sklearn_metrics.top_k_accuracy_score(
            labels_of(target), prediction, k=s.k, sample_weight=weight, labels=np.arange(4)
        )
    )


CLASSES = ("sparse", "one_hot")
EVERY = ("binary", "multilabel", "sparse", "one_hot")
JUDGES: dict[str, tuple[Callable[[Any, str, Array], float], tuple[str, ...]]] = {
    "accuracy": (accuracy, EVERY),
    "binary_accuracy": (accuracy, ("binary", "multilabel")),
    "categorical_accuracy": (accuracy, CLASSES),
    "sparse_categorical_accuracy": (accuracy, CLASSES),
    "top_k_categorical_accuracy": (top_k, CLASSES),
    "sparse_top_k_categorical_accuracy": (top_k, CLASSES),
    "precision": (scored(sklearn_metrics.precision_score), EVERY),
    "recall": (scored(sklearn_metrics.recall_score), EVERY),
    "f1_score": (scored(sklearn_metrics.f1_score), EVERY),
    "auc": (area, EVERY),
    "mean_absolute_error": (
        lambda s, name, weight: float(
            np.average(np.abs(task(name)[0] - task(name)[1]).mean(axis=1), weights=weight)
        ),
        ("regression",),
    ),
    "mean_squared_error": (lambda s, name, weight: squared(name, weight), ("regression",)),
    "root_mean_squared_error": (
        lambda s, name, weight: float(np.sqrt(squared(name, weight))),
        ("regression",),
    ),
    "r2_score": (r2, ("regression",)),
}


def test_every_metric_has_a_judge() -> None:
    assert set(classes("metric")) == set(JUDGES)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("metric", examples("metric"))
def test_metric_agrees_with_its_judge(metric: Any, weighted: bool, dtype: str) -> None:
    judge, tasks = JUDGES[metric.registered_name]
    for name in tasks:
        if metric.registered_name == "auc":
            metric = copy.copy(metric)
            # What the judge computes; Keras judges the others, in tests/parity.
            metric.curve, metric.summation_method, metric.multi_label = (
                "ROC",
                "interpolation",
                False,
            )
            metric.num_thresholds = 200
        weight = task(name)[2] if weighted else np.ones(ROWS)
        tolerance = 1e-4 if dtype == "float32" else 1e-10
        expected = judge(metric, name, weight)
        got = value(metric, name, weighted=weighted, dtype=dtype)
        assert got == pytest.approx(expected, rel=tolerance), name


@pytest.mark.parametrize("metric", examples("metric"))
def test_metric_runs_in_training_and_evaluation(metric: Any) -> None:
    name = JUDGES[metric.registered_name][1][0]
    loss, outputs, _ = TASKS[name]
    target, _, _ = task(name)
    activation = {"binary": "sigmoid", "regression": None}.get(name, "softmax")
    if name == "multilabel":
        activation = "sigmoid"
    net = Sequential(
        [layers.Dense(outputs, activation=activation)], loss=loss, metrics=[metric], random_state=0
    )
    x = np.random.default_rng(0).normal(size=(ROWS, 3))
    net.fit(x, target, epochs=2, batch_size=50, validation_split=0.25, verbose=0)
    key = metric.label
    assert len(net.history_[key]) == len(net.history_[f"val_{key}"]) == 2
    held = net.evaluate(x[180:], target[180:])
    assert held[key] == pytest.approx(net.history_[f"val_{key}"][-1], rel=1e-5)


def test_a_name_becomes_the_key() -> None:
    assert metrics.get("mae").label == "mae"
    assert metrics.get("accuracy").label == "accuracy"
    assert metrics.MeanSquaredError(name="error").label == "error"


def test_scores_without_any_positive_are_zero_not_nan() -> None:
    loss = losses.BinaryCrossentropy()
    for cls in (metrics.Precision, metrics.Recall, metrics.F1Score):
        metric = cls().for_loss(loss)
        traced = Traced(lambda y, p, m=metric: m.update(y, p, None), [(None, 1), (None, 1)])
        sums = traced.run(np.zeros((5, 1)), np.zeros((5, 1)))[0]
        assert metric.result(sums) == 0.0


def test_r2_of_targets_far_from_zero_keeps_its_digits_in_float32() -> None:
    assert value(metrics.R2Score(), "regression", dtype="float32") == pytest.approx(
        value(metrics.R2Score(), "regression"), rel=1e-3
    )
