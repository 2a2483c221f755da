"""Which files of a folder are images, and of which class."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ganglion.errors import suggestion

# Endings of the files that are taken for images; others are left alone.
_ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")


def check_folder(path: str) -> None:
    """Raise when there is no such folder.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        Naming the path.
    """
    if not os.path.exists(path):
        raise FileNotFoundError(f"[ImageFolder] path {path!r} does not exist")
    if not os.path.isdir(path):
        raise NotADirectoryError(f"[ImageFolder] path {path!r} is a file, expected a folder")


def find_classes(path: str, class_names: Sequence[str] | None) -> list[str]:
    """Return the folders that are classes: those named, or all, sorted.

    Raises
    ------
    ValueError
        When there are none, or one that is named is not there.
    """
    with os.scandir(path) as entries:
        shown = [entry for entry in entries if not entry.name.startswith(".")]
    folders = sorted(entry.name for entry in shown if entry.is_dir())
    if not folders:
        raise ValueError(
            f"[ImageFolder] {path!r} has no folders of classes, expected "
            f"{os.path.join(path, '<class>', '<image>')}, found {len(shown)} files; "
            "labels=None reads images without classes"
        )
    if class_names is None:
        return folders
    chosen = list(class_names)
    if isinstance(class_names, str) or not chosen or len(set(chosen)) < len(chosen):
        raise ValueError(
            f"[ImageFolder] class_names must be a list of different names, got {class_names!r}"
        )
    for name in chosen:
        if name not in folders:
            raise ValueError(
                f"[ImageFolder] {path!r} has no folder of class {name!r}{suggestion(name, folders)}"
            )
    return chosen


def find_images(path: str, what: str) -> list[str]:
    """Return the images in a folder and those within, sorted.

    Parameters
    ----------
    path : str
        The folder.
    what : str
        What it is, for the error.

    Raises
    ------
    ValueError
        When there are none.
    """
    found = [
        os.path.join(folder, name)
        for folder, _, names in os.walk(path)
        for name in names
        if name.lower().endswith(_ENDINGS) and not name.startswith(".")
    ]
    if not found:
        raise ValueError(
            f"[ImageFolder] {what} has no images: in {path!r} no file ends in {', '.join(_ENDINGS)}"
        )
    return sorted(found)
