"""The networks that are measured. A row of the table is added here, and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmarks.images import IMAGES
from benchmarks.recurrences import RECURRENCES

# Epochs of one turn. What a library does once a call, such as looking for NaN, is shared by them,
# as it is when a network is trained for many.
EPOCHS = 4
# Floating point operations of one turn, about, and steps of one epoch.
TURN_FLOPS = 16e9
MIN_STEPS, MAX_STEPS = 4, 400


@dataclass(frozen=True)
class Case:
    """A dense network with softmax at its end, what stands before it, and a batch size."""

    widths: tuple[int, ...]
    batch_size: int
    images: str = ""  # one of IMAGES
    recurrent: str = ""  # one of RECURRENCES
    activation: str = "relu"  # between the layers
    label: str = ""

    @property
    def name(self) -> str:
        """As the tables show it: ``20-64-64-2, 32``."""
        return (self.label or "-".join(map(str, self.widths))) + f", {self.batch_size}"

    @property
    def products(self) -> list[int]:
        """Multiply-adds of each layer, for one sample."""
        before = IMAGES[self.images] or RECURRENCES[self.recurrent]
        dense = [a * b for a, b in zip(self.widths, self.widths[1:], strict=False)]
        recurrence = RECURRENCES[self.recurrent]
        if recurrence and recurrence.each_step:
            dense = [recurrence.steps * product for product in dense]
        return (before.products if before else []) + dense

    @property
    def flops(self) -> int:
        """Of one step's products: forward, and two for each gradient but the input's."""
        return 2 * self.batch_size * (3 * sum(self.products) - self.products[0])

    @property
    def prediction_flops(self) -> int:
        """Of one row's products, forward alone."""
        return 2 * sum(self.products)

    @property
    def steps(self) -> int:
        """Steps of one epoch: enough that a call's own cost does not show."""
        return max(MIN_STEPS, min(MAX_STEPS, int(TURN_FLOPS / EPOCHS / self.flops)))

    @property
    def arguments(self) -> dict[str, Any]:
        """What a worker's task needs to know of it."""
        return {
            "widths": self.widths,
            "batch_size": self.batch_size,
            "steps": self.steps,
            "images": self.images,
            "recurrent": self.recurrent,
            "activation": self.activation,
        }


TWO_CONVOLUTIONS = Case(
    (1600, 10), 64, "two convolutions", label="conv32-pool-conv64-pool-10 on 28x28"
)
CASES = [
    Case((20, 64, 64, 2), 32),
    Case((20, 64, 64, 2), 256),
    Case((64, 100, 10), 32),
    Case((784, 128, 10), 32),
    Case((784, 128, 10), 128),
    Case((784, 512, 512, 10), 128),
    Case((784, 2048, 2048, 10), 256),
    TWO_CONVOLUTIONS,
    Case((400, 120, 84, 10), 64, "LeNet-5", activation="tanh", label="LeNet-5 (tanh)"),
    Case((128, 10), 64, recurrent="LSTM over 28x28", label="LSTM 128 over 28x28"),
    Case((128, 10), 64, recurrent="GRU over 28x28", label="GRU 128 over 28x28"),
    Case((128, 10), 64, recurrent="SimpleRNN over 28x28", label="SimpleRNN 128 over 28x28"),
    Case((128, 64), 64, recurrent="characters", label="LSTM 128 over 64 characters of 64"),
]

# Rows of one call of predict, through one network.
PREDICTIONS = [Case((784, 128, 10), rows) for rows in (1, 32, 10_000)]


@dataclass(frozen=True)
class Goal:
    """A share of Fashion-MNIST's test set, and the epochs a network is given to reach it."""

    case: Case
    accuracy: float
    epochs: int


# Time to accuracy, by the names of `python -m benchmarks accuracy --network`.
ACCURACY = {
    "dense": Goal(Case((784, 256, 128, 10), 128), 0.88, 15),
    "convolutional": Goal(TWO_CONVOLUTIONS, 0.9, 15),
}
