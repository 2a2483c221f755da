"""Search for good settings in four ways: grid, random, halving over epochs, and Optuna.

The data are scikit-learn's 1797 handwritten digits, of which a quarter is kept for the test. Each
way looks for the width and the learning rate of a network; what it found is trained on all other
digits. Halving trains many networks for a few epochs and the best of them for more; what is kept in
a folder lets them go on where they stood. Optuna gives up on a trial that does worse than others.
"""

# ruff: noqa: E402  the libraries are looked for before they are imported

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

from ganglion.examples.command import Command, require_libraries

require_libraries(__name__, optuna="search")

import numpy as np
import optuna
from scipy.stats import loguniform
from sklearn.datasets import load_digits
from sklearn.experimental import enable_halving_search_cv  # noqa: F401  makes it importable
from sklearn.model_selection import (
    GridSearchCV,
    HalvingRandomSearchCV,
    RandomizedSearchCV,
    train_test_split,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler

from ganglion import NeuralClassifier
from ganglion.callbacks import OptunaPruning

EPOCHS = 18
WIDTHS = [(16,), (32,), (64,), (128,)]
RATES = (1e-4, 1e-1)
# As many networks as the grid has.
TRIALS = 12

Settings = dict[str, Any]
Search = Callable[[np.ndarray, np.ndarray, int], Settings]


def _network(seed: int, **settings: Any) -> Pipeline:
    network = NeuralClassifier(**{"epochs": EPOCHS, "random_state": seed, **settings})
    return Pipeline([("scale", MinMaxScaler()), ("network", network)])


def _grid(X: np.ndarray, y: np.ndarray, seed: int) -> Settings:
    grid = {"network__layers": WIDTHS, "network__learning_rate": [1e-3, 1e-2, 1e-1]}
    return _found(GridSearchCV(_network(seed), grid, cv=3, refit=False).fit(X, y))


def _random(X: np.ndarray, y: np.ndarray, seed: int) -> Settings:
    space = {"network__layers": WIDTHS, "network__learning_rate": loguniform(*RATES)}
    search = RandomizedSearchCV(
        _network(seed), space, n_iter=TRIALS, cv=3, refit=False, random_state=seed
    )
    return _found(search.fit(X, y))


def _halving(X: np.ndarray, y: np.ndarray, seed: int) -> Settings:
    space = {"network__layers": WIDTHS, "network__learning_rate": loguniform(*RATES)}
    with tempfile.TemporaryDirectory() as memory:
        search = HalvingRandomSearchCV(
            _network(seed, memory=memory),
            space,
            resource="network__epochs",
            min_resources=2,
            max_resources=EPOCHS,
            n_candidates=3 * TRIALS,
            factor=3,
            cv=3,
            refit=False,
            random_state=seed,
        )
        return _found(search.fit(X, y))


def _optuna(X: np.ndarray, y: np.ndarray, seed: int) -> Settings:
    def objective(trial: optuna.Trial) -> float:
        model = _network(
            seed,
            layers=(trial.suggest_int("width", 16, 128, log=True),),
            learning_rate=trial.suggest_float("learning_rate", *RATES, log=True),
            early_stopping=True,
            callbacks=[OptunaPruning(trial)],
        )
        return float(min(model.fit(X, y)["network"].history_["val_loss"]))

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=seed), pruner=optuna.pruners.MedianPruner()
    )
    study.optimize(objective, n_trials=3 * TRIALS)
    best = study.best_params
    return {"layers": (best["width"],), "learning_rate": best["learning_rate"]}


def _found(search: Any) -> Settings:
    best = search.best_params_
    return {name: best[f"network__{name}"] for name in ("layers", "learning_rate")}


SEARCHES: dict[str, Search] = {
    "grid": _grid,
    "random": _random,
    "halving": _halving,
    "optuna": _optuna,
}


def main(arguments: Sequence[str] | None = None) -> dict[str, float]:
    """Search in the ways asked for, and print what each found.

    Parameters
    ----------
    arguments : sequence of str, optional
        Command line; that of the process by default.

    Returns
    -------
    dict of str to float
        Accuracy on the test digits of what each way found.
    """
    command = Command("search", __doc__)
    command.add_argument(
        "--by", nargs="+", choices=SEARCHES, default=list(SEARCHES), help="ways to search (all)"
    )
    command.add_seed()
    options = command.parse_args(arguments)
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.25, stratify=y, random_state=0
    )
    print(f"{'search':<10}{'seconds':>9}{'width':>7}{'rate':>9}{'test accuracy':>15}")
    accuracies = {}
    for name in options.by:
        started = time.perf_counter()
        best = SEARCHES[name](X_train, y_train, options.seed)
        seconds = time.perf_counter() - started
        model = _network(options.seed, **best).fit(X_train, y_train)
        accuracies[name] = float(model.score(X_test, y_test))
        print(
            f"{name:<10}{seconds:>9.1f}{best['layers'][0]:>7}{best['learning_rate']:>9.4f}"
            f"{accuracies[name]:>15.4f}"
        )
    return accuracies


if __name__ == "__main__":
    main()
