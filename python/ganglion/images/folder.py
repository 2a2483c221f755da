"""Images of a folder, one folder a class, as a source."""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ganglion import _core
from ganglion.errors import as_tuple, check_boolean, check_choice, check_count
from ganglion.images.decoding import FILTERS, MODES, Decoder, pillow, reason_not_to
from ganglion.images.files import check_folder, find_classes, find_images
from ganglion.source import Source

Array = NDArray[Any]

# Bytes. On two processors one worker reads JPEG files of 1.5 KB a third faster than two workers, of
# 2.8 KB as fast, and of 6 KB a third slower.
_SMALL_FILE = 2800
# Files that a worker looks at together when all are checked.
_CHECKED_TOGETHER = 64
# Unreadable files that a message names; `skipped` has them all.
_NAMED = 20


class ImageFolder(Source):
    """Images of a folder, read and resized batch by batch while a network trains.

    ``path/cats/tom.jpg`` is an image of the class ``"cats"``: each folder in ``path`` is a class,
    and all images in it, or in folders within, are of that class. `Sequential` takes an ImageFolder
    for ``fit``, ``evaluate`` and ``predict``, with its labels; estimators do not.

    Only file names and labels are in memory, and the few batches that are read ahead. The images
    arrive as uint8, from 0 to 255: let the network begin with ``layers.Rescaling(1 / 255)``.

    Gray, palettes, CMYK and transparency become ``color_mode``; of an animation the first image is
    taken. Images of 16 or 32 bits a channel are refused. An orientation in a photograph's metadata
    is not applied. Shrinking averages over all pixels, where Keras's functions by default look at
    few of them, and large JPEG files are decoded at a lower resolution first.

    Needs the library Pillow: ``pip install "ganglion[images]"``.

    Parameters
    ----------
    path : str or path
        Folder of the classes' folders.
    image_size : (int, int), default=(256, 256)
        Height and width to resize to.
    color_mode : {"rgb", "rgba", "grayscale"}, default="rgb"
        Channels: 3, 4 or 1.
    class_names : sequence of str, optional
        Which folders, in which order. By default all, sorted by name. Those of the folder that a
        network was trained on give another folder the same labels.
    labels : {"inferred", None}, default="inferred"
        None for images without classes: all that are in ``path`` or in folders within.
    interpolation : {"bilinear", "nearest", "bicubic", "area", "lanczos3"}
        How to resize.
    crop_to_aspect_ratio : bool, default=False
        Cut the sides off that do not fit, instead of distorting the image.
    on_error : {"raise", "skip"}, default="raise"
        Every file is looked at before anything is trained. ``"raise"`` reads the beginning of each:
        a file that is no image or of 16 bits is an error at once; one that is damaged further on is
        an error when it is read. ``"skip"`` decodes each, which takes as long as an epoch's
        reading, leaves unreadable ones out and names them in one warning.
    workers : int, optional
        Threads that decode at once; by default as many as there are processors, or one where files
        are smaller than about 3 KB. The batches do not depend on it.
    max_queue_size : int, default=2
        Batches that are read ahead.

    Attributes
    ----------
    class_names : list of str
        The class of label 0, 1, ...; empty without labels.
    labels : ndarray of int64, shape (n,), or None
        Of each image.
    paths : list of str
        Of each image, sorted by class and name.
    skipped : dict of str to str
        Why files were left out, by their paths.
    sample_shape : tuple
        ``(height, width, channels)``.

    Raises
    ------
    ImportError
        Without Pillow.
    FileNotFoundError, NotADirectoryError
        When ``path`` is no folder.
    ValueError
        When there are no classes, a class has no images, a file cannot be read, or a setting is out
        of range; the message names it.

    Warns
    -----
    UserWarning
        Once, when files were left out.

    Examples
    --------
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> for name, color in ("night", (0, 0, 40)), ("noon", (200, 220, 255)):
    ...     Path("skies", name).mkdir(parents=True)
    ...     for number in range(10):
    ...         Image.new("RGB", (20, 15), color).save(f"skies/{name}/{number}.png")
    >>> skies = ImageFolder("skies", image_size=(8, 8))
    >>> skies
    ImageFolder('skies', image_size=(8, 8)): 20 images of 2 classes
    >>> skies.class_names
    ['night', 'noon']
    >>> from ganglion import Sequential, layers, optimizers
    >>> net = Sequential(
    ...     [layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(2, activation="softmax")],
    ...     loss="sparse_categorical_crossentropy",
    ...     optimizer=optimizers.Adam(0.01),
    ...     metrics=["accuracy"],
    ...     random_state=0,
    ... )
    >>> training, validation = skies.split(0.2)
    >>> net.fit(training, epochs=20, validation_data=validation).evaluate(skies)["accuracy"]
    1.0
    """

    labels: NDArray[np.int64] | None

    def __init__(
        self,
        path: str | os.PathLike[str],
        image_size: tuple[int, int] = (256, 256),
        color_mode: str = "rgb",
        class_names: Sequence[str] | None = None,
        labels: str | None = "inferred",
        interpolation: str = "bilinear",
        crop_to_aspect_ratio: bool = False,
        on_error: str = "raise",
        workers: int | None = None,
        max_queue_size: int = 2,
    ) -> None:
        self.path = os.fspath(path)
        self.image_size = as_tuple(image_size)
        self.color_mode = color_mode
        self.interpolation = interpolation
        self.crop_to_aspect_ratio = crop_to_aspect_ratio
        self.on_error = on_error
        self.max_queue_size = max_queue_size
        self._check_settings()
        pillow()  # missing, it is missed before files are looked for
        self._decoder = Decoder(
            self.image_size, color_mode, interpolation, bool(crop_to_aspect_ratio)
        )
        self.sample_shape = self._decoder.sample_shape
        self.dtype = np.dtype("uint8")
        self._find(labels, class_names)
        self.workers = _suitable_workers(self.paths) if workers is None else workers
        check_count(self, "workers")
        self.skipped: dict[str, str] = {}
        unreadable = self._unreadable()
        if unreadable:
            self._leave_out(unreadable)

    def _check_settings(self) -> None:
        sizes = self.image_size if isinstance(self.image_size, tuple) else ()
        whole = all(
            isinstance(size, (int, np.integer)) and not isinstance(size, bool) for size in sizes
        )
        if len(sizes) != 2 or not whole or min(sizes) < 1:
            raise ValueError(
                "[ImageFolder] image_size must be (height, width), two positive integers, "
                f"got {self.image_size!r}"
            )
        check_choice(self, MODES, "color_mode")
        check_choice(self, FILTERS, "interpolation")
        check_boolean(self, "crop_to_aspect_ratio")
        check_choice(self, ("raise", "skip"), "on_error")
        check_count(self, "max_queue_size")

    def _find(self, labels: str | None, class_names: Sequence[str] | None) -> None:
        if labels not in ("inferred", None):
            raise ValueError(f"[ImageFolder] labels must be 'inferred' or None, got {labels!r}")
        check_folder(self.path)
        if labels is None:
            if class_names is not None:
                raise ValueError("[ImageFolder] class_names are given and labels are None")
            self.class_names: list[str] = []
            self.labels = None
            self.paths = find_images(self.path, f"folder {self.path!r}")
            return
        self.class_names = find_classes(self.path, class_names)
        found = [
            find_images(os.path.join(self.path, name), f"class {name!r}")
            for name in self.class_names
        ]
        self.paths = [image for images in found for image in images]
        self.labels = np.repeat(np.arange(len(found)), [len(images) for images in found])

    def __len__(self) -> int:
        return len(self.paths)

    def __repr__(self) -> str:
        classes = f" of {len(self.class_names)} classes" if self.class_names else ""
        return (
            f"ImageFolder({self.path!r}, image_size={self.image_size}): {len(self)} images{classes}"
        )

    def select(self, rows: ArrayLike) -> ImageFolder:
        """Return some of the images, with all the classes.

        Parameters
        ----------
        rows : array_like of int
            Their numbers, in the order in which they are wanted.

        Raises
        ------
        ValueError
            For a row that there is not.
        """
        numbers = self._row_numbers("ImageFolder", rows)
        part = copy.copy(self)
        part.paths = [self.paths[row] for row in numbers]
        part.labels = None if self.labels is None else self.labels[numbers]
        return part

    def read(self, rows: NDArray[np.int64], out: Array) -> None:
        """Decode images into an array.

        Parameters
        ----------
        rows : ndarray of int64, shape (k,)
            Which.
        out : ndarray of uint8, shape (k, height, width, channels)
            Where to.

        Raises
        ------
        ValueError
            Naming the file that cannot be read.
        """
        for row, place in zip(rows, out, strict=True):
            path = self.paths[row]
            reason = reason_not_to(self._decoder.decode, path, place)
            if reason is not None:
                raise ValueError(
                    f"[ImageFolder] cannot read {path!r}: {reason}; ImageFolder(..., "
                    "on_error='skip') leaves such files out"
                )

    def _unreadable(self) -> dict[int, str]:
        """Look at every file; return what is wrong with some, by row."""
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(self.workers, "ganglion-checking") as executor:
            starts = range(0, len(self), _CHECKED_TOGETHER)
            parts = [executor.submit(self._look, start) for start in starts]
            try:
                return {row: reason for part in parts for row, reason in part.result().items()}
            finally:
                executor.shutdown(wait=False, cancel_futures=True)

    def _look(self, start: int) -> dict[int, str]:
        found = {}
        out = np.empty(self.sample_shape, self.dtype)
        for row in range(start, min(start + _CHECKED_TOGETHER, len(self))):
            path = self.paths[row]
            if self.on_error == "raise":
                reason = reason_not_to(self._decoder.look, path)
            else:
                reason = reason_not_to(self._decoder.decode, path, out)
            if reason is not None:
                found[row] = reason
        return found

    def _leave_out(self, unreadable: dict[int, str]) -> None:
        named = [f"{self.paths[row]!r}: {why}" for row, why in unreadable.items()]
        shown = "; ".join(named[:_NAMED])
        if len(named) > _NAMED:
            shown += f"; and {len(named) - _NAMED} more"
        counted = f"[ImageFolder] {len(named)} of {len(self)} files cannot be read"
        if self.on_error == "raise":
            raise ValueError(f"{counted}; on_error='skip' leaves them out. {shown}")
        self.skipped = {self.paths[row]: why for row, why in unreadable.items()}
        kept = np.delete(np.arange(len(self)), list(unreadable))
        if self.labels is not None:
            left = np.bincount(self.labels[kept], minlength=len(self.class_names))
            if not left.all():
                name = self.class_names[int(left.argmin())]
                raise ValueError(f"{counted}, and none of class {name!r} can be. {shown}")
            self.labels = self.labels[kept]
        elif not len(kept):
            raise ValueError(f"{counted}. {shown}")
        self.paths = [self.paths[row] for row in kept]
        warnings.warn(f"{counted} and are left out. {shown}", stacklevel=3)


def _suitable_workers(paths: Sequence[str]) -> int:
    """Return one worker for small files, else as many as there are processors.

    Small images are decoded in less time than threads take to hand over the interpreter's lock.
    """
    some = paths[:: 1 + len(paths) // 100]
    sizes = [os.path.getsize(path) for path in some if os.path.exists(path)]
    return 1 if not sizes or np.median(sizes) < _SMALL_FILE else _core.available_cores()
