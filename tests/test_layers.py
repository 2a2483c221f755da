"""Layers: formula, reference, gradient, training against prediction, weights and their names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import convolution_formulas
import numpy as np
import pytest
from attention_formulas import ATTENTION_LAYERS
from capsule_formulas import CAPSULE_LAYERS
from formulas import ACTIVATIONS
from image_formulas import IMAGE_LAYERS
from layer_grid import EVERY, RANDOM, is_random, samples
from recurrent_formulas import RECURRENT_LAYERS, recurrent
from registry import classes
from tolerances import FORWARD, STANDARD_ERRORS, assert_near
from traced import Traced

from ganglion import Sequential, layers
from ganglion.spec import settings_of

Array = np.ndarray
Weights = dict[str, Array]
Shape = tuple[int, ...]


def activated(activation: Any, x: Array) -> Array:
    return x if activation is None else ACTIVATIONS[activation.registered_name](activation, x)


def dense(s: Any, w: Weights, x: Array, training: bool) -> Array:
    y = x @ w["kernel"]
    return activated(s.activation, y + w["bias"] if s.use_bias else y)


def windowed(formula: Callable[[Any, Weights, Array], Array]) -> Callable[..., Array]:
    """A convolution with its bias and activation."""

    def layer(s: Any, w: Weights, x: Array, training: bool) -> Array:
        y = formula(s, w, x)
        return activated(s.activation, y + w["bias"] if s.use_bias else y)

    return layer


def batch_normalization(s: Any, w: Weights, x: Array, training: bool) -> Array:
    training = training and s.trainable
    axes = tuple(axis for axis in range(x.ndim) if axis != s.axis % x.ndim)
    shape = [1] * x.ndim
    shape[s.axis] = -1
    mean, variance = w["moving_mean"].reshape(shape), w["moving_variance"].reshape(shape)
    if training:
        mean, variance = x.mean(axis=axes, keepdims=True), x.var(axis=axes, keepdims=True)
    y = (x - mean) / np.sqrt(variance + s.epsilon)
    y = y * (w["gamma"].reshape(shape) if s.scale else 1.0)
    return y + (w["beta"].reshape(shape) if s.center else 0.0)


def layer_normalization(s: Any, w: Weights, x: Array, training: bool) -> Array:
    axes = tuple(np.atleast_1d(s.axis))
    mean, variance = x.mean(axis=axes, keepdims=True), x.var(axis=axes, keepdims=True)
    y = (x - mean) / np.sqrt(variance + s.epsilon)
    return y * w.get("gamma", np.ones(1)) + w.get("beta", np.zeros(1))


def normalization(s: Any, w: Weights, x: Array, training: bool) -> Array:
    own = [] if s.axis is None else [axis % x.ndim for axis in np.atleast_1d(s.axis)]
    shape = [size if axis in own else 1 for axis, size in enumerate(x.shape)]

    def statistic(name: str) -> Array:
        given = getattr(s, name, None)
        sizes = [x.shape[axis] for axis in own]
        return (w[name] if given is None else np.broadcast_to(given, sizes)).reshape(shape)

    if s.method == "standard":
        offset, scale = statistic("mean"), np.sqrt(statistic("variance"))
    else:
        offset, scale = statistic("minimum"), statistic("maximum") - statistic("minimum")
    scale = np.maximum(scale, 1e-7)
    return x * scale + offset if s.invert else (x - offset) / scale


def chain(inner: list[Any], w: Weights, x: Array, training: bool, counts: dict[str, int]) -> Array:
    """Layers within a combinator: their weights stand under their own names."""
    for layer in inner:
        base = layer.registered_name
        number = counts.get(base, 0)
        counts[base] = number + 1
        name = f"{base}_{number}" if number else base
        own = {k.partition("/")[2]: v for k, v in w.items() if k.partition("/")[0] == name}
        x = LAYERS[base](layer, own, x, training)
    return x


def residual(s: Any, w: Weights, x: Array, training: bool) -> Array:
    counts: dict[str, int] = {}
    y = chain(s.layers, w, x, training, counts)
    return y + chain(s.shortcut or [], w, x, training, counts)


def branches(s: Any, w: Weights, x: Array, training: bool) -> Array:
    counts: dict[str, int] = {}
    results = [chain(inner, w, x, training, counts) for inner in s.branches]
    if s.merge == "concat":
        return np.concatenate(results, axis=s.axis)
    merge = {
        "add": np.sum,
        "average": np.mean,
        "multiply": np.prod,
        "maximum": np.max,
        "minimum": np.min,
    }
    return np.asarray(merge[s.merge](results, axis=0))


def middle(s: Any, w: Weights, x: Array, training: bool) -> Array:
    top, left = (x.shape[1] - s.height) // 2, (x.shape[2] - s.width) // 2
    return x[:, top : top + s.height, left : left + s.width]


def bidirectional(s: Any, w: Weights, x: Array, training: bool) -> Array:
    back = s.backward_layer or s.layer
    names = s.layer.registered_name, f"backward_{s.layer.registered_name}"
    if s.backward_layer is not None:
        names = names[0], f"{names[0]}_1"
    own = [{k.partition("/")[2]: v for k, v in w.items() if k.startswith(n + "/")} for n in names]
    y = recurrent(s.layer, own[0], x, s.layer.go_backwards)
    z = recurrent(back, own[1], x, not s.layer.go_backwards)
    z = z[:, ::-1] if s.layer.return_sequences else z
    merges = {"sum": np.add, "mul": np.multiply, "ave": lambda a, b: (a + b) / 2}
    return merges[s.merge_mode](y, z) if s.merge_mode != "concat" else np.concatenate([y, z], -1)


def time_distributed(s: Any, w: Weights, x: Array, training: bool) -> Array:
    steps = [chain([s.layer], w, x[:, step], training, {}) for step in range(x.shape[1])]
    return np.stack(steps, axis=1)


def spectral_normalization(s: Any, w: Weights, x: Array, training: bool) -> Array:
    """Power iteration, of which prediction does the half that gives the other vector."""
    training = training and s.trainable
    own = {k.partition("/")[2]: v for k, v in w.items()}
    kernel = own["kernel"].reshape(-1, own["kernel"].shape[-1])
    u = own.pop("vector_u")
    u = u / np.linalg.norm(u)
    for _ in range(s.power_iterations if training else 1):
        v = u @ kernel.T / np.linalg.norm(u @ kernel.T)
        u = v @ kernel / np.linalg.norm(v @ kernel) if training else u
    largest = (v @ kernel * u).sum()
    own["kernel"] = own["kernel"] / largest
    return LAYERS[s.layer.registered_name](s.layer, own, x, training)


LAYERS: dict[str, Callable[[Any, Weights, Array, bool], Array]] = {
    "input": lambda s, w, x, training: x,
    "masking": lambda s, w, x, training: np.where(
        (x != s.mask_value).any(-1, keepdims=True), x, 0.0
    ),
    "dense": dense,
    "activation": lambda s, w, x, training: activated(s.activation, x),
    **dict.fromkeys(
        ["relu", "leaky_relu", "elu", "softmax"],
        lambda s, w, x, training: activated(s.activation, x),
    ),
    "p_re_lu": lambda s, w, x, training: np.where(x > 0, x, w["alpha"] * x),
    **dict.fromkeys(RANDOM, lambda s, w, x, training: x),
    "random_crop": middle,
    "activity_regularization": lambda s, w, x, training: x,
    "embedding": lambda s, w, x, training: w["embeddings"][x.astype(int)],
    "flatten": lambda s, w, x, training: x.reshape(len(x), -1),
    "reshape": lambda s, w, x, training: x.reshape(len(x), *s.target_shape),
    "rescaling": lambda s, w, x, training: x * np.asarray(s.scale) + np.asarray(s.offset),
    "batch_normalization": batch_normalization,
    "layer_normalization": layer_normalization,
    "normalization": normalization,
    "conv1d": windowed(convolution_formulas.convolution),
    "conv2d": windowed(convolution_formulas.convolution),
    "conv2d_transpose": windowed(convolution_formulas.transposed),
    "depthwise_conv2d": windowed(convolution_formulas.depthwise),
    "separable_conv2d": windowed(convolution_formulas.separable),
    "residual": residual,
    "branches": branches,
    **IMAGE_LAYERS,
    **RECURRENT_LAYERS,
    **ATTENTION_LAYERS,
    **CAPSULE_LAYERS,
    "bidirectional": bidirectional,
    "gaussian_sampling": lambda s, w, x, training: x[..., : x.shape[-1] // 2],
    "spectral_normalization": spectral_normalization,
    "repeat_vector": lambda s, w, x, training: np.repeat(x[:, None], s.n, axis=1),
    "time_distributed": time_distributed,
}


def traced_layer(layer: Any, shape: Shape, training: bool = False, **options: Any) -> Traced:
    traced = Traced(layer, [(None, *shape)], training=training, **options)
    traced.randomize(np.random.default_rng(3))
    return traced


def own_weights(traced: Traced) -> Weights:
    """Weights by their names within the layer."""
    return {v.name.partition("/")[2]: traced.weight(v.name).astype(float) for v in traced.variables}


def data(layer: Any, shape: Shape, rows: int) -> Array:
    drawn = samples(layer, shape, rows, np.random.default_rng(rows))
    return drawn if layer.vocabulary else drawn + 0.1


def test_every_layer_has_a_formula() -> None:
    merging = {name for name, cls in classes("layer").items() if cls.takes_several}
    assert set(classes("layer")) == set(LAYERS) | merging  # test_merging.py has those


@pytest.mark.parametrize("training", [False, True], ids=["prediction", "training"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("layer", "shape"), EVERY)
def test_layer_follows_its_formula(layer: Any, shape: Shape, dtype: str, training: bool) -> None:
    name = layer.registered_name
    if training and is_random(layer):
        pytest.skip("judged in tests of its own below")
    for rows in (1, 2, 9):
        traced = traced_layer(layer, shape, training, dtype=dtype)
        x = data(layer, shape, rows).astype(dtype)
        expected = LAYERS[name](layer, own_weights(traced), x.astype(float), training)
        assert_near(traced.run(x)[0], expected, 20 * FORWARD[dtype])


@pytest.mark.parametrize("training", [False, True], ids=["prediction", "training"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("layer", "shape"), EVERY)
def test_layer_and_gradient_run_in_the_reference(
    layer: Any, shape: Shape, dtype: str, training: bool
) -> None:
    traced = traced_layer(layer, shape, training, dtype=dtype, wrt=[0])
    x = data(layer, shape, 5).astype(dtype)
    seed = np.random.default_rng(0).normal(size=(5, *traced.output_shape[1:])).astype(dtype)
    expected = traced.refer(x, seed, seed=5, step=2)
    results = traced.run(x, seed, seed=5, step=2)
    largest = max(float(np.abs(wanted).max()) for wanted in expected.outputs.values())
    for (name, wanted), got in zip(expected.outputs.items(), results, strict=True):
        # The absolute part is for gradients that are 0, of terms that cancel.
        absolute = FORWARD[dtype] * largest
        assert_near(got, wanted, 50 * FORWARD[dtype], name=name, absolute=absolute)
    assert_near(traced.store.array, expected.parameters, FORWARD[dtype])


@pytest.mark.parametrize("training", [False, True], ids=["prediction", "training"])
@pytest.mark.parametrize(("layer", "shape"), EVERY)
def test_gradient_of_layer(layer: Any, shape: Shape, training: bool) -> None:
    if training and isinstance(layer, layers.SpectralNormalization):
        pytest.skip("takes its vectors for constants, see test_spectral_normalization.py")
    wrt = [] if layer.vocabulary else [0]  # an id has no gradient
    traced = traced_layer(layer, shape, training, wrt=wrt)
    traced.check_gradients(data(layer, shape, 4), seed=5, step=2)


@pytest.mark.parametrize(("layer", "shape"), EVERY)
def test_fused_and_unfused_give_the_same_bits(layer: Any, shape: Shape) -> None:
    x = data(layer, shape, 7)
    runs = []
    for fuse in (True, False):
        traced = traced_layer(layer, shape, True, wrt=[0], dtype="float32", fuse=fuse)
        seed = np.ones((7, *traced.output_shape[1:]))
        runs.append([*traced.run(x, seed, seed=1, step=1), traced.store.array.copy()])
    for fused, plain in zip(*runs, strict=True):
        np.testing.assert_array_equal(fused, plain)


@pytest.mark.filterwarnings("ignore:.*loses the mask")
@pytest.mark.parametrize(("layer", "shape"), EVERY)
def test_layer_works_in_a_network(layer: Any, shape: Shape) -> None:
    """Builds, trains, keeps its weights' names unique, and can be copied by its settings."""
    copy = type(layer).from_config(layer.get_config())
    assert copy == layer and settings_of(copy) == settings_of(layer)
    net = Sequential(
        [layer, layers.Flatten(), layers.Dense(2)], loss="mse", optimizer="adam", random_state=0
    )
    x = data(layer, shape, 20)
    y = np.random.default_rng(0).normal(size=(20, 2))
    net.fit(x, y, epochs=2, batch_size=7, verbose=0)
    assert net.predict(x).shape == (20, 2)
    assert np.isfinite(net.history_["loss"]).all()
    assert len(net.get_weights()) >= 2


@pytest.mark.parametrize("rate", [0.2, 0.5, 0.9])
def test_dropout_drops_its_share_and_keeps_the_mean(rate: float) -> None:
    traced = Traced(layers.Dropout(rate), [(None, 50)], training=True, wrt=[0])
    x = np.ones((400, 50))
    y, d_x = traced.run(x, np.ones((400, 50)), seed=1, step=1)
    share = (y == 0).mean()
    assert abs(share - rate) < STANDARD_ERRORS * np.sqrt(rate * (1 - rate) / y.size)
    np.testing.assert_allclose(y[y != 0], 1 / (1 - rate), rtol=1e-14)
    np.testing.assert_array_equal(d_x, y)  # the gradient uses the same mask
    again, _ = traced.run(x, np.ones((400, 50)), seed=1, step=1)
    np.testing.assert_array_equal(again, y)
    for seed, step in ((2, 1), (1, 2)):
        other, _ = traced.run(x, np.ones((400, 50)), seed=seed, step=step)
        assert (other != y).mean() > 0.1 * min(rate, 1 - rate)


def test_dropout_masks_are_the_same_in_both_precisions_and_differ_between_layers() -> None:
    masks = []
    for dtype in ("float32", "float64"):
        traced = Traced(layers.Dropout(0.5), [(None, 20)], training=True, dtype=dtype)
        masks.append(traced.run(np.ones((50, 20)), seed=3)[0] == 0)
    np.testing.assert_array_equal(*masks)
    first, second = layers.Dropout(0.5), layers.Dropout(0.5)
    both = Traced(lambda x: second(first(x)), [(None, 20)], training=True)
    assert abs((both.run(np.ones((500, 20)), seed=3)[0] == 0).mean() - 0.75) < 0.03


def test_gaussian_noise_is_normal() -> None:
    traced = Traced(layers.GaussianNoise(0.5), [(None, 100)], training=True)
    noise = traced.run(np.zeros((500, 100)), seed=1)[0] / 0.5
    error = 1 / np.sqrt(noise.size)
    assert abs(noise.mean()) < STANDARD_ERRORS * error
    assert abs(noise.std() - 1) < STANDARD_ERRORS * error
    assert abs((noise**3).mean()) < STANDARD_ERRORS * 4 * error
    assert abs((noise**4).mean() - 3) < STANDARD_ERRORS * 10 * error
    assert 4 < np.abs(noise).max() < 6.5


@pytest.mark.parametrize("shape", [(None, 6), (None, 3, 5)], ids=str)
def test_batch_normalization_moves_its_statistics_in_training_only(shape: Any) -> None:
    layer = layers.BatchNormalization(momentum=0.8)
    x = np.random.default_rng(0).normal(2.0, 3.0, size=(10, *shape[1:]))
    axes = tuple(range(x.ndim - 1))
    traced = Traced(layer, [shape], training=True)
    mean, variance = np.zeros(shape[-1]), np.ones(shape[-1])
    for _ in range(3):
        traced.run(x)
        mean = 0.8 * mean + 0.2 * x.mean(axis=axes)
        variance = 0.8 * variance + 0.2 * x.var(axis=axes)
    assert_near(traced.weight("batch_normalization/moving_mean"), mean, 1e-13)
    assert_near(traced.weight("batch_normalization/moving_variance"), variance, 1e-13)
    predicting = Traced(layer, [shape])
    before = predicting.store.array.copy()
    predicting.run(x)
    np.testing.assert_array_equal(predicting.store.array, before)


def test_statistics_are_weights_that_no_gradient_reaches() -> None:
    traced = Traced(layers.BatchNormalization(), [(None, 4)], training=True, wrt=[0])
    names = [variable.name.partition("/")[2] for variable in traced.variables]
    assert names == ["gamma", "beta", "moving_mean", "moving_variance"]  # the order of Keras
    assert [variable.trainable for variable in traced.variables] == [True, True, False, False]


def test_normalization_within_another_layer_is_adapted() -> None:
    X = np.random.default_rng(0).normal(5, 3, size=(300, 4))
    inner = [layers.Normalization(), layers.Dense(4)]
    net = Sequential([layers.Residual(inner), layers.Dense(1)], loss="mse", dtype="float64")
    net.fit(X, X[:, 0], verbose=0)
    weights = dict(zip(net.weight_names, net.get_weights(), strict=True))
    np.testing.assert_allclose(weights["residual/normalization/mean"], X.mean(axis=0))


@pytest.mark.parametrize("shape", [(8,), (3, 4)], ids=str)
def test_normalization_is_adapted_in_fit(shape: tuple[int, ...]) -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(5.0, 3.0, size=(300, *shape)) * np.arange(1, shape[-1] + 1)
    net = Sequential(
        [layers.Normalization(), layers.Flatten(), layers.Dense(1)], loss="mse",
        random_state=0, dtype="float64",
    )  # fmt: skip
    net.fit(x, draw.normal(size=(300, 1)), epochs=1, verbose=0)
    mean, variance = net.get_weights()[:2]
    axes = tuple(range(x.ndim - 1))
    assert_near(np.ravel(mean), x.mean(axis=axes), 1e-12)
    assert_near(np.ravel(variance), x.var(axis=axes), 1e-12)


def test_layers_of_one_class_get_different_names() -> None:
    net = Sequential([layers.Dense(2), layers.Dense(2), layers.Residual([layers.Dense(2)])])
    net.build((None, 3))
    names = [variable.name for variable in net._built.variables]
    assert names == [
        "dense/kernel", "dense/bias", "dense_1/kernel", "dense_1/bias",
        "residual/dense/kernel", "residual/dense/bias",
    ]  # fmt: skip
