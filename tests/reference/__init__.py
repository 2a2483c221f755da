"""The judge: a NumPy float64 interpreter of programs, written apart from the C++ core.

It reads `Program.describe()`, fused or not, and runs it with formulas of its own. Slow and plain on
purpose: every operation is one line or a few, and nothing is shared with what it judges.
"""

from reference import convolution, pooling, resampling, routing  # noqa: F401  (enter theirs)
from reference.elementwise import ELEMENTWISE
from reference.operations import OPERATIONS
from reference.philox import RANDOM
from reference.program import Result, run

__all__ = ["ELEMENTWISE", "OPERATIONS", "RANDOM", "Result", "run"]
