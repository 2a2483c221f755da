"""Reports on data and on groups say what is so, as text and as HTML."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import accuracy_score, log_loss, make_scorer, recall_score, roc_auc_score
from sklearn.tree import DecisionTreeClassifier

from ganglion import Sequential, inspect_data, metrics_by_group
from ganglion.tables import Table

GENERATOR = np.random.default_rng(0)
CLEAN = GENERATOR.normal(size=(200, 3))


def checks(report):
    return {finding.check for finding in report.findings}


def finding(report, check):
    (found,) = [one for one in report.findings if one.check == check]
    return found


def with_column(column):
    return np.column_stack([CLEAN, column])


def test_nothing_is_found_in_clean_data():
    report = inspect_data(CLEAN, CLEAN @ [1.0, 2.0, 3.0], CLEAN + 1)
    assert report.findings == []
    assert "Nothing that is worth a look." in str(report)
    assert "Nothing" in report._repr_html_()


@pytest.mark.parametrize(
    ("column", "check", "found"),
    [
        (np.where(np.arange(200) < 3, np.nan, CLEAN[:, 0] ** 2), "missing values", "3 of 200"),
        (np.where(np.arange(200) < 2, np.inf, CLEAN[:, 0] ** 2), "infinite values", "2 of 200"),
        (np.full(200, 7.0), "constant columns", "the same everywhere"),
        (np.full(200, np.nan), "constant columns", "the same everywhere"),
        (CLEAN[:, 1], "duplicate columns", "the same as x1"),
        (np.arange(200.0), "identifiers", "counts the rows"),
        (np.where(np.arange(200) == 9, 1e4, CLEAN[:, 0] + 1), "outliers", "1 of 200"),
        (1000 * CLEAN[:, 0], "different scales", "deviations"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_columns(column, check, found):
    one = finding(inspect_data(with_column(column)), check)
    assert found in one.found
    assert "x3" in one.where


def test_columns_of_one_check_share_a_line_where_there_are_many():
    X = np.where(GENERATOR.uniform(size=(200, 20)) < 0.1, np.nan, 1) * GENERATOR.normal(
        size=(200, 20)
    )
    lines = [one for one in inspect_data(X).findings if one.check == "missing values"]
    assert len(lines) == 7
    assert "and 11 more" in lines[-1].where


def test_categories_that_stand_for_others_are_copies():
    name = GENERATOR.choice(["low", "high"], 200)
    number = np.where(name == "low", 3, 9)
    report = inspect_data(np.column_stack([name, number, CLEAN[:, 0]]).astype(object))
    assert finding(report, "duplicate columns").found == "each value goes with one of x0"


def test_categories_seen_once_identify_the_row():
    X = np.array([[f"person {i}" for i in range(50)]], dtype=object).T
    assert "50 of 50" in finding(inspect_data(X), "identifiers").found


def test_rows():
    X = np.vstack([CLEAN, CLEAN[[3, 5]]])
    y = np.append(np.arange(200) % 2, [1, 0])  # row 3 is repeated with its label, row 5 without
    report = inspect_data(X, y, np.vstack([CLEAN[7:8], CLEAN + 1]))
    assert report.rows("duplicate rows").tolist() == [200, 201]
    assert report.rows("contradictions").tolist() == [201]
    assert report.rows("rows of both").tolist() == [0]
    with pytest.raises(ValueError, match="did you mean 'duplicate rows'"):
        report.rows("duplicated rows")


def test_gaps_and_categories_of_the_test_data_alone():
    X = np.array([["a", 1.0], ["b", 2.0], ["a", 3.0]], dtype=object)
    X_test = np.array([["c", 4.0], ["a", None]], dtype=object)
    report = inspect_data(X, X_test=X_test)
    assert finding(report, "unknown categories").found == "1 of 2 (50%) test rows, 1 categories"
    assert finding(report, "missing in the test only").where == "x1"


def test_classes():
    y = np.array(["common"] * 150 + ["rare"] * 45 + ["lost"] * 5)
    report = inspect_data(CLEAN, y, CLEAN + 1, np.where(y == "lost", "new", y))
    assert "always common is right in 75.0%" in finding(report, "class imbalance").found
    assert finding(report, "rare classes").where == "lost"
    assert finding(report, "unknown classes").where == "new"


def test_missing_targets_of_the_test_data_are_no_classes():
    y = np.array(["a", "b"] * 100)
    y_test = np.array(["a", None, float("nan"), "new"], dtype=object)
    report = inspect_data(CLEAN, y, CLEAN[:4] + 1, y_test)
    assert finding(report, "unknown classes").where == "new"


def test_a_frame_without_rows_or_columns_is_named():
    pandas = pytest.importorskip("pandas")
    for frame in (pandas.DataFrame({"a": []}), pandas.DataFrame(index=range(3))):
        with pytest.raises(ValueError, match=r"must have rows and columns, got shape \("):
            inspect_data(frame)


def test_targets_that_are_numbers():
    y = 1e5 + 1e4 * CLEAN[:, 0]
    report = inspect_data(CLEAN, np.minimum(y, np.sort(y)[-20]))
    assert "mean" in finding(report, "target scale").found
    assert "20 of 200 (10%) are exactly the largest" in finding(report, "heaped target").found


def test_few_targets_are_not_heaped_at_their_ends():
    report = inspect_data(CLEAN[:30], CLEAN[:30, 0])
    assert not [row for row in report.findings if row.check == "heaped target"]


def test_missing_targets_are_found_and_the_others_looked_at():
    y = np.where(np.arange(200) < 3, np.nan, 1e6 * CLEAN[:, 0])
    report = inspect_data(CLEAN, y)
    assert report.rows("missing targets").tolist() == [0, 1, 2]
    assert {"missing targets", "target scale"} <= checks(report)
    assert checks(inspect_data(CLEAN, np.full(200, np.nan))) == {"missing targets"}


def test_labels_unlike_those_of_the_neighbours_are_suspected():
    X, y = load_digits(return_X_y=True)
    wrong = np.random.default_rng(0).choice(len(y), 20, replace=False)
    y[wrong] = (y[wrong] + 5) % 10
    suspects = inspect_data(X, y).rows("label noise")
    assert len(np.intersect1d(suspects, wrong)) >= 15
    assert len(suspects) <= 30


def test_targets_unlike_those_of_the_neighbours_are_suspected():
    X = GENERATOR.uniform(-1, 1, size=(500, 2))
    y = X.sum(axis=1)
    y[[10, 20]] += 5
    assert {10, 20} <= set(inspect_data(X, y).rows("label noise").tolist())


def test_large_data_is_sampled_and_says_so():
    y = CLEAN[:, 0]
    report = inspect_data(with_column(CLEAN[:, 1]), y, max_samples=50)
    assert "200 rows (looked at 50, drawn at random)" in str(report)
    assert "duplicate columns" in checks(report)


def test_images_are_made_flat():
    assert "64 columns" in inspect_data(load_digits().images).looked_at


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_are_read_as_they_are(library):
    frames = pytest.importorskip(library)
    X = frames.DataFrame({"age": [1.0, None, 3.0], "sex": ["f", "m", None]})
    report = inspect_data(X, frames.Series([0, 1, 0]), X)
    assert [one.where for one in report.findings if one.check == "missing values"] == ["age", "sex"]
    assert "2 columns, 1 of them categories" in report.looked_at


def test_html_shows_names_and_interprets_nothing():
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame({"<script>": [1, 1, 1], "&": ["<b>", "x", "<b>"]})
    html = inspect_data(X, ["<i>", "y", "<i>"])._repr_html_()
    assert "<script>" not in html and "&lt;script&gt;" in html
    model = DecisionTreeClassifier().fit([[0], [1], [2]], [0, 1, 1])
    html = metrics_by_group(model, [[0], [1], [2]], [0, 1, 1], ["<b>", "a", "a"])._repr_html_()
    assert "<b>" not in html and "&lt;b&gt;" in html


def test_tables_are_aligned():
    table = Table(["a", "long name"], [["wide cell", "1"], ["b", "22"]], right=[1])
    assert table.text().splitlines()[2:] == ["wide cell           1", "b                  22"]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((CLEAN, np.zeros(3)), ValueError, r"y must have a target for each of the 200 rows"),
        ((CLEAN, None, CLEAN[:, :2]), ValueError, "X_test must have the 3 columns of X, got 2"),
        ((np.zeros((0, 3)),), ValueError, "minimum of 1"),
    ],
)
def test_data_that_does_not_fit_is_named(arguments, error, message):
    with pytest.raises(error, match=message):
        inspect_data(*arguments)


def dates(kind):
    days = np.arange(200).astype("M8[D]")
    return {"date": days, "list": days.tolist(), "duration": days - days[0]}[kind]


@pytest.mark.parametrize("kind", ["date", "list", "duration"])
@pytest.mark.parametrize("library", ["numpy", "pandas"])
def test_dates_are_named_wherever_they_stand(kind, library):
    values, frame = dates(kind), np.column_stack
    if library == "pandas":
        pandas = pytest.importorskip("pandas")
        values, frame = pandas.Series(values), lambda columns: pandas.concat(columns, axis=1)
    with pytest.raises(TypeError, match=r"column '.*' must hold .*, got .*days since"):
        inspect_data(frame([values, values]))
    for name, arguments in (("y", (values,)), ("y_test", (CLEAN[:, 0], CLEAN, values))):
        with pytest.raises(TypeError, match=rf"\] {name} must hold .*, got .*days since"):
            inspect_data(CLEAN, *arguments)


@pytest.mark.parametrize("cells", [[[1], [2, 3]], [[1], [2]], [{"a": 1}, {}]], ids=str)
def test_cells_of_several_values_are_named(cells):
    column = np.empty(200, dtype=object)
    column[:] = cells * 100
    kind = type(cells[0]).__name__
    with pytest.raises(TypeError, match=f"column 'x1' must hold numbers or categories, got {kind}"):
        inspect_data(np.column_stack([CLEAN[:, 0].astype(object), column]))
    with pytest.raises(TypeError, match=f"y must hold numbers or categories, got {kind}"):
        inspect_data(CLEAN, column)
    if kind == "list" and cells[1] == [2, 3]:
        with pytest.raises(TypeError, match="y must hold numbers or categories, got list"):
            inspect_data(CLEAN, cells * 100)


@pytest.mark.parametrize("other", [np.inf, -np.inf, 1e300])
def test_infinite_targets_are_found_and_the_others_looked_at(other):
    y = np.where(CLEAN[:, 0] > 0, 1000.0, 1.0) + CLEAN[:, 1]
    y[[3, 7]] = other
    y[5] = np.nan
    report = inspect_data(CLEAN, y)
    assert report.rows("infinite targets").tolist() == [3, 7]
    assert report.rows("missing targets").tolist() == [5]
    assert "nan" not in finding(report, "target scale").found


def test_targets_of_several_types_are_found_and_told_apart():
    y = np.array(["yes", 1, 2.5, None] * 50, dtype=object)
    y_test = np.array(["yes", 1, "no", None] * 50, dtype=object)
    report = inspect_data(CLEAN, y, CLEAN + 1, y_test)
    assert finding(report, "mixed targets").found == "values of float, int, str"
    assert finding(report, "missing targets").found == "50 of 200 (25%)"
    assert finding(report, "unknown classes").where == "no"


@pytest.mark.parametrize("kind", ["object", "Decimal", "Int64", "string"])
def test_targets_are_what_they_are_whatever_holds_them(kind):
    pandas = pytest.importorskip("pandas")
    numbers = np.arange(200) % 2
    expected = inspect_data(CLEAN, numbers)
    held = {
        "object": numbers.astype(object),
        "Decimal": np.array([Decimal(int(value)) for value in numbers]),
        "Int64": pandas.Series(numbers, dtype="Int64"),
        "string": pandas.Series(np.where(numbers, "b", "a"), dtype="string"),
    }[kind]
    assert checks(inspect_data(CLEAN, held)) == checks(expected)
    if isinstance(held, pandas.Series):
        held[3] = None
        assert checks(inspect_data(CLEAN, held)) == checks(expected) | {"missing targets"}


@pytest.mark.parametrize("settings", [{"max_samples": 0}, {"random_state": -1}], ids=str)
def test_settings_out_of_range_are_named(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        inspect_data(CLEAN, **settings)


# Metrics by group.


@pytest.fixture(scope="module")
def biased():
    """A model that is right for one group, and always says yes for the other."""
    groups = np.repeat(["a", "b"], 50)
    y = np.tile([0, 1], 50)
    X = np.where(groups == "a", y, 1)[:, np.newaxis]
    model = DecisionTreeClassifier().fit([[0], [1]], [0, 1])
    return model, X, y, groups


def test_a_bias_shows(biased):
    report = metrics_by_group(*biased)
    assert report.counts == {"a": 50, "b": 50}
    assert report.by_group["a"]["accuracy"] == 1
    assert report.by_group["b"]["accuracy"] == 0.5
    assert report.overall["accuracy"] == 0.75
    assert report.gap["accuracy"] == 0.5
    assert report.by_group["b"]["predicted 1"] == 1
    assert report.by_group["b"]["true 1"] == 0.5
    assert [line.split()[0] for line in str(report).splitlines()[2:]] == ["a", "b", "all", "gap"]


@pytest.mark.parametrize(
    "metrics",
    [
        ["recall"],
        [recall_score],
        [make_scorer(recall_score)],
        {"recall": "recall"},
        {"recall": recall_score},
        {"recall": make_scorer(recall_score)},
    ],
    ids=["name", "function", "scorer", "named name", "named function", "named scorer"],
)
def test_metrics_are_scorers_or_functions(biased, metrics):
    ((name, value),) = metrics_by_group(*biased, metrics=metrics).by_group["b"].items()
    assert (name.removesuffix("_score"), value) == ("recall", 1)


def test_scorers_see_probabilities_and_keep_their_sign():
    X = np.linspace(0, 1, 40)[:, np.newaxis]
    y = (X[:, 0] > 0.4).astype(int)
    model = LogisticRegression().fit(X, y)
    by_probability = {"response_method": "predict_proba"}
    scorers = [
        make_scorer(roc_auc_score, **by_probability),
        make_scorer(log_loss, greater_is_better=False, **by_probability),
    ]
    names = ["roc_auc", "neg_log_loss"]
    groups = np.arange(40) % 2
    report = metrics_by_group(model, X, y, groups, metrics=scorers)
    by_name = metrics_by_group(model, X, y, groups, metrics=names)
    assert list(report.overall) == ["roc_auc_score", "neg_log_loss"]
    for group, scores in report.by_group.items():
        assert list(scores.values()) == list(by_name.by_group[group].values())
    assert report.overall["neg_log_loss"] == -log_loss(y, model.predict_proba(X))


def test_a_metric_that_a_group_is_too_small_for_is_a_dash(biased):
    model, X, y, groups = biased
    report = metrics_by_group(model, X, y, np.where(y == 1, "ones", groups), metrics=["roc_auc"])
    assert np.isnan(report.by_group["ones"]["roc_auc"])
    assert str(report).splitlines()[-3].split()[-1] == "-"


def test_columns_of_a_frame_make_groups():
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame({"sex": ["f", "m", "m", None], "old": [True, False, True, False]})
    y = np.arange(4.0)
    model = DummyRegressor().fit(X, y)
    assert metrics_by_group(model, X, y, "sex").counts == {"f": 1, "m": 2, "missing": 1}
    both = metrics_by_group(model, X, y, ["sex", "old"], metrics=["neg_max_error"])
    assert list(both.counts) == ["f, True", "m, False", "m, True", "missing, False"]
    assert metrics_by_group(model, X, y, X["sex"]).counts == {"f": 1, "m": 2, "missing": 1}
    with pytest.raises(ValueError, match="groups 'sexx' is no column of X; did you mean 'sex'"):
        metrics_by_group(model, X, y, "sexx")


def test_labels_named_like_columns_are_labels():
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame({"m": [1, 0, 0], "f": [0, 1, 1], 0: [1, 2, 3]})
    model, y = DummyRegressor().fit(np.zeros((3, 1)), np.zeros(3)), np.arange(3.0)
    assert metrics_by_group(model, X, y, ["m", "f", "f"]).counts == {"f": 2, "m": 1}
    assert metrics_by_group(model, X, y, [0, 0, 0]).counts == {"0": 3}
    with pytest.raises(ValueError, match="columns of X or a label for each of its 2 rows"):
        metrics_by_group(model, X[:2], y[:2], ["m", "f"])


def test_groups_that_look_alike_are_told_apart():
    model, y = DummyRegressor().fit(np.zeros((4, 1)), np.zeros(4)), np.arange(4.0)
    report = metrics_by_group(model, np.zeros((4, 1)), y, [1, "1", None, "missing"])
    assert report.counts == {"'1'": 1, "'missing'": 1, "1": 1, "missing": 1}


def test_groups_of_polars():
    polars = pytest.importorskip("polars")
    X = polars.DataFrame({"g": ["a", None, "a"], "x": [1.0, 2.0, 3.0]})
    model, y = DummyRegressor().fit(np.zeros((3, 1)), np.zeros(3)), np.arange(3.0)
    for groups in ("g", ["g"], X["g"]):
        assert metrics_by_group(model, X, y, groups).counts == {"a": 2, "missing": 1}


def test_numbers_have_metrics_of_their_own():
    X = np.arange(4.0)[:, np.newaxis]
    model = LinearRegression().fit(X, X[:, 0])
    report = metrics_by_group(model, X, X[:, 0] - [0, 0, 1, 1], [1, 1, 2, 2])
    assert report.by_group["2"]["mean error"] == pytest.approx(1)
    assert set(report.overall) == {"RMSE", "mean absolute error", "mean error"}


@pytest.mark.parametrize(
    ("model", "groups", "metrics", "error", "message"),
    [
        (None, ["a"], None, ValueError, "one length, got 100, 100 and 1"),
        (None, None, "accuracy", TypeError, "metrics must be a list or a dict, got 'accuracy'"),
        (None, None, ["accuracyy"], ValueError, "accuracyy"),
        (None, None, [3], TypeError, "must hold names, scorers and functions, got 3"),
        (None, None, [max, max], ValueError, r"names of their own, got \['max', 'max'\]"),
        (Sequential(), None, [accuracy_score], TypeError, "estimator, got Sequential"),
    ],
)
def test_a_mistake_is_named(biased, model, groups, metrics, error, message):
    fitted, X, y, known = biased
    with pytest.raises(error, match=message):
        metrics_by_group(model or fitted, X, y, groups or known, metrics=metrics)


@pytest.mark.parametrize("y", [np.ones(200), ["a"] * 200, np.zeros((200, 1))])
def test_a_target_of_one_value_is_found(y):
    X = np.random.default_rng(0).normal(size=(200, 3))
    assert "constant target" in checks(inspect_data(X, y))


@pytest.mark.parametrize(
    ("X", "where"),
    [
        (np.random.default_rng(0).normal(size=(100, 3)) * 1e6, "3 columns"),
        (np.random.default_rng(0).normal(size=(100, 1)) * 1e-6, "x0"),
        (np.random.default_rng(0).integers(0, 256, (100, 4, 4)).astype(np.uint8), "16 columns"),
    ],
)
def test_inputs_all_far_from_one_are_found(X, where):
    report = inspect_data(X)
    assert finding(report, "scale of inputs").where == where
    assert "different scales" not in checks(report)


def test_labels_that_the_model_does_not_know():
    X = np.random.default_rng(0).normal(size=(100, 2))
    y = np.where(X[:, 0] > 0, ">50K", "<=50K")
    model, groups = LogisticRegression().fit(X, y), np.where(X[:, 1] > 0, "p", "n")
    dotted = np.array([f"{label}." for label in y])
    with pytest.raises(ValueError, match=r"100 of 100 .* none of the model's, such as '.*50K\.'"):
        metrics_by_group(model, X, dotted, groups)
    dotted[1:] = y[1:]
    with pytest.warns(UserWarning, match="1 of 100") as caught:
        metrics_by_group(model, X, dotted, groups)
    assert caught[0].filename == __file__
