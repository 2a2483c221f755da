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
    import tempfile  # here, so that importing ganglion does not load it

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
        handle, temporary = tempfile.mkstemp(dir=directory, prefix=name)
    except OSError as error:  # it names a file that the user never heard of
        raise OSError(error.errno, error.strerror, path) from None
    os.close(handle)
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.chmod(temporary, _mode_of(target))
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _mode_of(path: str) -> int:
    """Return the permissions of the file that is replaced, or those of a new one."""
    with contextlib.suppress(OSError):
        return os.stat(path).st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
