"""Where a user's own code stands: the file and line that an error of it names."""

from __future__ import annotations

import dis
import inspect
import linecache
import os
import sys
from types import CodeType, FrameType, TracebackType
from typing import Any

_PACKAGE = __name__.partition(".")[0]
# Between a user's line and ganglion's there may be some of these, which a message should not name.
_PASSED_OVER = frozenset({"numpy", *sys.stdlib_module_names})
# How they call what a user wrote; behind them stands whoever uses the network.
_CALLERS = ("layers.base", "losses.base", "activations.base", "metrics.base")


def is_ours(module: str) -> bool:
    """Tell whether a module is ganglion's. The examples are not: they are as a user's own.

    Examples
    --------
    >>> is_ours("ganglion.layers.dense"), is_ours("my_layers"), is_ours("ganglion.examples.custom")
    (True, False, False)
    """
    package, _, rest = module.partition(".")
    return package == _PACKAGE and rest.partition(".")[0] != "examples"


def _is_users(module: object) -> bool:
    name = str(module)
    return not is_ours(name) and name.partition(".")[0] not in _PASSED_OVER


def code_of(function: Any) -> CodeType | None:
    """Return the code of a function, a method, or what Numba made of one; None of others."""
    function = inspect.unwrap(getattr(function, "py_func", function))
    code = getattr(function, "__code__", None)
    return code if isinstance(code, CodeType) else None


def name_of(function: Any) -> str:
    """Return what a function is called, and where it stands.

    Examples
    --------
    >>> import math
    >>> name_of(math.sqrt)
    'sqrt'
    """
    code = code_of(function)
    name = str(getattr(function, "__name__", type(function).__name__))
    return name if code is None else f"{name} ({_shown(code.co_filename)}:{code.co_firstlineno})"


def blame(error: Exception, function: object) -> None:
    """Add to an error which line of a user's code it comes from, unless it says so already.

    Parameters
    ----------
    error : Exception
        While it is handled where the function was called.
    function : callable
        What was called: its ``return`` is named where the error came behind it. Nothing is added
        where it is ganglion's own.
    """
    if hasattr(error, "blamed_line") or len(error.args) != 1 or not isinstance(error.args[0], str):
        return
    line = _raised_line(error.__traceback__) or _returning_line(function)
    if line is None:
        return
    error.blamed_line = line  # type: ignore[attr-defined]
    error.args = (f"{error.args[0]} ({line})",)


def current_line() -> str | None:
    """Return the line of a user's layer, loss or metric that is being traced; None of ours."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        module = str(frame.f_globals.get("__name__"))
        if _is_users(module):
            return _line(frame.f_code, frame.f_lineno)
        is_caller = module.removeprefix(_PACKAGE + ".") in _CALLERS
        if is_caller and frame.f_code.co_name == "__call__":
            return None
        frame = frame.f_back
    return None


def _raised_line(traceback: TracebackType | None) -> str | None:
    """Return the innermost of a user's lines that an error passed."""
    found = None
    while traceback is not None:
        frame = traceback.tb_frame
        if _is_users(frame.f_globals.get("__name__")):
            found = _line(frame.f_code, traceback.tb_lineno)
        traceback = traceback.tb_next
    return found


def _returning_line(function: object) -> str | None:
    """Return the line on which a user's function returns, or begins where there are several."""
    module = str(getattr(function, "__module__", None) or _PACKAGE)
    code = code_of(function)
    if code is None or not _is_users(module):
        return None
    lines, line = set(), code.co_firstlineno
    for instruction in dis.get_instructions(code):
        line = _line_number(instruction) or line
        if instruction.opname.startswith("RETURN"):
            lines.add(line)
    return _line(code, lines.pop() if len(lines) == 1 else code.co_firstlineno)


def _line_number(instruction: dis.Instruction) -> int | None:
    starts = instruction.starts_line  # a flag from Python 3.13 on
    return getattr(instruction, "line_number", None) if isinstance(starts, bool) else starts


def _line(code: CodeType, number: int) -> str:
    name = getattr(code, "co_qualname", code.co_name)  # from Python 3.11 on
    name = str(name).rpartition("<locals>.")[2]
    text = linecache.getline(code.co_filename, number).strip()
    return f"{_shown(code.co_filename)}:{number}, in {name}" + (f": `{text}`" if text else "")


def _shown(filename: str) -> str:
    """Return a path within the working directory as one from there."""
    here = os.getcwd() + os.sep
    return filename.removeprefix(here)
