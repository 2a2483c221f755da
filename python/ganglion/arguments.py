"""Arguments that a function does not have: said in the user's words, with what was likely meant."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ganglion.errors import suggestion

Function = TypeVar("Function", bound=Callable[..., Any])


def names_arguments(
    owner: str, elsewhere: Mapping[str, str] | None = None
) -> Callable[[Function], Function]:
    """Have a method say which argument it does not know, and which it has.

    Parameters
    ----------
    owner : str
        What messages begin with: the public class, or the method.
    elsewhere : dict of str to str, optional
        Names that other libraries have, and what is written here in their place.

    Examples
    --------
    >>> class Kettle:
    ...     @names_arguments("boil", {"heat": "temperature"})
    ...     def boil(self, temperature=100.0):
    ...         return temperature
    >>> Kettle().boil(temprature=90.0)
    Traceback (most recent call last):
    ...
    TypeError: [boil] got an unknown argument 'temprature'; did you mean 'temperature'?
    >>> Kettle().boil(heat=90.0)
    Traceback (most recent call last):
    ...
    TypeError: [boil] got an unknown argument 'heat': here it is temperature
    """

    def decorate(function: Function) -> Function:
        parameters = inspect.signature(function).parameters
        if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
            return function
        known = [name for name in parameters if name != "self"]

        @functools.wraps(function)
        def checked(self: Any, *arguments: Any, **settings: Any) -> Any:
            for name in settings:
                if name not in parameters:
                    here = (elsewhere or {}).get(name)
                    hint = f": here it is {here}" if here else suggestion(name, known)
                    raise TypeError(f"[{owner}] got an unknown argument {name!r}{hint}")
            return function(self, *arguments, **settings)

        return checked  # type: ignore[return-value]

    return decorate
