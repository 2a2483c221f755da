"""What every schedule is: a function of the step."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ganglion.spec import Spec

Floats = npt.NDArray[np.float64]


class Schedule(Spec, kind="schedule"):
    """Base of the schedules: `schedule(step)` is the learning rate at each step.

    A schedule of your own is a subclass with a `rate` method; a plain function of an array of steps
    also works wherever a schedule does.
    """

    def __call__(self, step: npt.ArrayLike) -> Floats:
        """Return the learning rate of each step.

        Parameters
        ----------
        step : array_like of int
            Batches trained so far, 0 for the first.

        Returns
        -------
        ndarray of float64, the shape of `step`
        """
        return np.asarray(self.rate(np.asarray(step, dtype=np.float64)), dtype=np.float64)

    def rate(self, step: Floats) -> Floats:
        """Return the learning rate at each of the float64 `step`."""
        raise NotImplementedError(f"[{type(self).__name__}] has no rate method")
