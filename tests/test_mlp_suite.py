"""scikit-learn's own tests of its multi-layer perceptron, run against ours.

They are those of the installed version. The two names are replaced before the module is imported; what
cannot pass is listed, with the reason, in CONTRIBUTING.md.
"""

from __future__ import annotations

import importlib
import sys
from unittest import mock

import pytest

import ganglion

MODULE = "sklearn.neural_network.tests.test_mlp"
