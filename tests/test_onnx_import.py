"""ONNX files read as networks: what exporters write, and round trips."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from layer_grid import EVERY, has_loop, samples  # noqa: E402
from onnx import TensorProto, helper  # noqa: E402
from onnx_models import RNG, model, node, read, run, weights  # noqa: E402
from registry import examples  # noqa: E402
from test_onnx_export import DIFFERENCE, built  # noqa: E402
from tolerances import assert_near  # noqa: E402

from ganglion import Sequential, layers  # noqa: E402


def assert_read(made: Any, tmp_path: Path, expected: str, shape: tuple[int, ...] = (4,)) -> None:
    """The layers behind the input are those expected, and give what ONNX Runtime gives."""
    net = read(made, tmp_path)
    assert repr(net.layers[1:]) == expected
    x = RNG.normal(size=(3, *shape)).astype(net.dtype)
    np.testing.assert_allclose(net.predict(x), run(made, x)[-1], atol=DIFFERENCE)


KERNEL, BIAS = weights(4, 5), weights(5)


def why_unread(layer: Any, dtype: str) -> str:
    """Why it cannot be read back, or nothing."""
    if dtype == "float64" and has_loop(layer):
        return "written as a loop of ONNX's, which is not read"
    if isinstance(layer, layers.Masking):
        return "written with zeros alone: what is padding does not go on to the layers behind"
    both = isinstance(layer, layers.Bidirectional) and layer.layer.return_sequences
    if both and (layer.merge_mode != "concat" or layer.layer.go_backwards):
        return "written with nodes that merge and turn, which are no layers by themselves"
    if isinstance(layer, (layers.PrimaryCapsule, layers.CapsuleLayer)):
        return "written with the nodes of squash and routing, which are no layers by themselves"
    if isinstance(layer, (layers.CapsuleLength, layers.LongestCapsule)):
        return "written with nodes that are no layers by themselves"
    if isinstance(layer, (layers.TimeDistributed, layers.RepeatVector, layers.GaussianSampling)):
        return "written with nodes that are no layers by themselves"
    return ""


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("layer", "shape"), EVERY)
def test_what_was_written_is_read(
    layer: Any, shape: tuple[int, ...], dtype: str, tmp_path: Path
) -> None:
    if why := why_unread(layer, dtype):
        pytest.skip(why)
    net = built(layer, shape, dtype)
    net.to_onnx(tmp_path / "net.onnx")
    read_back = Sequential.from_onnx(tmp_path / "net.onnx")
    x = samples(layer, shape, 5, RNG).astype(dtype)
    assert read_back.dtype == dtype
    assert_near(read_back.predict(x), net.predict(x), DIFFERENCE)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", examples("activation"))
def test_activations_that_were_written_are_recognised(
    activation: Any, dtype: str, tmp_path: Path
) -> None:
    if activation.registered_name == "squash":
        pytest.skip("written with the nodes of its formula, which are no layers by themselves")
    net = built(layers.Dense(4, activation=activation), (3,), dtype)
    net.to_onnx(tmp_path / "net.onnx")
    read_back = Sequential.from_onnx(tmp_path / "net.onnx")
    assert len(read_back.layers) == (3 if activation.registered_name == "prelu" else 2)
    x = RNG.normal(scale=4.0, size=(20, 3)).astype(dtype)
    np.testing.assert_allclose(read_back.predict(x), net.predict(x), atol=DIFFERENCE)


def test_weights_keep_their_values_and_the_network_can_be_trained_on(tmp_path: Path) -> None:
    net = Sequential(
        [
            layers.Input((4,)),
            layers.Dense(8, activation="relu"),
            layers.BatchNormalization(),
            layers.Residual([layers.Dense(8, activation="gelu"), layers.LayerNormalization()]),
            layers.Branches([[layers.Dense(2)], [layers.Dense(3), layers.Dense(3)]], axis=1),
            layers.Dense(1, activation="sigmoid"),
        ],
        random_state=0,
    )
    net.to_onnx(tmp_path / "net.onnx")
    read_back = Sequential.from_onnx(tmp_path / "net.onnx")
    assert repr(read_back) == repr(net)
    for left, right in zip(read_back.get_weights(), net.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)
    X = RNG.normal(size=(200, 4))
    read_back.compile(loss="binary_crossentropy", optimizer="adam")
    losses = read_back.fit(X, X[:, 0] > 0, epochs=20, verbose=0).history_["loss"]
    assert losses[-1] < 0.5 * losses[0]


def test_pytorch(tmp_path: Path) -> None:
    made = model(
        [
            node("Gemm", "x 0.weight 0.bias", "linear", alpha=1.0, beta=1.0, transB=1),
            node("Relu", "linear", "relu"),
            node("BatchNormalization", "relu scale shift mean variance", "norm", epsilon=1e-5),
            node("Identity", "norm", "dropout"),
            node("Gemm", "dropout 4.weight", "last", transB=1),
            node("Softmax", "last", "softmax", axis=1),
        ],
        {
            "0.weight": KERNEL.T,
            "0.bias": BIAS,
            **{name: weights(5) for name in ("scale", "shift", "mean")},
            "variance": np.ones(5, np.float32),
            "4.weight": weights(3, 5),
        },
    )
    assert_read(
        made,
        tmp_path,
        "[Dense(5, activation='relu'), BatchNormalization(momentum=0.9, epsilon=1e-05), "
        "Dense(3, activation='softmax', use_bias=False)]",
    )


@pytest.mark.parametrize("scale", [1.0, 1e-6])
def test_pytorch_before_opset_17_writes_layer_normalization_in_nodes(
    scale: float, tmp_path: Path
) -> None:
    gamma, beta = (np.float32(scale) * weights(5) for _ in range(2))
    made = model(
        [
            node("Gemm", "x kernel bias", "y"),
            node("ReduceMean", "y", "mean", axes=[-1]),
            node("Sub", "y mean", "centred"),
            node("Constant", "", "two", value_float=2.0),
            node("Pow", "centred two", "squares"),
            node("ReduceMean", "squares", "variance", axes=[-1]),
            node("Constant", "", "epsilon", value_float=1e-5),
            node("Add", "variance epsilon", "moved"),
            node("Sqrt", "moved", "deviation"),
            node("Div", "centred deviation", "scaled"),
            node("Mul", "scaled gamma", "product"),
            node("Add", "product beta", "sum"),
        ],
        {"kernel": KERNEL, "bias": BIAS, "gamma": gamma, "beta": beta},
        opset=14,
    )
    assert_read(made, tmp_path, "[Dense(5), LayerNormalization(epsilon=1e-05)]")
    for got, wanted in zip(read(made, tmp_path).get_weights()[2:], (gamma, beta), strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_pytorch_flattens_through_the_shape(tmp_path: Path) -> None:
    made = model(
        [
            node("Shape", "x", "shape"),
            node("Constant", "", "zero", value_int=0),
            node("Gather", "shape zero", "rows", axis=0),
            node("Constant", "", "axes", value_ints=[0]),
            node("Unsqueeze", "rows axes", "first"),
            node("Constant", "", "rest", value_ints=[-1]),
            node("Concat", "first rest", "wanted", axis=0),
            node("Reshape", "x wanted", "flat"),
            node("Gemm", "flat kernel bias", "y"),
        ],
        {"kernel": weights(6, 5), "bias": BIAS},
        ("batch", 2, 3),
    )
    assert_read(made, tmp_path, "[Flatten(), Dense(5)]", (2, 3))


@pytest.mark.parametrize("half_first", [True, False])
def test_gelu_through_the_error_function(half_first: bool, tmp_path: Path) -> None:
    gate = [
        node("Div", "y root", "scaled"),
        node("Erf", "scaled", "erf"),
        node("Add", "one erf", "gate"),
    ]
    halves = (
        [node("Mul", "half y", "h"), node("Mul", "h gate", "gelu")]
        if half_first
        else [node("Mul", "y gate", "double"), node("Mul", "double half", "gelu")]
    )
    scalars = {"root": np.sqrt(2.0), "one": 1.0, "half": 0.5}
    made = model(
        [node("Gemm", "x kernel bias", "y"), *gate, *halves],
        {"kernel": KERNEL, "bias": BIAS}
        | {name: np.float32(value) for name, value in scalars.items()},
    )
    assert_read(made, tmp_path, "[Dense(5, activation='gelu')]")


def test_keras_through_tensorflow(tmp_path: Path) -> None:
    made = model(
        [
            node("MatMul", "x kernel", "product"),
            node("Add", "product bias", "sum"),
            node("Sigmoid", "sum", "gate"),
            node("Mul", "sum gate", "silu"),
            node("Mul", "silu scale", "scaled"),
            node("Add", "scaled shift", "normal"),
            node("MatMul", "normal last", "y"),
            node("Softmax", "y", "Identity"),
        ],
        {
            "kernel": KERNEL,
            "bias": BIAS,
            "scale": np.full(5, 2.0, np.float32),
            "shift": np.full(5, -0.5, np.float32),
            "last": weights(5, 3),
        },
        opset=15,
    )
    assert_read(
        made,
        tmp_path,
        "[Dense(5, activation='silu'), "
        "Rescaling(array([2., 2., 2., 2., 2.]), offset=array([-0.5, -0.5, -0.5, -0.5, -0.5])), "
        "Dense(3, activation='softmax', use_bias=False)]",
    )


@pytest.mark.parametrize("bias", [0.0, 1e-6])
def test_the_bias_of_a_single_unit_is_kept(bias: float, tmp_path: Path) -> None:
    made = model(
        [
            node("MatMul", "x kernel", "product"),
            node("Add", "product bias", "sum"),
            node("Sigmoid", "sum", "y"),
        ],
        {"kernel": weights(4, 1), "bias": np.full(1, bias, np.float32)},
    )
    assert_read(made, tmp_path, "[Dense(1, activation='sigmoid')]")
    np.testing.assert_array_equal(read(made, tmp_path).get_weights()[1], [np.float32(bias)])


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("classes", [2, 3])
def test_scikit_learn(classes: int, zipped: bool, tmp_path: Path) -> None:
    units = 1 if classes == 2 else classes
    scaling = {"offset": [0.5, 0.0, 1.0, 2.0], "scale": [2.0, 1.0, 0.5, 1.0]}
    end = (
        [
            node("Sigmoid", "sum1", "positive"),
            node("Sub", "unity positive", "negative"),
            node("Concat", "negative positive", "proba", axis=1),
        ]
        if classes == 2
        else [node("Softmax", "sum1", "proba")]
    )
    named = "probabilities"
    by_class = helper.make_map_type_proto(
        TensorProto.INT64, helper.make_tensor_type_proto(TensorProto.FLOAT, [])
    )
    kind = helper.make_sequence_type_proto(by_class)
    given = (
        node("ZipMap", "proba", named, domain="ai.onnx.ml", classlabels_int64s=list(range(classes)))
        if zipped
        else node("Identity", "proba", named)
    )
    made = model(
        [
            node("Scaler", "x", "scaled", domain="ai.onnx.ml", **scaling),
            node("Cast", "scaled", "cast", to=TensorProto.FLOAT),
            node("MatMul", "cast coefficient", "product"),
            node("Add", "product intercepts", "sum"),
            node("Relu", "sum", "relu"),
            node("MatMul", "relu coefficient1", "product1"),
            node("Add", "product1 intercepts1", "sum1"),
            *end,
            node("ArgMax", "proba", "label", axis=1),
            given,
        ],
        {
            "coefficient": KERNEL,
            "intercepts": BIAS[None],
            "coefficient1": weights(5, units),
            "intercepts1": weights(1, units),
            "unity": np.float32(1.0),
        },
        (None, 4),
        outputs={"label": TensorProto.INT64, named: kind if zipped else TensorProto.FLOAT},
    )
    net = read(made, tmp_path)
    assert isinstance(net.layers[1], layers.Rescaling)
    assert repr(net.layers[2]) == "Dense(5, activation='relu')"
    x = RNG.normal(size=(6, 4)).astype(np.float32)
    labels, probabilities = run(made, x)
    if zipped:
        probabilities = np.array([list(one.values()) for one in probabilities])
    np.testing.assert_allclose(net.predict(x), probabilities, atol=DIFFERENCE)
    np.testing.assert_array_equal(net.predict(x).argmax(axis=1), labels.ravel())


def test_branches(tmp_path: Path) -> None:
    names = {name: weights(4, 4) for name in "abcde"}
    made = model(
        [
            node("MatMul", "x a", "trunk"),
            node("MatMul", "trunk b", "left"),
            node("Tanh", "left", "bent"),
            node("MatMul", "bent c", "within"),
            node("Add", "bent within", "inner"),
            node("Add", "trunk inner", "outer"),
            node("MatMul", "outer d", "one"),
            node("MatMul", "outer e", "other"),
            node("Sub", "one other", "difference"),
            node("Sigmoid", "difference", "gate"),
            node("Mul", "difference gate", "gated"),
            node("Tanh", "gated", "bounded"),
            node("Max", "gated bounded", "largest"),
            node("Concat", "largest gated", "y", axis=1),
        ],
        names,
    )
    dense = "Dense(4, use_bias=False)"
    assert_read(
        made,
        tmp_path,
        f"[{dense}, Residual([Dense(4, activation='tanh', use_bias=False), Residual([{dense}])]), "
        f"Residual([{dense}], shortcut=[{dense}, Rescaling(-1.0)]), Activation('silu'), "
        "Branches([[Branches([[], [Activation('tanh')]], merge='maximum')], []], axis=1)]",
    )


@pytest.mark.parametrize(
    ("made_of", "expected"),
    [
        (node("LeakyRelu", "x", "y", alpha=0.1), "LeakyReLU(negative_slope=0.1)"),
        (node("Elu", "x", "y", alpha=0.5), "ELU(alpha=0.5)"),
        (node("Celu", "x", "y"), "'elu'"),
        (node("ThresholdedRelu", "x", "y", alpha=0.7), "ReLU(threshold=0.7)"),
        (node("HardSigmoid", "x", "y", alpha=1 / 6), "'hard_sigmoid'"),
        (node("Clip", "x zero six", "y"), "'relu6'"),
        (node("Clip", "x zero", "y"), "'relu'"),
        (node("Clip", "x zero large", "y"), "ReLU(max_value=20000.0)"),
        (node("LogSoftmax", "x", "y"), "'log_softmax'"),
        (node("Exp", "x", "y"), "'exponential'"),
    ],
    ids=lambda value: getattr(value, "op_type", None),
)
def test_activation(made_of: Any, expected: str, tmp_path: Path) -> None:
    made = model([made_of], {"zero": np.float32(0), "six": np.float32(6), "large": np.float32(2e4)})
    assert_read(made, tmp_path, f"[Activation({expected})]")


@pytest.mark.parametrize(
    "made_of",
    [
        node("HardSigmoid", "x", "y", alpha=0.3, beta=0.4),
        node("HardSwish", "x", "y"),
        node("Clip", "x low high", "y"),
        node("Clip", "x one_element high", "y"),
        node("Clip", "x least high", "y"),
        node("Clip", "x endless high", "y"),
        node("Clip", "x - high", "y"),
        node("Clip", "x low most", "y"),
        node("Clip", "x least most", "y"),
        node("Max", "x low", "y"),
        node("Max", "x least", "y"),
        node("Sum", "x low", "y"),
        node("Min", "high x", "y"),
        node("Sub", "high x", "y"),
        node("Div", "x high", "y"),
        node("PRelu", "x high", "y"),
    ],
    ids=lambda made_of: made_of.op_type,
)
def test_what_takes_several_layers(made_of: Any, tmp_path: Path) -> None:
    largest = np.finfo(np.float32).max
    bounds = {"low": -0.5, "high": 0.7, "one_element": [-0.5], "endless": -np.inf}
    bounds |= {"least": -largest, "most": largest}
    made = model([made_of], {name: np.float32(bound) for name, bound in bounds.items()})
    x = RNG.normal(size=(9, 4)).astype(np.float32)
    np.testing.assert_allclose(read(made, tmp_path).predict(x), run(made, x)[0], atol=DIFFERENCE)


@pytest.mark.parametrize("bounds", [{"max": 6.0}, {"min": -3.4028234663852886e38, "max": 6.0}])
def test_clip_before_opset_11(bounds: Any, tmp_path: Path) -> None:
    made = model([node("Clip", "x", "y", **bounds)], {}, opset=10)
    x = np.array([[-40.0, -0.5, 5.0, 300.0]], np.float32)
    np.testing.assert_allclose(read(made, tmp_path).predict(x), [[-40.0, -0.5, 5.0, 6.0]])


@pytest.mark.parametrize("last", ["Add", "Mul", "Clip"])
@pytest.mark.parametrize("first", ["Relu", "Softplus", "Sigmoid", "Tanh", "Exp"])
def test_small_numbers_behind_an_activation_are_kept(first: str, last: str, tmp_path: Path) -> None:
    made = model([node(first, "x", "a"), node(last, "a small", "y")], {"small": np.float32(1e-6)})
    x = np.array([[-40.0, -12.0, 0.5, 7.0]], np.float32)
    got, wanted = read(made, tmp_path).predict(x), run(made, x)[0]
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6 * np.abs(wanted).max())


def test_a_bound_far_out_is_seen(tmp_path: Path) -> None:
    made = model([node("Relu", "x", "a"), node("Min", "a most", "y")], {"most": np.float32(2e4)})
    x = np.array([[-1.0, 0.5, 15000.0, 30000.0]], np.float32)
    np.testing.assert_array_equal(read(made, tmp_path).predict(x), run(made, x)[0])


@pytest.mark.parametrize("batch", [1, 3, "batch", None])
def test_a_batch_of_any_kind(batch: Any, tmp_path: Path) -> None:
    shape = np.array([3 if batch == 3 else 1 if batch == 1 else -1, 2, 2])
    made = model([node("Reshape", "x shape", "y")], {"shape": shape}, (batch, 4))
    net = read(made, tmp_path)
    assert repr(net.layers[1:]) == "[Reshape((2, 2))]"
    assert net.predict(np.ones((7, 4))).shape == (7, 2, 2)


def test_functions_of_the_file_are_written_out(tmp_path: Path) -> None:
    own = helper.make_function(
        "own",
        "Linear",
        ["x", "w"],
        ["y"],
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        [helper.make_opsetid("", 17)],
    )
    call = node("Linear", "x kernel", "y", domain="own")
    net = read(model([call], {"kernel": KERNEL}, functions=(own,)), tmp_path)
    assert repr(net.layers[1:]) == "[Dense(5, use_bias=False)]"


def test_the_dtype_is_that_of_the_weights(tmp_path: Path) -> None:
    for dtype in (np.float64, np.float32, np.float16):
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        made = model([node("MatMul", "x w", "y")], {"w": KERNEL.astype(dtype)}, dtype=kind)
        net = read(made, tmp_path)
        assert net.dtype == ("float64" if dtype == np.float64 else "float32")
        np.testing.assert_array_equal(net.get_weights()[0], KERNEL.astype(dtype))
