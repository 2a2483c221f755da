"""What happens between the epochs of a fit: stopping, saving, changing the learning rate."""

from ganglion.callbacks.base import Callback, LambdaCallback
from ganglion.callbacks.files import CSVLogger, ModelCheckpoint
from ganglion.callbacks.learning_rate import LearningRateScheduler, ReduceLROnPlateau
from ganglion.callbacks.pruning import OptunaPruning
from ganglion.callbacks.recording import LayerRecorder, WeightRecorder
from ganglion.callbacks.stopping import EarlyStopping, TerminateOnNaN
from ganglion.callbacks.unfreezing import GradualUnfreezing

__all__ = [
    "CSVLogger",
    "Callback",
    "EarlyStopping",
    "GradualUnfreezing",
    "LambdaCallback",
    "LayerRecorder",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "OptunaPruning",
    "ReduceLROnPlateau",
    "TerminateOnNaN",
    "WeightRecorder",
]


def __dir__() -> list[str]:
    return __all__
