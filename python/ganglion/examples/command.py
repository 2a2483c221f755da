"""What the examples share: their command lines, on which a mistake is answered by one line."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NoReturn

import numpy as np

from ganglion.datasets import Dataset, read_mnist
from ganglion.optional import require


def require_libraries(module_name: str, **extras: str) -> None:
    """Look for scikit-learn, matplotlib and others before an example imports them.

    Parameters
    ----------
    module_name : str
        ``__name__`` of the example: a command ends with one line, an import raises.
    **extras : str
        Further modules, each with the extra of ganglion that installs it: ``pandas="tabular"``.

    Raises
    ------
    ImportError
        When one of them is not installed, with the command that installs it.
    """
    try:
        require("sklearn", "ganglion.examples", extra="sklearn", distribution="scikit-learn")
        require("matplotlib", "ganglion.examples", extra="sklearn")
        for module, extra in extras.items():
            require(module, "ganglion.examples", extra=extra)
    except ImportError as error:
        if module_name != "__main__":
            raise
        print(error, file=sys.stderr)
        raise SystemExit(2) from None


class Command(argparse.ArgumentParser):
    """The command line of an example. Mistakes end the process with one line and exit code 2.

    Parameters
    ----------
    name : str
        Of the example's module.
    description : str or None
        What it does.

    Examples
    --------
    >>> command = Command("digits", "Recognise digits.")
    >>> command.add_seed()
    >>> command.parse_args(["--seed", "3"]).seed
    3
    """

    def __init__(self, name: str, description: str | None) -> None:
        super().__init__(prog=f"python -m ganglion.examples.{name}", description=description)

    def error(self, message: str) -> NoReturn:
        """End the process; argparse's own also prints the usage, in which the mistake is lost."""
        self.exit(2, f"{self.prog}: {message}\n")

    def add_seed(self) -> None:
        """Take ``--seed``, 0 by default."""
        self.add_argument(
            "--seed",
            type=_seed,
            default=0,
            help="of weights, order of samples and dropout: the same number gives the same result",
        )

    def add_count(self, option: str, default: int | None, what: str) -> None:
        """Take a positive integer; by default None where it depends on other options."""
        shown = "as suits" if default is None else default
        self.add_argument(option, type=_count, default=default, help=f"{what} ({shown})")

    def add_epochs(self, default: int | None) -> None:
        """Take ``--epochs``, a positive integer."""
        self.add_count("--epochs", default, "passes over the data")

    def add_images(self) -> None:
        """Take ``--data``, a folder of MNIST's or Fashion-MNIST's files, for `read_images`."""
        self.add_argument(
            "--data", type=Path, help="folder of four IDX files (the digits of scikit-learn)"
        )

    def read_images(self, folder: Path | None) -> Dataset:
        """Return images, with pixels from 0 to 1: of the folder, or scikit-learn's digits."""
        if folder is None:
            from sklearn.datasets import load_digits
            from sklearn.model_selection import train_test_split

            data = load_digits()
            X_train, X_test, y_train, y_test = train_test_split(
                data.images, data.target, test_size=0.25, stratify=data.target, random_state=0
            )
            return Dataset(np.float32(X_train / 16), y_train, np.float32(X_test / 16), y_test)
        try:
            found = read_mnist(folder)
        except (OSError, ValueError) as error:
            self.error(str(error))
        return found._replace(
            X_train=np.float32(found.X_train / 255), X_test=np.float32(found.X_test / 255)
        )

    def add_output(self, default: str) -> None:
        """Take ``--output``, a picture that matplotlib can write where it shall be."""
        # As text, so that the default is checked too.
        self.add_argument(
            "--output", type=_picture, default=default, help=f"picture to write ({default})"
        )


def _count(text: str) -> int:
    return _integer(text, 1, 2**31, "a positive integer")


def _seed(text: str) -> int:
    # scikit-learn, which splits the data by it, takes no larger one.
    return _integer(text, 0, 2**32, "an integer of at least 0 and less than 2**32")


def _integer(text: str, minimum: int, below: int, wanted: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = minimum - 1
    if not minimum <= value < below:
        raise argparse.ArgumentTypeError(f"must be {wanted}, got {text!r}")
    return value


def _picture(text: str) -> Path:
    from matplotlib.backend_bases import FigureCanvasBase

    path = Path(text)
    formats = FigureCanvasBase.get_supported_filetypes()
    if path.suffix[1:].lower() not in formats:
        endings = ", ".join(sorted(formats))
        raise argparse.ArgumentTypeError(f"must end in one of {endings}, got {text!r}")
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"folder {path.parent} does not exist")
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is a folder")
    return path
