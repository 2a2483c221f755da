"""Tables of numbers and categories, made into the numbers that a network takes."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)
from sklearn.utils import column_or_1d
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
    names_of,
    with_nan,
)
from ganglion.estimators.encoders import Codes, one_hot, target_means
from ganglion.estimators.failing import left_whole

_LARGEST = float(np.finfo(np.float32).max)


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
    encoding : {"onehot", "ordinal", "target"}, default="onehot"
        Of the categories: a column of zeros and ones each; or one column of integers, for
        embeddings: 0 is a category that ``fit`` did not see, 1 is missing, the others follow; or
        the mean of the target in each category, of several classes the share of each, scaled as
        numbers are, for columns of very many categories.
    categorical_columns : "auto" or sequence of str or int, default="auto"
        Names or positions of the columns of categories. With ``"auto"`` they are those whose type
        is not a number or boolean; a column of objects is looked through.
    min_frequency : int, float or None, default=None
        Categories in fewer samples, or in a smaller share of them, are taken together. Not with
        ``"target"``, which does not need it.
    max_categories : int or None, default=None
        Most categories of a column; the rarest are taken together. Not with ``"target"``.

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
    being rare, and where there are none as zeros. With ``"target"`` it is the mean of all.

    With ``"target"`` the targets of a sample must not show in its own features: `fit_transform`,
    which a pipeline calls, takes each fifth of the samples by the means of the others, as
    scikit-learn's ``TargetEncoder`` does. So it differs from `fit` and then `transform`.

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
        y : array_like of shape (n_samples,), optional
            Classes or numbers, with ``encoding="target"``; otherwise not looked at.

        Returns
        -------
        TabularPreprocessor
            Itself, fitted.

        Raises
        ------
        TypeError
            For sparse data, for columns of dates, and for those of both text and numbers.
        ValueError
            For numbers that are infinite or beyond float32, unknown columns, settings out of range,
            and targets that are missing where they are needed.
        """
        with left_whole(self):
            self._fit_transform(X, y)
        return self

    def fit_transform(self, X: ArrayLike, y: Any = None) -> NDArray[np.float32]:
        """Learn as `fit` does, and return the table as numbers.

        Parameters
        ----------
        X, y
            As for `fit`.

        Returns
        -------
        ndarray of shape (n_samples, n_features_out)
            As from `transform`; but with ``encoding="target"`` see the notes.

        Raises
        ------
        TypeError, ValueError
            As `fit`.
        """
        with left_whole(self):
            return self._in_float32(self._fit_transform(X, y))

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
            For other columns than those of `fit`, text among numbers, and numbers that are infinite
            or, scaled or not, beyond float32.
        """
        check_is_fitted(self)
        table = self._read(X, reset=False)
        return self._in_float32(self.transformer_.transform(table))

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
        tags.target_tags.required = self.encoding == "target"
        return tags

    def _check_settings(self) -> None:
        if self.scaling is not None:
            check_choice(self, ["standard", "robust", "quantile"], "scaling")
        check_choice(self, ["median", "mean", "most_frequent"], "imputation")
        check_choice(self, ["onehot", "ordinal", "target"], "encoding")
        check_boolean(self, "missing_indicator")
        if self.max_categories is not None:
            check_count(self, "max_categories")
        if isinstance(self.min_frequency, numbers.Integral):
            check_count(self, "min_frequency")
        elif self.min_frequency is not None:
            check_positive(self, "min_frequency")
            check_fraction(self, "min_frequency")
        if self.encoding == "target":
            for name in ("min_frequency", "max_categories"):
                if getattr(self, name) is not None:
                    raise ValueError(
                        f'[{type(self).__name__}] {name} must be None with encoding="target", got '
                        f"{getattr(self, name)!r}"
                    )

    def _fit_transform(self, X: Any, y: Any) -> NDArray[Any]:
        """Settle what `transform` does, and return what `fit_transform` does, in any type."""
        name = type(self).__name__
        self._check_settings()
        table = self._read(X, reset=True)
        self.categorical_ = categorical_mask(table, self.categorical_columns, name)
        unbounded = self.max_categories is None and self.min_frequency is None
        check_categories(
            table,
            np.flatnonzero(self.categorical_).tolist(),
            name,
            one_hot=self.encoding == "onehot" and unbounded,
        )
        targets = None
        if self.encoding == "target":
            if y is None:
                raise ValueError(
                    f'[{name}] encoding="target" requires y to be passed, but the target y is None'
                )
            targets = column_or_1d(y)
        self.transformer_ = self._make_transformer(table)
        values: NDArray[Any] = self.transformer_.fit_transform(table, targets)
        self.__dict__.pop("n_codes_", None)
        if self.encoding == "ordinal":
            self.n_codes_ = self._count_codes()
        return values

    def _in_float32(self, values: NDArray[Any]) -> NDArray[np.float32]:
        names = self.transformer_.get_feature_names_out()
        return _bounded(values, type(self).__name__, names).astype(np.float32, copy=False)

    def _read(self, X: Any, *, reset: bool) -> Any:
        table = as_table(X, type(self).__name__)
        validate_data(self, table, reset=reset, skip_check_array=True)
        return table

    def _make_transformer(self, table: Any) -> ColumnTransformer:
        numeric, categorical = np.flatnonzero(~self.categorical_), np.flatnonzero(self.categorical_)
        names = [names_of(table)[position] for position in numeric]
        uniform = FunctionTransformer(
            _as_bounded_numbers,
            feature_names_out="one-to-one",
            kw_args={"place": type(self).__name__, "names": names},
        )
        imputer = SimpleImputer(strategy=self.imputation, keep_empty_features=True)
        scaler = self._make_scaler(len(table))
        parts = [("numbers", make_pipeline(uniform, imputer, scaler), numeric)]
        if self.missing_indicator:
            # Beside the pipeline and not in its imputer, since zeros and ones need no scaling.
            indicator = make_pipeline(uniform, MissingIndicator(error_on_new=False))
            parts.append(("missing", indicator, numeric))
        encoders = make_pipeline(*self._make_encoders(len(table)))
        parts.append(("categories", encoders, categorical))
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

    def _make_encoders(self, n_samples: int) -> list[Any]:
        rare: dict[str, Any] = {
            "min_frequency": self.min_frequency,
            "max_categories": self.max_categories,
        }
        uniform = FunctionTransformer(with_nan, feature_names_out="one-to-one")
        if self.encoding == "onehot":
            return [uniform, one_hot(**rare)]
        if self.encoding == "ordinal":
            return [uniform, Codes(**rare)]
        return [uniform, target_means(), self._make_scaler(n_samples)]

    def _count_codes(self) -> NDArray[np.intp]:
        if not self.categorical_.any():
            return np.zeros(0, dtype=np.intp)
        codes: Codes = self.transformer_.named_transformers_["categories"][-1]
        return codes.counts()


def _as_bounded_numbers(X: Any, place: str, names: Sequence[str]) -> NDArray[Any]:
    # Before the scaling, since one such number makes mean and deviation infinite.
    return _bounded(as_numbers(X, place), place, names)


def _bounded(values: NDArray[Any], place: str, names: Sequence[str]) -> NDArray[Any]:
    """Return an array, (n, d), after a check that float32 has its numbers; NaN may be among them.

    Raises
    ------
    ValueError
        Naming the first that it has not, with its row and the name of its column.
    """
    beyond = np.abs(values) > _LARGEST
    if beyond.any():
        row, column = np.argwhere(beyond)[0]
        raise ValueError(
            f"[{place}] column {names[column]!r} must hold numbers that float32 has, up to 3.4e38, "
            f"got {values[row, column]:g} at row {row}"
        )
    return values
