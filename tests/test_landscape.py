"""The loss around the weights: right numbers, and a network that does not notice."""

from __future__ import annotations

import numpy as np
import pytest
from small_networks import X, Y, classifier, linear

from ganglion import NeuralRegressor, NotFittedError, Sequential, layers, optimizers, plot
from ganglion.callbacks import WeightRecorder
from ganglion.plot import directions

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def no_figure_stays():
    yield
    matplotlib.pyplot.close("all")


def state_of(net):
    built = net._built
    stores = [store.array.copy() for store in built.stores]
    return stores, built, net.step_, net.epoch_, dict(net.history_), net.learning_rate


def assert_state(net, state):
    stores, *rest = state
    for before, after in zip(stores, net._built.stores, strict=True):
        np.testing.assert_array_equal(before, after.array)
    assert state_of(net)[1:] == tuple(rest)


def recorded(epochs=6):
    path = WeightRecorder()
    net = classifier(optimizer=optimizers.Adam(0.02)).fit(X, Y, epochs=epochs, callbacks=[path])
    return net, path


@pytest.mark.parametrize("settings", [{"dimensions": 1}, {}, {"path": True}], ids=str)
def test_the_network_is_left_as_it_was(settings, monkeypatch):
    net, path = recorded()
    settings = {**settings, "points": 5} | ({"path": path} if "path" in settings else {})
    before = state_of(net)
    plot.loss_landscape(net, X, Y, **settings)
    assert_state(net, before)

    evaluate = Sequential.evaluate
    calls = []

    def interrupted(self, *arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return evaluate(self, *arguments)

    monkeypatch.setattr(Sequential, "evaluate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        plot.loss_landscape(net, X, Y, **settings)
    assert_state(net, before)


def test_losses_are_those_of_the_weights_that_many_steps_away():
    net = linear(optimizer="adam").fit(X, Y, epochs=5)
    axes = plot.loss_landscape(net, X, Y, dimensions=1, points=7, span=0.5, seed=3)
    steps, losses = axes.lines[0].get_data()
    np.testing.assert_allclose(steps, np.linspace(-0.5, 0.5, 7))
    kernel, bias = net.get_weights()
    plane = directions.random_plane([kernel, bias], [True, True], 1, 3)
    for step, loss in zip(steps, losses, strict=True):
        net.set_weights([kernel + step * plane.directions[0][:6, None], bias])
        np.testing.assert_allclose(net.evaluate(X, Y)["loss"], loss)


def test_random_directions_have_filters_as_long_as_the_weights():
    net = classifier()
    net.build((None, 6))
    weights = net.get_weights()
    plane = directions.random_plane(weights, [True, True, False, True], 2, 0)
    for direction in plane.directions:
        kernel, *rest = directions.unflatten(direction, weights)
        np.testing.assert_allclose(
            np.linalg.norm(kernel, axis=0), np.linalg.norm(weights[0], axis=0), rtol=1e-6
        )
        assert not any(part.any() for part in rest)  # biases, and what is not trained


def test_a_path_lies_where_it_is_nearest():
    generator = np.random.default_rng(0)
    centre = [generator.normal(size=(3, 2)), generator.normal(size=2)]
    path = [[w + generator.normal(size=w.shape) for w in centre] for _ in range(5)] + [centre]
    plane = directions.path_plane(centre, [True, True], 2, path)
    np.testing.assert_allclose(plane.directions @ plane.directions.T, np.eye(2), atol=1e-12)
    for steps, weights in zip(plane.project(path), path, strict=True):
        away = directions.flatten(weights) - directions.flatten(plane.at(steps))
        np.testing.assert_allclose(plane.directions @ away, 0, atol=1e-12)
    np.testing.assert_allclose(plane.project([centre]), 0, atol=1e-12)
    assert plane.project(path)[0, 0] <= 0  # it comes from the left


def test_two_directions_of_a_path_through_a_plane_show_it_exactly():
    net = Sequential([layers.Dense(1, use_bias=False)], loss="mse", dtype="float64", random_state=0)
    path = WeightRecorder()
    net.fit(X[:, :2], Y, epochs=20, callbacks=[path])
    axes = plot.loss_landscape(net, X[:, :2], Y, path=path, points=9)
    assert "(100% of it)" in axes.get_xlabel() or "of the path" in axes.get_ylabel()
    drawn = np.stack(axes.lines[0].get_data(), axis=1)
    lengths = [np.linalg.norm(w[0] - net.get_weights()[0]) for w in path.weights]
    np.testing.assert_allclose(np.linalg.norm(drawn, axis=1), lengths)


def test_a_path_can_be_drawn_on_random_directions_and_on_a_curve():
    net, path = recorded()
    axes = plot.loss_landscape(net, X, Y, path=path, directions="random", points=5, span=2)
    assert axes.get_xlabel() == "random direction 1"
    assert len(axes.lines[0].get_xdata()) == 7
    axes = plot.loss_landscape(net, X, Y, path=path.weights, dimensions=1, points=9)
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels[0] == "path of descent"
    assert "of the path" in axes.get_xlabel()


def test_what_is_not_trained_has_no_part_in_the_directions_of_a_path():
    centre = [np.zeros((3, 2)), np.zeros(2)]
    path = [[np.full((3, 2), step), np.full(2, 1e6 * step)] for step in (1.0, 0.5)] + [centre]
    plane = directions.path_plane(centre, [True, False], 1, path)
    np.testing.assert_allclose(np.abs(plane.directions[0]), [6**-0.5] * 6 + [0, 0])
    assert plane.labels == ["direction 1 of the path (100% of it)"]


def test_a_straight_path_has_a_picture_and_one_that_stands_still_none():
    net, path = recorded(epochs=1)
    axes = plot.loss_landscape(net, X, Y, path=path, points=5)
    low, high = axes.get_ylim()
    assert high - low > 0.05 * np.ptp(axes.get_xlim())
    with pytest.raises(ValueError, match="the path has less than 1 directions: take random ones"):
        plot.loss_landscape(net, X, Y, path=[path.weights[-1]] * 3, dimensions=1)


def test_an_estimator_is_taken_with_its_own_targets():
    y = np.stack([X[:, 0], X[:, 1]], axis=1)
    model = NeuralRegressor([4], epochs=3, random_state=0).fit(X, y)
    axes = plot.loss_landscape(model, X, y, dimensions=1, points=5)
    middle = axes.lines[0].get_ydata()[2]
    np.testing.assert_allclose(middle, model.network_.evaluate(X, y)["loss"], rtol=1e-6)


def test_losses_that_are_not_finite_leave_holes():
    net = linear(dtype="float32").fit(X, Y)
    axes = plot.loss_landscape(net, X, Y, dimensions=1, points=5, span=1e30)
    losses = axes.lines[0].get_ydata()
    assert np.isnan(losses[0]) and np.isfinite(losses[2])
    plot.loss_landscape(net, X, Y, points=5, span=1e30).figure.canvas.draw()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dimensions": 3}, "dimensions must be 1 or 2, got 3"),
        ({"points": 2}, "points must be a whole number of at least 3, got 2"),
        ({"span": 0}, "span must be positive, got 0"),
        ({"directions": "rnd"}, "unknown directions 'rnd'; did you mean 'random'"),
        ({"directions": "path"}, "directions 'path' need a path"),
        ({"path": [[np.ones((6, 1)), np.ones(1)]]}, "path must have at least 2 points, got 1"),
        ({"path": [[np.ones(3)]] * 2}, "point 0 of the path does not fit the network"),
    ],
)
def test_mistakes_are_named(settings, message):
    with pytest.raises(ValueError, match=rf"\[loss_landscape\] {message}"):
        plot.loss_landscape(linear().fit(X, Y), X, Y, **settings)


def test_what_has_no_landscape_is_named():
    with pytest.raises(TypeError, match="model must be a Sequential, .* got LinearRegression"):
        from sklearn.linear_model import LinearRegression

        plot.loss_landscape(LinearRegression(), X, Y)
    with pytest.raises(NotFittedError):
        plot.loss_landscape(linear(), X, Y)
    with pytest.raises(ValueError, match="not fitted"):
        plot.loss_landscape(NeuralRegressor(), X, Y)


@pytest.mark.parametrize("points", [3, 4, 24])
def test_a_curve_goes_through_the_loss_there_is(points):
    net, path = recorded()
    expected = net.evaluate(X, Y)["loss"]
    for way in (None, path):
        axes = plot.loss_landscape(net, X, Y, dimensions=1, points=points, path=way)
        here = axes.lines[-1]
        assert here.get_label() == f"present weights: {expected:.3g}"
        np.testing.assert_allclose(here.get_ydata(), expected, rtol=1e-6)
