"""Pictures: what is drawn, not how it looks."""

from __future__ import annotations

import itertools
import pickle
import sys
from collections import namedtuple
from types import SimpleNamespace

import numpy as np
import pytest
from registry import classes
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from small_networks import X, Y, classifier

from ganglion import (
    MLPClassifier,
    Model,
    NeuralClassifier,
    NotFittedError,
    Sequential,
    activations,
    layers,
    ops,
    plot,
)
from ganglion.callbacks import GradualUnfreezing, LambdaCallback, LayerRecorder
from ganglion.plot.layering import Place, arrange, join

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def no_figure_stays():
    yield
    matplotlib.pyplot.close("all")


def legend(axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


def labels(history: dict[str, list[float]]) -> list[str]:
    (axes,) = plot.learning_curves(history, ["loss"])
    return legend(axes)


def test_the_best_epoch_is_marked():
    assert (
        labels({"loss": [3.0, 2.0, 1.0], "val_loss": [3.0, 1.0, 2.0]})[-1]
        == "best loss: epoch 2, here 1"
    )


def test_epochs_without_validation_are_not_the_best():
    history = {"loss": [3.0, 2.0, 1.0], "val_loss": [np.nan, 2.0, 1.5]}
    assert labels(history)[-1] == "best loss: epoch 3, here 1.5"
    assert labels({"loss": [3.0], "val_loss": [np.nan]}) == ["training", "validation"]


def test_pictures_go_where_they_are_sent():
    figure, axes = matplotlib.pyplot.subplots(1, 2)
    drawn = plot.learning_curves({"loss": [1.0], "mae": [1.0]}, ax=axes)
    assert drawn == list(axes)
    assert plot.network(classifier().fit(X, Y), ax=axes[0]) is axes[0]
    with pytest.raises(ValueError, match=r"\[learning_curves\] needs 1 axes, got 2"):
        plot.learning_curves({"loss": [1.0]}, ax=axes)


def test_live_curves_show_the_whole_training_in_one_figure():
    live = plot.LiveCurves(["loss"], every=0)
    figures = []
    watch = spy(lambda: figures.append(live.axes[0].figure))
    net = classifier().fit(X, Y, epochs=4, validation_split=0.2, callbacks=[live, watch])
    assert len(figures) == 4
    assert set(figures) == {live.axes[0].figure}
    training, validation = live.axes[0].lines[:2]
    np.testing.assert_array_equal(training.get_ydata(), net.history_["loss"])
    np.testing.assert_array_equal(validation.get_ydata(), net.history_["val_loss"])


def test_live_curves_are_drawn_at_most_so_often(monkeypatch):
    live = plot.LiveCurves(every=3600)
    drawings = []
    draw = plot.LiveCurves._draw
    monkeypatch.setattr(plot.LiveCurves, "_draw", lambda self: [drawings.append(1), draw(self)])
    classifier().fit(X, Y, epochs=5, callbacks=[live])
    assert len(drawings) == 2  # the first epoch and the last
    classifier().fit(X, Y, epochs=2, callbacks=[live])  # anew
    assert len(live.axes[0].lines[0].get_ydata()) == 2


def test_a_copy_of_live_curves_has_a_picture_of_its_own():
    live = plot.LiveCurves()
    model = NeuralClassifier([4], epochs=2, callbacks=[live]).fit(X, Y)
    pickle.loads(pickle.dumps(model))
    copied = clone(model).fit(X, Y).callbacks[0]
    assert copied.axes[0].figure is not live.axes[0].figure


def test_live_curves_update_one_picture_of_a_notebook(monkeypatch):
    shown = []

    class Handle:
        def update(self, image):
            shown.append(("update", image.data))

    def display(image, display_id):
        shown.append(("display", image.data))
        return Handle()

    image = namedtuple("Image", "data")
    monkeypatch.setitem(
        sys.modules, "IPython.display", SimpleNamespace(Image=image, display=display)
    )
    shell = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=object()))
    monkeypatch.setitem(sys.modules, "IPython", shell)
    classifier().fit(X, Y, epochs=3, verbose=0, callbacks=[plot.LiveCurves(every=0)])
    assert [how for how, _ in shown] == ["display", "update", "update", "update"]
    assert all(data.startswith(b"\x89PNG") for _, data in shown)
    assert not matplotlib.pyplot.get_fignums()  # or the cell would end with a second picture


def spy(function):
    return LambdaCallback(on_epoch_end=lambda epoch, logs: function())


def test_all_activations_are_drawn_with_the_derivatives_of_the_core():
    drawn = plot.activations()
    assert [panel.get_title() for panel in drawn] == list(classes("activation"))
    for panel in drawn:
        function, derivative = panel.lines[1:3]
        x, y = function.get_xdata(), function.get_ydata()
        slope = np.gradient(y, x)
        smooth = np.abs(np.diff(slope, prepend=slope[0], append=slope[-1])).max() < 0.05
        if smooth:  # no corner that central differences round off
            np.testing.assert_allclose(derivative.get_ydata()[1:-1], slope[1:-1], atol=0.02)


def test_an_activation_can_be_an_instance_a_function_or_none():
    drawn = plot.activations([activations.ELU(0.5), ops.square, None], low=-1, high=2)
    assert drawn[0].get_title() == "ELU(alpha=0.5)"
    np.testing.assert_allclose(drawn[1].lines[1].get_ydata()[[0, -1]], [1, 4])
    np.testing.assert_array_equal(drawn[2].lines[2].get_ydata(), 1.0)


def test_an_activation_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="unknown name 'rellu'; did you mean 'relu'?"):
        plot.activations(["rellu"])
    with pytest.raises(
        ValueError, match=r"\[activations\] low must be less than high, got 1 and 1"
    ):
        plot.activations(low=1, high=1)


def texts(axes) -> list[str]:
    return [text.get_text() for text in axes.texts if text.get_text()]


def test_the_diagram_shows_layers_shapes_and_what_stands_within():
    net = Sequential(
        [
            layers.Input((4,)),
            layers.Branches([[layers.Dense(3, activation="relu")], []], name="two"),
            layers.Residual([layers.Dense(5)], shortcut=[layers.Dense(5)]),
            layers.Activation(ops.square),
        ]
    )
    shown = texts(plot.network(net))
    assert shown.count("(None, 4)") == 1
    assert shown.count("(None, 3)") == 1
    assert shown.count("(None, 7)") == 1
    assert shown.count("(None, 5)") == 3
    for text in (
        "Dense, relu", "two/dense, 15 params", "two (Branches)", "concat", "+",
        "residual (Residual)", "residual/dense, 40 params", "residual/dense_1, 40 params",
        "Activation, function",
    ):  # fmt: skip
        assert text in shown


@pytest.mark.parametrize("branches", [1, 2, 3, 4])
def test_the_parts_of_a_diagram_do_not_overlap(branches):
    inner = [
        [layers.Residual([layers.Dense(2)])] + [layers.Dense(2) for _ in range(i)]
        for i in range(branches)
    ]
    net = Sequential([layers.Input((2,)), layers.Branches(inner), layers.Dense(1)])
    axes = plot.network(net)
    boxes = [
        patch.get_window_extent()
        for patch in axes.patches
        if isinstance(patch, matplotlib.patches.FancyBboxPatch)
    ]
    assert len(boxes) == sum(len(chain) for chain in inner) + 2
    for index, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:index])
        assert axes.get_window_extent().fully_contains(*box.min)
        assert axes.get_window_extent().fully_contains(*box.max)


def graph_of_everything():
    """Two inputs, three outputs, a layer used twice, skips, operations, and states passed on."""
    a, b = layers.Input((4,), name="a"), layers.Input((6, 3), name="b")
    shared = layers.Dense(5, activation="relu", name="shared")
    left, right = shared(a), shared(layers.Dense(4)(layers.Flatten()(b)))
    _, *states = layers.LSTM(5, return_state=True)(b)
    read = layers.LSTM(5)(b, initial_state=[states[1], layers.Residual([layers.Dense(5)])(left)])
    joined = layers.Concatenate()([left, right, layers.Multiply()([left, right]), read])
    heads = {"size": layers.Dense(1)(joined), "kind": layers.Dense(3)(joined - 0.5), "less": 1 - a}
    return Model([a, b], heads)


def test_the_diagram_of_a_graph_shows_inputs_heads_operations_and_shared_layers():
    axes = plot.network(graph_of_everything())
    shown = texts(axes)
    for text in (
        "a", "b", "size", "kind", "less", "− 0.5", "1 −", "shared, 25 params",
        "shared, same weights", "residual (Residual)", "(None, 18)", "(None, 6, 3)",
    ):  # fmt: skip
        assert shown.count(text) == 1
    heights = {text.get_text(): text.get_position()[1] for text in axes.texts}
    assert heights["a"] == heights["b"] == max(heights[text] for text in shown if text != "Input")
    assert heights["size"] == heights["kind"] == heights["less"] == min(heights.values())


def test_the_boxes_of_a_graph_do_not_overlap_and_stand_within():
    axes = plot.network(graph_of_everything())
    axes.figure.canvas.draw()
    boxes = [
        patch.get_window_extent()
        for patch in axes.patches
        if isinstance(patch, matplotlib.patches.FancyBboxPatch)
    ]
    assert len(boxes) == 15
    for index, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:index])
        assert axes.get_window_extent().fully_contains(*box.min)
        assert axes.get_window_extent().fully_contains(*box.max)


def test_places_are_ordered_so_that_arrows_do_not_cross():
    upper, lower = ([Place(1.0, rank) for _ in range(4)] for rank in (0, 1))
    for place, other in zip(upper, reversed(lower), strict=True):
        join(place, other)
    first, second = arrange([*upper, *lower], gap=0.5)
    assert [place.below[0] for place in first] == second
    for place in first:  # straight, and apart
        assert place.x == pytest.approx(place.below[0].x)
    for rank in (first, second):
        assert all(b.x - a.x >= 1.5 - 1e-9 for a, b in zip(rank, rank[1:], strict=False))


def test_what_has_no_diagram_is_named():
    with pytest.raises(NotFittedError, match=r"\[network\]"):
        plot.network(classifier())
    with pytest.raises(
        TypeError, match=r"\[network\] model must be a Sequential, a Model, .* got list"
    ):
        plot.network([layers.Dense(1)])


@pytest.fixture(scope="module")
def models():
    """Classifiers of two classes and of three, with what they were trained on."""
    two = NeuralClassifier([8], epochs=3, random_state=0).fit(X, np.where(Y, "yes", "no"))
    bands = np.digitize(X[:, 0], [-0.5, 0.5])
    three = NeuralClassifier([8], epochs=3, random_state=0).fit(X, bands)
    return (two, np.where(Y, "yes", "no")), (three, bands)


def test_confusion_matrix_counts(models):
    from sklearn.metrics import confusion_matrix

    model, y = models[1]
    axes = plot.confusion_matrix(model, X, y)
    np.testing.assert_array_equal(axes.images[0].get_array(), confusion_matrix(y, model.predict(X)))


def test_roc_curves_are_one_for_two_classes_and_one_each_for_more(models):
    (two, answers), (three, bands) = models
    assert [text.split(" ")[0] for text in legend(plot.roc_curve(two, X, answers))] == [
        "yes",
        "Chance",
    ]
    assert [text.split(" ")[0] for text in legend(plot.roc_curve(three, X, bands))] == [
        "0",
        "1",
        "2",
        "Chance",
    ]


def test_calibration_is_of_the_second_class_or_of_the_one_predicted(models):
    (two, answers), (three, bands) = models
    axes = plot.calibration_curve(two, X, answers, bins=4)
    assert axes.get_xlabel() == "predicted probability of yes"
    assert len(axes.lines[1].get_xdata()) == 4
    axes = plot.calibration_curve(three, X, bands, bins=1)
    right = np.mean(three.predict(X) == bands)
    np.testing.assert_allclose(axes.lines[1].get_ydata(), right)
    np.testing.assert_allclose(
        axes.lines[1].get_xdata(), three.predict_proba(X).max(axis=1).mean(), rtol=1e-5
    )


def test_weights_that_were_frozen_at_first_are_drawn_from_then_on():
    recorder = LayerRecorder(X, Y)
    net = classifier()
    net.build((None, 6))
    net.freeze()
    net.fit(X, Y, epochs=3, callbacks=[GradualUnfreezing(every=2), recorder])
    late, throughout = plot.weight_histograms(recorder, ["dense/kernel", "dense_1/kernel"])
    assert [text.get_text() for text in late.get_yticklabels()] == ["3"]
    assert [text.get_text() for text in throughout.get_yticklabels()] == ["3", "2", "1", "0"]


def test_dollars_in_names_are_no_formula():
    names = np.where(Y, "$\\foo$", "$10 to $20")
    model = NeuralClassifier([4], epochs=1, random_state=0).fit(X, names)
    net = Sequential([layers.Input((4,)), layers.Dense(1, name="$\\frac$")])
    for axes in (
        plot.confusion_matrix(model, X, names),
        plot.roc_curve(model, X, names),
        plot.calibration_curve(model, X, names),
        plot.learning_curves({"$\\foo$": [1.0, 2.0]})[0],
        plot.network(net),
    ):
        axes.figure.canvas.draw()


def test_nothing_to_draw_is_named():
    for place, draw in (
        ("learning_curves", lambda: plot.learning_curves({"loss": [1.0]}, [])),
        ("activations", lambda: plot.activations([])),
    ):
        with pytest.raises(ValueError, match=rf"\[{place}\] there is nothing to draw"):
            draw()


def test_prelu_is_drawn_with_a_slope():
    (panel,) = plot.activations(["prelu"])
    x, y = panel.lines[1].get_data()
    np.testing.assert_allclose(y[x < 0], 0.25 * x[x < 0])


def test_pyplot_does_not_know_the_figure_of_live_curves():
    live = plot.LiveCurves()
    classifier().fit(X, Y, epochs=2, callbacks=[live])
    assert not matplotlib.pyplot.get_fignums()
    live.axes[0].figure.canvas.draw()


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_fit_that_fails_leaves_its_live_curves_and_no_figure(error):
    live, epochs = plot.LiveCurves(every=0), []

    def fail():
        epochs.append(1)
        if len(epochs) == 3:
            raise error

    net = classifier()
    with pytest.raises(error):
        net.fit(X, Y, epochs=5, callbacks=[live, spy(fail)])
    assert not matplotlib.pyplot.get_fignums()
    assert len(live.axes[0].lines[0].get_xdata()) == 3
    net.fit(X, Y, epochs=1, callbacks=[live])
    assert len(live.axes[0].lines[0].get_xdata()) == 4


def test_a_diagram_of_an_estimator_is_that_of_its_network(models):
    model = models[0][0]
    assert texts(plot.network(model)) == texts(plot.network(model.network_))


def labelled(classes: int):
    rng = np.random.default_rng(0)
    names = np.array([f"class number {index}" for index in range(classes)])
    y = names[np.arange(8 * classes) % classes]
    samples = rng.normal(size=(len(y), 4))
    return NeuralClassifier([4], epochs=1, random_state=0).fit(samples, y), samples, y


@pytest.mark.parametrize("classes", [3, 10, 40])
def test_labels_of_a_confusion_matrix_do_not_overlap(classes):
    axes = plot.confusion_matrix(*labelled(classes))
    axes.figure.canvas.draw()
    for labels, low, high in ((axes.get_xticklabels(), 0, 2), (axes.get_yticklabels(), 1, 3)):
        boxes = sorted(label.get_window_extent().extents[[low, high]].tolist() for label in labels)
        assert all(one[1] <= other[0] for one, other in itertools.pairwise(boxes))
    numbers = [text for text in axes.texts if text.get_text()]
    assert len(numbers) == (0 if classes == 40 else classes**2)


def test_a_roc_picture_of_many_classes_names_the_worst():
    axes = plot.roc_curve(*labelled(40))
    shown = [text.get_text() for text in axes.get_legend().get_texts()]
    assert len(axes.lines) == 41 and len(shown) == 5
    assert sum("37 others, mean AUC = " in text for text in shown) == 1


def test_what_is_no_classifier_is_named():
    net = classifier().fit(X, Y)
    for draw in (plot.confusion_matrix, plot.roc_curve, plot.calibration_curve):
        for wrong in (net, Y):
            with pytest.raises(TypeError, match="takes a fitted classifier .* from_predictions"):
                draw(wrong, X, Y)
    model, samples, y = labelled(3)
    with pytest.raises(ValueError, match=r"one class a sample, got shape \(24, 3\)"):
        plot.roc_curve(model, samples, np.eye(3)[np.arange(24) % 3])


def test_the_curves_of_scikit_learns_attributes():
    model = MLPClassifier((4,), max_iter=3, early_stopping=True, random_state=0)
    with pytest.warns(ConvergenceWarning):
        model.fit(X, Y)
    loss, score = plot.learning_curves(model)
    np.testing.assert_array_equal(loss.lines[0].get_ydata(), model.loss_curve_)
    assert (score.get_ylabel(), score.lines[0].get_label()) == ("validation score", "validation")


@pytest.mark.parametrize("models", [[], [classifier()], {"a": classifier()}])
def test_curves_are_of_one_model(models):
    with pytest.raises((TypeError, ValueError), match=r"one trained network|empty"):
        plot.learning_curves(models)


def test_one_activation_may_be_given_by_itself():
    assert [panel.get_title() for panel in plot.activations("relu")] == ["relu"]


def test_images_stand_in_rows():
    images = np.linspace(0, 1, 5)[:, None, None] * np.ones((5, 4, 6))
    (drawn,) = plot.image_grid(images, columns=3).get_images()
    array = drawn.get_array()
    assert array.shape == (2 * 5 + 1, 3 * 7 + 1)
    np.testing.assert_allclose(array[1:5, 1:7], 0.0)
    np.testing.assert_allclose(array[6:10, 8:14], 1.0)
    assert (array[0] == 1).all()


def test_images_have_a_scale_in_common():
    images = np.array([[[-1.0, 0.0]], [[0.0, 1.0]]])
    (drawn,) = plot.image_grid(images).get_images()
    np.testing.assert_allclose(drawn.get_array()[1, [1, 2, 4, 5]], [0.0, 0.5, 0.5, 1.0])
    flat = np.zeros((3, 12))
    assert plot.image_grid(flat, shape=(3, 4)).get_images()[0].get_size() == (9, 11)
    colored = np.zeros((1, 3, 4, 3))
    assert plot.image_grid(colored).get_images()[0].get_array().shape == (5, 6, 3)


@pytest.mark.parametrize("shape", [(3, 12), (0, 8, 8), (2, 4, 4, 2)], ids=str)
def test_what_is_no_image_is_named(shape):
    with pytest.raises(ValueError, match=r"\[image_grid\] images must have shape"):
        plot.image_grid(np.zeros(shape))


class Codes:
    """Gives its samples back."""

    def transform(self, samples):
        return samples


def test_codes_are_drawn_in_two_directions():
    draw = np.random.default_rng(0)
    flat = draw.normal(size=(50, 2))
    panel = plot.latent_space(Codes(), flat)
    np.testing.assert_array_equal(panel.collections[0].get_offsets(), flat)
    codes = draw.normal(size=(200, 5)) * [0.1, 5.0, 0.1, 2.0, 0.1]
    labels = np.arange(200) % 3
    panel = plot.latent_space(Codes(), codes, labels)
    assert legend(panel) == ["0", "1", "2"] and len(panel.collections) == 3
    assert panel.get_xlabel().startswith("component 1, 8")
    first = np.concatenate([one.get_offsets()[:, 0] for one in panel.collections])
    assert first.std() == pytest.approx(codes[:, 1].std(), rel=0.02)
    numbers = plot.latent_space(Codes(), codes, draw.normal(size=200))
    assert numbers.get_legend() is None and len(numbers.figure.axes) == 2
    assert plot.latent_space(Codes(), codes[:, :1]).get_xlabel() == "code 1"


def test_what_has_no_codes_is_named():
    with pytest.raises(TypeError, match=r"\[latent_space\] model must have transform"):
        plot.latent_space(3, X)
    with pytest.raises(ValueError, match=r"\[latent_space\] y must have shape \(4,\), got \(3,\)"):
        plot.latent_space(Codes(), np.zeros((4, 2)), [1, 2, 3])


def test_a_grid_of_samples_is_written_after_each_epoch(tmp_path):
    plot.SampleGrid(tmp_path / "last.png")(3, np.zeros((4, 8, 8)))
    each = plot.SampleGrid(str(tmp_path / "{epoch:02d}.png"), columns=2, shape=(2, 2))
    for epoch in (1, 2):
        each(epoch, np.zeros((4, 4)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["01.png", "02.png", "last.png"]
    assert clone(each, safe=False).columns == 2
