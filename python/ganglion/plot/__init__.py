"""Pictures of networks, of their training and of what came out.

Each function draws on the axes it is given as ``ax``, or on a new figure, and returns the axes.
None changes what it looks at. Needs matplotlib, which is loaded when used;
``python -m ganglion.examples.gallery`` draws all of them.
"""

from ganglion.plot.activations import activations
from ganglion.plot.attribution import filters, grad_cam, occlusion, saliency
from ganglion.plot.capsules import capsule_dimensions
from ganglion.plot.classification import calibration_curve, confusion_matrix, roc_curve
from ganglion.plot.curves import LiveCurves, learning_curves
from ganglion.plot.diagram import network
from ganglion.plot.distributions import dead_units, weight_histograms
from ganglion.plot.landscape import loss_landscape
from ganglion.plot.samples import SampleGrid, image_grid, latent_space

__all__ = [
    "LiveCurves",
    "SampleGrid",
    "activations",
    "calibration_curve",
    "capsule_dimensions",
    "confusion_matrix",
    "dead_units",
    "filters",
    "grad_cam",
    "image_grid",
    "latent_space",
    "learning_curves",
    "loss_landscape",
    "network",
    "occlusion",
    "roc_curve",
    "saliency",
    "weight_histograms",
]


def __dir__() -> list[str]:
    return __all__
