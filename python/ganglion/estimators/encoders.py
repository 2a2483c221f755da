"""What makes numbers of categories: scikit-learn's encoders, as a network needs them."""

from __future__ import annotations

from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import KFold
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, TargetEncoder

from ganglion.estimators.columns import missing_values

# What OrdinalEncoder gives beside the known categories, which it counts from 0. All are moved up
# afterwards: an embedding is a row of a table, and has no row before 0.
_UNKNOWN, _MISSING = -2, -1


class Codes(OrdinalEncoder):
    """Integers from 0: 0 is a category that ``fit`` did not see, 1 is missing, the others follow.

    Parameters
    ----------
    min_frequency, max_categories
        As for scikit-learn's ``OrdinalEncoder``.

    Examples
    --------
    >>> codes = Codes().fit(np.array([["b"], ["a"]], dtype=object))
    >>> codes.transform(np.array([["a"], ["b"], ["c"], [np.nan]], dtype=object)).ravel().tolist()
    [2.0, 3.0, 0.0, 1.0]
    >>> codes.counts().tolist()
    [4]
    """

    def __init__(self, *, min_frequency: Any = None, max_categories: int | None = None) -> None:
        super().__init__(
            handle_unknown="use_encoded_value",
            unknown_value=_UNKNOWN,
            encoded_missing_value=_MISSING,
            min_frequency=min_frequency,
            max_categories=max_categories,
        )

    def transform(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Return the codes of an array of objects, NaN where one is missing, shape (n, d)."""
        codes: NDArray[np.float64] = super().transform(X)
        # In a column that had none before, the encoder takes a missing value for an unknown one.
        codes[missing_values(X)] = _MISSING
        return codes - _UNKNOWN

    def counts(self) -> NDArray[np.intp]:
        """Return how many codes each column has, 0 and 1 among them, shape (d,)."""
        # Only an encoder that may take some together has this attribute.
        taken_together = getattr(self, "infrequent_categories_", repeat(None))
        counts = []
        for known, rare in zip(self.categories_, taken_together, strict=False):
            together = 0 if rare is None else len(rare) - 1
            counts.append(np.count_nonzero(~missing_values(known)) - together - _UNKNOWN)
        return np.array(counts, dtype=np.intp)


def one_hot(**rare: Any) -> OneHotEncoder:
    """Return an encoder to a column of zeros and ones for each category, dense in float32."""
    return OneHotEncoder(
        handle_unknown="infrequent_if_exist", sparse_output=False, dtype=np.float32, **rare
    )


def target_means() -> TargetEncoder:
    """Return an encoder to the mean target of each category, with the same folds in each fit."""
    # Before 1.9 it made the folds itself; from then on it says so when it is asked to.
    makes_folds = TargetEncoder().random_state != "deprecated"
    folds = {"random_state": 0} if makes_folds else {"cv": KFold(5, shuffle=True, random_state=0)}
    return TargetEncoder(**folds)
