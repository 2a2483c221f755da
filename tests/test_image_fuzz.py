"""Random networks on images of odd sizes: fused as unfused, as the reference, on any threads."""

from __future__ import annotations

import numpy as np
import pytest
from traced import Traced

from ganglion import _core, layers
from ganglion.layers import Layer
from ganglion.value import Value

Array = np.ndarray
ACTIVATIONS = (None, "relu", "tanh", "gelu")
# Of a value that thousands of others may reach, summed in another order.
NEAR = {"float64": {"rtol": 1e-8, "atol": 1e-9}, "float32": {"rtol": 2e-3, "atol": 2e-3}}


class Stack:
    """Layers that a seed draws, each of which fits what the ones before leave of an image."""

    def __init__(self, seed: int) -> None:
        self.draw = np.random.default_rng(seed)
        self.shape = (None, self.count(4, 19), self.count(3, 19), self.count(1, 9))
        self.layers: list[Layer] = []
        self.rows, self.columns, self.channels = self.shape[1:]
        for _ in range(self.count(2, 6)):
            self.layers.append(self.layer())
        if self.draw.random() < 0.5:
            last = (layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D, layers.Flatten)
            self.layers += [last[self.count(0, 2)](), layers.Dense(3)]

    def __call__(self, x: Value) -> Value:
        for layer in self.layers:
            x = layer(x)
        return x

    def count(self, least: int, most: int) -> int:
        return int(self.draw.integers(least, most + 1))

    def pair(self, least: int, *most: int) -> tuple[int, int]:
        rows, columns = (self.count(least, max(least, each)) for each in most)
        return rows, columns

    def layer(self) -> Layer:
        kinds = [self.convolution, self.convolution, self.pooling, self.transposed, self.depthwise]
        kinds += [self.upsampling, self.normalisation, self.padding, self.residual]
        return kinds[self.count(0, len(kinds) - 1)]()

    def windows(self) -> dict[str, object]:
        """A kernel, and strides or a dilation, that fit the image."""
        padding = "same" if self.draw.random() < 0.5 else "valid"
        size = self.pair(1, min(5, self.rows), min(5, self.columns))
        chosen: dict[str, object] = {"padding": padding, "activation": self.activation()}
        if self.draw.random() < 0.3:
            chosen["dilation_rate"] = tuple(
                max(1, min(3, (extent - 1) // max(each - 1, 1)))
                for extent, each in zip((self.rows, self.columns), size, strict=True)
            )
        else:
            chosen["strides"] = self.pair(1, 3, 3)
        return {"kernel_size": size, **chosen}

    def activation(self) -> str | None:
        return ACTIVATIONS[self.count(0, len(ACTIVATIONS) - 1)]

    def shrink(self, chosen: dict[str, object]) -> None:
        """What a layer with such windows leaves of rows and columns."""
        sizes = chosen.get("kernel_size") or chosen["pool_size"]
        strides, dilation = chosen.get("strides", (1, 1)), chosen.get("dilation_rate", (1, 1))
        left = []
        for axis, extent in enumerate((self.rows, self.columns)):
            reach = (sizes[axis] - 1) * dilation[axis] if chosen["padding"] == "valid" else 0
            left.append(-(-(extent - reach) // strides[axis]))
        self.rows, self.columns = left

    def convolution(self) -> Layer:
        chosen = self.windows()
        groups = [each for each in (1, 1, 2, 3) if self.channels % each == 0]
        chosen["groups"] = groups[self.count(0, len(groups) - 1)]
        self.shrink(chosen)
        self.channels = chosen["groups"] * self.count(1, 12 // chosen["groups"])
        return layers.Conv2D(self.channels, use_bias=self.draw.random() < 0.7, **chosen)

    def depthwise(self) -> Layer:
        chosen = self.windows()
        if "strides" in chosen:  # one for both axes
            chosen["strides"] = (chosen["strides"][0],) * 2
        multiplier = self.count(1, 2)
        self.shrink(chosen)
        self.channels *= multiplier
        return layers.DepthwiseConv2D(depth_multiplier=multiplier, **chosen)

    def transposed(self) -> Layer:
        size, strides = self.pair(1, 4, 4), self.pair(1, 2, 2)
        self.rows, self.columns = self.rows * strides[0], self.columns * strides[1]
        self.channels = self.count(1, 6)
        return layers.Conv2DTranspose(
            self.channels, size, strides=strides, padding="same", activation=self.activation()
        )

    def pooling(self) -> Layer:
        kind = layers.MaxPooling2D if self.draw.random() < 0.6 else layers.AveragePooling2D
        chosen = {
            "pool_size": self.pair(1, min(3, self.rows), min(3, self.columns)),
            "strides": self.pair(1, 3, 3),
            "padding": "same" if self.draw.random() < 0.5 else "valid",
        }
        self.shrink(chosen)
        return kind(**chosen)

    def upsampling(self) -> Layer:
        size = self.pair(1, 2, 3) if self.rows * self.columns < 400 else (1, 1)
        self.rows, self.columns = self.rows * size[0], self.columns * size[1]
        return layers.UpSampling2D(size, ("nearest", "bilinear")[self.count(0, 1)])

    def normalisation(self) -> Layer:
        if self.draw.random() < 0.4:
            return layers.GroupNormalization(groups=1)
        return layers.BatchNormalization()

    def padding(self) -> Layer:
        rows, columns = self.pair(0, 2, 2), self.pair(0, 2, 2)
        self.rows, self.columns = self.rows + sum(rows), self.columns + sum(columns)
        return layers.ZeroPadding2D((rows, columns))

    def residual(self) -> Layer:
        inner = [layers.Conv2D(self.channels, 3, padding="same"), layers.BatchNormalization()]
        return layers.Residual(inner)


def check(seed: int, dtype: str = "float64") -> None:
    """A network of this seed with its gradients, in training and in prediction."""
    generator = np.random.default_rng(seed)
    rows = int(generator.choice([1, 2, 3, 5, 17]))
    training = seed % 3 > 0
    before = _core.get_num_threads()
    networks = [
        Traced(Stack(seed), [Stack(seed).shape], training=training, wrt=[0], dtype=dtype, fuse=fuse)
        for fuse in (True, False)
    ]
    for network in networks:
        network.randomize(np.random.default_rng(seed), 0.2)
    start = networks[0].store.array.copy()
    inputs = [generator.normal(size=(rows, *Stack(seed).shape[1:]))]
    inputs.append(generator.normal(size=(rows, *networks[0].output_shape[1:])))
    wanted = networks[1].refer(*inputs).values

    def run(network: Traced, threads: int) -> list[Array]:
        _core.set_num_threads(threads)
        network.store.array[:] = start  # moving statistics start over
        return network.run(*inputs)

    try:
        fused, unfused = (run(network, 1) for network in networks)
        shared = run(networks[0], 3)
    finally:
        _core.set_num_threads(before)
    for alone, together, plain, judged in zip(fused, shared, unfused, wanted, strict=True):
        np.testing.assert_array_equal(alone, together)
        np.testing.assert_allclose(alone, plain, **NEAR[dtype])
        np.testing.assert_allclose(plain, judged, **NEAR[dtype])


@pytest.mark.parametrize("seed", range(24))
def test_a_random_network_is_the_same_however_it_runs(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANGLION_SHARE_ALL", "1")
    check(seed)
