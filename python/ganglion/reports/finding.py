"""One line of a report on data."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

NO_ROWS: NDArray[np.intp] = np.zeros(0, dtype=np.intp)
NO_ROWS.flags.writeable = False


@dataclass(frozen=True, eq=False)
class Finding:
    """Something about the data that is worth a look.

    Attributes
    ----------
    check : str
        What was looked for, such as ``"missing values"``.
    where : str
        Columns, rows or classes.
    found : str
        What was found, with numbers.
    advice : str
        What may be done about it.
    rows : ndarray of int
        Positions of the rows it is about: in the test data for ``"rows of both"``, otherwise in the
        training data. Empty where it is about columns.

    Examples
    --------
    >>> Finding("constant columns", "x0", "one value", "leave them out").rows.size
    0
    """

    check: str
    where: str
    found: str
    advice: str
    rows: NDArray[np.intp] = field(default_factory=lambda: NO_ROWS)
