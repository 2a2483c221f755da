"""Tables of numbers and categories, made into the numbers that a network takes."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    OrdinalEncoder,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)
from sklearn.utils.validation import check_is_fitted, validate_data

from ganglion.errors import (
    check_boolean,
    check_choice,
    check_count,
    check_fraction,
    check_positive,
)
from ganglion.estimators.columns import (
    as_numbers,
    as_table,
    categorical_mask,
    check_categories,
    missing_values,
    with_nan,
)
from ganglion.estimators.failing import left_whole

# What OrdinalEncoder gives beside the known categories, which it counts from 0. All are moved up
# afterwards: an embedding is a row of a table, and has no row before 0.
_UNKNOWN, _MISSING = -2, -1


class TabularPreprocessor(TransformerMixin, BaseEstimator):
    """Scale the numbers of a table, fill in what is missing, and encode its categories.

    Columns of numbers are imputed and scaled, with a further column of zeros and ones for each
    that had missing values. Columns of categories are encoded; there a missing value is a category
    like the others. It is a scikit-learn ``ColumnTransformer`` of scikit-learn's own parts, chosen
    for networks.

    Parameters
    ----------
    scaling : {"standard", "robust", "quantile"} or None, default="standard"
        Of the numbers: mean 0 and deviation 1; median 0 and interquartile range 1, for columns with
        outliers; to the quantiles of a normal distribution, for skewed ones; or none.
    imputation : {"median", "mean", "most_frequent"}, default="median"
        What a missing number becomes. A column without any number becomes 0.
    missing_indicator : bool, default=True
        Whether to add a column of zeros and ones for each column of numbers that has missing values
        in ``fit``.
    encoding : {"onehot", "ordinal"}, default="onehot"
        Of the categories: a column of zeros and ones each; or one column of integers, for
        embeddings: 0 is a category that ``fit`` did not see, 1 is missing, the others follow.
    categorical_columns : "auto" or sequence of str or int, default="auto"
        Names or positions of the columns of categories. With ``"auto"`` they are those whose type
        is not a number or boolean; a column of objects is looked through.
    min_frequency : int, float or None, default=None
        Categories in fewer samples, or in a smaller share of them, are taken together.
    max_categories : int or None, default=None
        Most categories of a column; the rarest are taken together.

    Attributes
    ----------
    transformer_ : ColumnTransformer
        What does the work, with parts ``numbers``, ``missing`` and ``categories``.
    categorical_ : ndarray of shape (n_features_in_,)
        Which columns hold categories.
    n_codes_ : ndarray of shape (n_categorical_columns,)
        With ``encoding="ordinal"``: how many integers each column has, 0 and 1 among them. An
        embedding needs as many rows.
    n_features_in_ : int
        Columns of ``X``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where ``X`` had them.

    Notes
    -----
    With ``"onehot"`` a category that ``fit`` did not see is encoded as those taken together for
    being rare, and where there are none as zeros.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion import TabularPreprocessor
    >>> X = np.array([[20, "red"], [None, "blue"], [40, "red"]], dtype=object)
    >>> preprocessor = TabularPreprocessor(scaling=None).fit(X)
    >>> preprocessor.get_feature_names_out().tolist()
    ['x0', 'missingindicator_x0', 'x1_blue', 'x1_red']
    >>> preprocessor.transform(X).tolist()
    [[20.0, 0.0, 0.0, 1.0], [30.0, 1.0, 1.0, 0.0], [40.0, 0.0, 0.0, 1.0]]
    """

    def __init__(
        self,
        *,
        scaling: str | None = "standard",
        imputation: str = "median",
        missing_indicator: bool = True,
        encoding: str = "onehot",
        categorical_columns: str | Sequence[str | int] = "auto",
        min_frequency: float | None = None,
        max_categories: int | None = None,
    ) -> None:
        self.scaling = scaling
        self.imputation = imputation
        self.missing_indicator = missing_indicator
        self.encoding = encoding
        self.categorical_columns = categorical_columns
        self.min_frequency = min_frequency
        self.max_categories = max_categories

    def fit(self, X: ArrayLike, y: Any = None) -> TabularPreprocessor:
        """Learn scales, what to fill in, and the categories.

        Parameters
        ----------
        X : frame of pandas or polars, or array_like, shape (n_samples, n_features)
            NaN, None and null are missing values.
        y : ignored
            Not looked at.

        Returns
        -------
        TabularPreprocessor
            Itself, fitted.

        Raises
        ------
        TypeError
            For sparse data, for columns of dates, and for those of both text and numbers.
        ValueError
            For infinite numbers, unknown columns and settings out of range.
        """
        self._check_settings()
        with left_whole(self):
            table = self._read(X, reset=True)
            self.categorical_ = categorical_mask(
                table, self.categorical_columns, type(self).__name__
            )
            check_categories(table, np.flatnonzero(self.categorical_).tolist(), type(self).__name__)
            self.transformer_ = self._make_transformer(len(table))
            self.transformer_.fit(table)
            self.__dict__.pop("n_codes_", None)
            if self.encoding == "ordinal":
                self.n_codes_ = self._count_codes()
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return a table as the numbers that `fit` settled.

        Parameters
        ----------
        X : frame or array_like of shape (n_samples, n_features)
            With the columns that `fit` saw.

        Returns
        -------
        ndarray of shape (n_samples, n_features_out)
            float32; or what `set_output` asks for.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            For other columns than those of `fit`, text among numbers, and infinite numbers.
        """
        check_is_fitted(self)
        table = self._read(X, reset=False)
        return np.asarray(self.transformer_.transform(table), dtype=np.float32)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[Any]:
        """Return the names of the columns of the result.

        Parameters
        ----------
        input_features : array_like of str, optional
            Names of the columns of ``X``; those that `fit` saw by default.

        Returns
        -------
        ndarray of str
            ``age``, ``missingindicator_age``, ``sex_Female``.
        """
        check_is_fitted(self)
        names: NDArray[Any] = self.transformer_.get_feature_names_out(input_features)
        return names

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = []
        return tags

    def _check_settings(self) -> None:
        if self.scaling is not None:
            check_choice(self, ["standard", "robust", "quantile"], "scaling")
        check_choice(self, ["median", "mean", "most_frequent"], "imputation")
        check_choice(self, ["onehot", "ordinal"], "encoding")
        check_boolean(self, "missing_indicator")
        if self.max_categories is not None:
            check_count(self, "max_categories")
        if isinstance(self.min_frequency, numbers.Integral):
            check_count(self, "min_frequency")
        elif self.min_frequency is not None:
            check_positive(self, "min_frequency")
            check_fraction(self, "min_frequency")

    def _read(self, X: Any, *, reset: bool) -> Any:
        table = as_table(X, type(self).__name__)
        validate_data(self, table, reset=reset, skip_check_array=True)
        return table

    def _make_transformer(self, n_samples: int) -> ColumnTransformer:
        numeric, categorical = np.flatnonzero(~self.categorical_), np.flatnonzero(self.categorical_)
        uniform = FunctionTransformer(
            as_numbers, feature_names_out="one-to-one", kw_args={"place": type(self).__name__}
        )
        imputer = SimpleImputer(strategy=self.imputation, keep_empty_features=True)
        scaler = self._make_scaler(n_samples)
        parts = [("numbers", make_pipeline(uniform, imputer, scaler), numeric)]
        if self.missing_indicator:
            # Beside the pipeline and not in its imputer, since zeros and ones need no scaling.
            indicator = make_pipeline(uniform, MissingIndicator(error_on_new=False))
            parts.append(("missing", indicator, numeric))
        parts.append(("categories", make_pipeline(*self._make_encoders()), categorical))
        transformer = ColumnTransformer(
            parts, verbose_feature_names_out=False, sparse_threshold=0.0
        )
        return transformer.set_output(transform="default")

    def _make_scaler(self, n_samples: int) -> Any:
        if self.scaling == "standard":
            return StandardScaler()
        if self.scaling == "robust":
            return RobustScaler()
        if self.scaling == "quantile":
            return QuantileTransformer(
                n_quantiles=min(1000, n_samples), output_distribution="normal", random_state=0
            )
        return "passthrough"

    def _make_encoders(self) -> list[Any]:
        rare = {"min_frequency": self.min_frequency, "max_categories": self.max_categories}
        uniform = FunctionTransformer(with_nan, feature_names_out="one-to-one")
        if self.encoding == "onehot":
            encoder = OneHotEncoder(
                handle_unknown="infrequent_if_exist",
                sparse_output=False,
                dtype=np.float32,
                **rare,
            )
            return [uniform, encoder]
        encoder = OrdinalEncoder(
            handle_unknown="use_encoded_value",
            unknown_value=_UNKNOWN,
            encoded_missing_value=_MISSING,
            **rare,
        )
        return [uniform, encoder, FunctionTransformer(_from_zero, feature_names_out="one-to-one")]

    def _count_codes(self) -> NDArray[np.intp]:
        if not self.categorical_.any():
            return np.zeros(0, dtype=np.intp)
        encoder = self.transformer_.named_transformers_["categories"][1]
        # Only an encoder that may take some together has this attribute.
        taken_together = getattr(encoder, "infrequent_categories_", repeat(None))
        counts = []
        for known, rare in zip(encoder.categories_, taken_together, strict=False):
            together = 0 if rare is None else len(rare) - 1
            counts.append(np.count_nonzero(~missing_values(known)) - together - _UNKNOWN)
        return np.array(counts, dtype=np.intp)


def _from_zero(codes: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    return codes - _UNKNOWN
