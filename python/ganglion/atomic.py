"""Files that are written as a whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator


@contextlib.contextmanager
def replaced_file(path: str | os.PathLike[str]) -> Iterator[str]:
    """Give the path of a temporary file, which takes the place of ``path`` once it was written.

    When the block fails, what was at ``path`` stays and the temporary file is gone. A link is
    followed, not replaced.

    Parameters
    ----------
    path : str or path
        Where to write.

    Yields
    ------
    str
        A file in the directory of that file, to be written to.

    Raises
    ------
    OSError
        When it cannot be written, or is a directory, a pipe or a device; names ``path``.

    Examples
    --------
    >>> from pathlib import Path
    >>> with replaced_file("note.txt") as temporary:
    ...     _ = Path(temporary).write_text("kept")
    >>> Path("note.txt").read_text()
    'kept'
    """
    path = os.fspath(path)
    # Where a link leads: the rename would put a file in the place of the link.
    target = os.path.realpath(path)
    if os.path.isdir(target):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if os.path.exists(target) and not os.path.isfile(target):
        raise OSError(errno.EINVAL, "is there and no regular file", path)
    # In the same directory, since only there the rename is one step.
    directory, name = os.path.split(target)
    try:
        # Nobody else may read what replaces a file, before it has the rights of that: it may be
        # private.
        replaces = os.path.exists(target)
        temporary = _new_file(directory, name, mode=0o600 if replaces else 0o666)
        rights = os.stat(target if replaces else temporary).st_mode & 0o777
    except OSError as error:  # it names a file that the user never heard of
        raise OSError(error.errno, error.strerror, path) from None
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.chmod(temporary, rights)  # who wrote it may have put another file there
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _new_file(directory: str, name: str, mode: int) -> str:
    """Make an empty file with a name that no other has, and return its path.

    From the mode the system takes what its umask forbids, as for any new file. (A process can ask
    for its umask only by changing it, for all of its threads.)
    """
    while True:
        path = os.path.join(directory, f"{name}{os.urandom(4).hex()}")
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666))
            return path
