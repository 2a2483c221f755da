"""Metrics beside Keras's, on the same batches, with weights of samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from registry import classes  # noqa: E402
from test_metrics import ROWS, task, value  # noqa: E402

from ganglion import metrics as ours  # noqa: E402

theirs = keras.metrics

# Keras keeps its sums in float32.
TOLERANCE = 2e-6
PAIRS: dict[str, list[tuple[Any, Callable[[], Any], tuple[str, ...]]]] = {
    "accuracy": [],
    "binary_accuracy": [
        (ours.BinaryAccuracy(), theirs.BinaryAccuracy, ("binary", "multilabel")),
        (
            ours.BinaryAccuracy(threshold=0.3),
            lambda: theirs.BinaryAccuracy(threshold=0.3),
            ("binary",),
        ),
    ],
    "categorical_accuracy": [
        (ours.CategoricalAccuracy(), theirs.CategoricalAccuracy, ("one_hot",))
    ],
    "sparse_categorical_accuracy": [
        (ours.SparseCategoricalAccuracy(), theirs.SparseCategoricalAccuracy, ("sparse",))
    ],
    "top_k_categorical_accuracy": [
        (ours.TopKCategoricalAccuracy(2), lambda: theirs.TopKCategoricalAccuracy(2), ("one_hot",))
    ],
    "sparse_top_k_categorical_accuracy": [
        (
            ours.SparseTopKCategoricalAccuracy(2),
            lambda: theirs.SparseTopKCategoricalAccuracy(2),
            ("sparse",),
        )
    ],
    "precision": [
        (ours.Precision(), theirs.Precision, ("binary",)),
        (ours.Precision(average="micro"), theirs.Precision, ("multilabel",)),
        (ours.Precision(class_id=1), lambda: theirs.Precision(class_id=1), ("multilabel",)),
    ],
    "recall": [
        (ours.Recall(threshold=0.4), lambda: theirs.Recall(thresholds=0.4), ("binary",)),
        (ours.Recall(average="micro"), theirs.Recall, ("multilabel",)),
    ],
    "f1_score": [
        (ours.F1Score(average=average), lambda a=average: theirs.F1Score(average=a), ("one_hot",))
        for average in ("macro", "micro", "weighted")
    ],
    "auc": [
        (
            ours.AUC(n, curve, method),
            lambda n=n, c=curve, m=method: theirs.AUC(n, c, m),
            ("binary", "multilabel"),
        )
        for n in (200, 50)
        for curve in ("ROC", "PR")
        for method in ("interpolation", "minoring", "majoring")
    ]
    + [(ours.AUC(multi_label=True), lambda: theirs.AUC(multi_label=True), ("multilabel",))],
    "mean_absolute_error": [(ours.MeanAbsoluteError(), theirs.MeanAbsoluteError, ("regression",))],
    "mean_squared_error": [(ours.MeanSquaredError(), theirs.MeanSquaredError, ("regression",))],
    "root_mean_squared_error": [
        (ours.RootMeanSquaredError(), theirs.RootMeanSquaredError, ("regression",))
    ],
    "r2_score": [
        (ours.R2Score(a), lambda a=a: theirs.R2Score(class_aggregation=a), ("regression",))
        for a in ("uniform_average", "variance_weighted_average")
    ],
}
WITHOUT = {"accuracy": "a name that stands for one of the others, in Keras too"}
CASES = [
    pytest.param(mine, make, name, id=f"{mine!r}-{name}")
    for pairs in PAIRS.values()
    for mine, make, names in pairs
    for name in names
]


def test_everything_has_a_counterpart_or_a_reason() -> None:
    assert set(classes("metric")) == set(PAIRS)
    assert {name for name, pairs in PAIRS.items() if not pairs} == set(WITHOUT)


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize(("mine", "make", "name"), CASES)
def test_metric(mine: Any, make: Callable[[], Any], name: str, weighted: bool) -> None:
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    target, prediction, weight = task(name)
    metric = make()
    for start in range(0, ROWS, 32):
        part = slice(start, start + 32)
        given = {"sample_weight": weight[part].astype("float32")} if weighted else {}
        if weighted and name == "multilabel" and getattr(mine, "class_id", None) is None:
            given["sample_weight"] = np.repeat(given["sample_weight"][:, None], 3, axis=1)
        metric.update_state(
            target[part].astype("float32"), prediction[part].astype("float32"), **given
        )
    expected = float(metric.result())
    far = (
        name == "regression" and mine.registered_name == "r2_score"
    )  # targets near 1000, in float32
    tolerance = 5e-2 if far else TOLERANCE * (100 if name == "regression" else 1)
    assert value(mine, name, weighted=weighted) == pytest.approx(expected, rel=tolerance)
