"""What is constructed with settings, and how it is named, compared, printed and saved.

Layers, activations, initializers, regularizers, losses, optimizers, schedules and metrics are all a
:class:`Spec`: plain settings, checked by the constructor and kept in attributes of the same names.
Everything else here follows from the constructor's signature.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

import numpy as np

from ganglion.errors import suggestion
from ganglion.lines import is_ours

# Numbers of an array that a repr shows.
_SHOWN = 100

SpecType = TypeVar("SpecType", bound="Spec")

_bases: dict[str, type[Spec]] = {}
_classes: dict[str, dict[str, type[Spec]]] = {}  # kind -> name -> class, in order of definition
_names: dict[str, dict[str, type[Spec]]] = {}  # kind -> name, class name or alias -> class
_parameters_of: dict[type[Any], dict[str, inspect.Parameter]] = {}


def snake_case(class_name: str) -> str:
    """Return the name that stands for a class.

    Examples
    --------
    >>> snake_case("Dense"), snake_case("GaussianNoise"), snake_case("LSTM")
    ('dense', 'gaussian_noise', 'lstm')
    """
    words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", class_name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()


class Spec:
    """Base class of everything that is constructed with settings.

    A constructor only checks its arguments and stores each under its own name; arguments collected
    as ``**settings`` are those of the base class. A subclass is registered when it is defined,
    under its name in snake case, so that ``get(kind, name)`` finds it.

    Parameters of a class statement
    -------------------------------
    kind : str
        Opens a registry: ``class Layer(Spec, kind="layer")``.
    name : str
        Registers under another name than the class's.
    aliases : tuple of str
        Further names.
    registered : bool
        False for a class that cannot be asked for by name.

    Examples
    --------
    >>> class Shape(Spec, kind="shape"):
    ...     pass
    >>> class RoundShape(Shape, aliases=("circle",)):
    ...     def __init__(self, radius=1.0, colour="red"):
    ...         self.radius = radius
    ...         self.colour = colour
    >>> RoundShape(2.0)
    RoundShape(radius=2.0)
    >>> get("shape", "circle") == RoundShape() == RoundShape.from_config(RoundShape().get_config())
    True
    """

    kind: ClassVar[str]
    registered_name: ClassVar[str]
    changeable: ClassVar[frozenset[str]] = frozenset()
    """Settings that can be changed while a network uses them: it looks at them again."""

    def __init_subclass__(
        cls,
        *,
        kind: str | None = None,
        name: str | None = None,
        aliases: tuple[str, ...] = (),
        registered: bool = True,
    ) -> None:
        super().__init_subclass__()
        if kind is not None:
            cls.kind = kind
            _bases[kind], _classes[kind], _names[kind] = cls, {}, {}
            return
        cls.registered_name = name or snake_case(cls.__name__)
        if not registered:
            return
        known = _names[cls.kind]
        spellings = (cls.registered_name, cls.__name__, *aliases)
        if not _is_ours(cls) and any(_is_ours(known.get(spelling)) for spelling in spellings):
            return  # a user's own class does not take a name away from ganglion's
        _classes[cls.kind][cls.registered_name] = cls
        known.update(dict.fromkeys(spellings, cls))

    def __setattr__(self, name: str, value: Any) -> None:
        if "_settled" in vars(self) and name in _parameters(type(self)):
            self._check_changeable(name, value)
        super().__setattr__(name, value)

    def _check_changeable(self, name: str, value: Any) -> None:
        now = vars(self).get(name, value)
        if name in self.changeable or equal(now, value):
            return
        where = "give compile" if self.kind in ("loss", "optimizer", "metric") else "make"
        layers = ", in a new network" if where == "make" else ""
        raise AttributeError(
            f"[{type(self).__name__}] {name} can no longer be changed, from {now!r} to {value!r}: "
            f"a network was built with it. For another, {where} a new {type(self).__name__}{layers}"
        )

    def settle(self) -> None:
        """Hold the settings, those of nested specs too, since a network was built with them.

        From here on a change would not reach its programs, and is refused. Copies are free.
        """
        vars(self)["_settled"] = True
        for name in _parameters(type(self)):
            value = None if name in self.changeable else vars(self).get(name)
            for part in value if isinstance(value, (list, tuple)) else [value]:
                if isinstance(part, Spec):
                    part.settle()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_settled"}

    @classmethod
    def examples(cls: type[SpecType]) -> list[SpecType]:
        """Return one to three instances with settings that matter, for tests over the registry."""
        return [cls()]

    def get_config(self) -> dict[str, Any]:
        """Return the settings as a dict that JSON can hold, nested ones included."""
        return {name: serialize(value) for name, value in settings_of(self).items()}

    @classmethod
    def from_config(cls: type[SpecType], config: Mapping[str, Any]) -> SpecType:
        """Construct from what :meth:`get_config` returned."""
        return cls(**{name: deserialize(value) for name, value in config.items()})

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return isinstance(other, Spec) and equal(settings_of(self), settings_of(other))

    def __hash__(self) -> int:
        # Settings can be changed, and equal specs must have equal hashes.
        return hash(type(self))

    def __repr__(self) -> str:
        return as_call(type(self), settings_of(self))


def _is_ours(cls: type[Spec] | None) -> bool:
    return cls is not None and is_ours(cls.__module__)


def _parameters(cls: type[Any]) -> dict[str, inspect.Parameter]:
    """Arguments of the constructor, followed into base classes through ``**settings``."""
    if cls in _parameters_of:
        return _parameters_of[cls]
    found: dict[str, inspect.Parameter] = {}
    for base in cls.__mro__:
        if "__init__" not in vars(base) or base is object:
            continue
        own = list(inspect.signature(vars(base)["__init__"]).parameters.values())[1:]
        for parameter in own:
            if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
                found.setdefault(parameter.name, parameter)
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in own):
            break
    _parameters_of[cls] = found
    return found


def parameter_names(cls: type[Any]) -> list[str]:
    """Return the names of the arguments that a class can be constructed with.

    Examples
    --------
    >>> from ganglion.regularizers import L1L2
    >>> parameter_names(L1L2)
    ['l1', 'l2']
    """
    return list(_parameters(cls))


def settings_of(spec: Spec) -> dict[str, Any]:
    """Return the settings as they are stored, in the order of the constructor's arguments.

    Examples
    --------
    >>> from ganglion.regularizers import L1L2
    >>> settings_of(L1L2(l2=0.1))
    {'l1': 0.0, 'l2': 0.1}
    """
    return {name: getattr(spec, name) for name in _parameters(type(spec))}


def as_call(cls: type[Any], settings: Mapping[str, Any]) -> str:
    """Return the call that constructs ``cls`` with these settings; those by default are left out.

    Examples
    --------
    >>> from ganglion.regularizers import L1L2
    >>> as_call(L1L2, {"l1": 0.0, "l2": 0.1})
    'L1L2(l2=0.1)'
    """
    parameters = _parameters(cls)
    parts: list[str] = []
    for name, value in settings.items():
        default = parameters[name].default
        if default is inspect.Parameter.empty and not any("=" in part for part in parts):
            parts.append(_shown(value))
        elif not _is_default(value, default):
            parts.append(f"{name}={_shown(value)}")
    return f"{cls.__name__}({', '.join(parts)})"


def equal(left: Any, right: Any) -> bool:
    """Tell whether settings are the same; a list and a tuple, and arrays, by their elements."""
    if isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
        return bool(np.array_equal(left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(equal(left[k], right[k]) for k in left)
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return len(left) == len(right) and all(map(equal, left, right))
    return bool(left == right)


def _is_default(value: Any, default: Any) -> bool:
    if default is None:
        return value is None
    if isinstance(value, Spec) and isinstance(default, str):
        default = get(value.kind, default)
    return equal(value, default)


def _shown(value: Any) -> str:
    """Text of a setting; a nested spec without settings of its own by its name."""
    if math.prod(getattr(value, "shape", ())) > _SHOWN:  # an array or a frame
        return f"<{type(value).__name__} {value.shape}>"
    if isinstance(value, Spec) and _names[value.kind].get(value.registered_name) is type(value):
        text = repr(value)
        return repr(value.registered_name) if text.endswith("()") else text
    return repr(value)


def registry(kind: str) -> dict[str, type[Spec]]:
    """Return the classes of a kind by name, without their aliases.

    Parameters
    ----------
    kind : str
        ``"layer"``, ``"activation"``, ``"initializer"``, ``"regularizer"``, ``"loss"``,
        ``"optimizer"``, ``"schedule"`` or ``"metric"``.

    Examples
    --------
    >>> import ganglion.regularizers
    >>> registry("regularizer")["l1_l2"]
    <class 'ganglion.regularizers.L1L2'>
    """
    if kind not in _classes:
        raise ValueError(f"[registry] unknown kind {kind!r}{suggestion(kind, _classes)}")
    return dict(_classes[kind])


def built_in(kind: str) -> dict[str, type[Spec]]:
    """Return the classes of a kind that are ganglion's own, by name.

    Examples
    --------
    >>> import ganglion.regularizers
    >>> "l2" in built_in("regularizer")
    True
    """
    return {name: cls for name, cls in registry(kind).items() if _is_ours(cls)}


def get(kind: str, identifier: object) -> Any:
    """Return the instance that a user meant.

    Parameters
    ----------
    kind : str
        As for :func:`registry`.
    identifier : str, Spec, type or dict
        A name or alias (constructed with its defaults), an instance (returned as it is), a class,
        or what :func:`serialize` made.

    Returns
    -------
    Spec
        An instance of that kind.

    Raises
    ------
    ValueError
        An unknown name; the nearest right one is suggested.
    TypeError
        Something else, or a spec of another kind.

    Examples
    --------
    >>> import ganglion.activations
    >>> get("activation", "relu")
    ReLU()
    >>> get("activation", "rellu")
    Traceback (most recent call last):
    ...
    ValueError: [activation] unknown name 'rellu'; did you mean 'relu'?
    """
    base = _bases[kind]
    if isinstance(identifier, str):
        if identifier not in _names[kind]:
            known = [name for name, cls in _names[kind].items() if name != cls.__name__]
            raise ValueError(f"[{kind}] unknown name {identifier!r}{suggestion(identifier, known)}")
        return _names[kind][identifier]()
    if isinstance(identifier, dict):
        identifier = deserialize(identifier)
    if isinstance(identifier, type) and issubclass(identifier, base):
        return identifier()
    if isinstance(identifier, base):
        return identifier
    raise TypeError(f"[{kind}] expected a name, an instance or its config, got {identifier!r}")


def serialize(value: Any) -> Any:
    """Turn settings into what JSON can hold.

    Specs become ``{"kind", "class_name", "config"}``, with ``"module"`` when the class is a user's
    own. Arrays and tuples become lists.

    Raises
    ------
    TypeError
        Something that cannot be saved, such as a function.

    Examples
    --------
    >>> from ganglion.regularizers import L2
    >>> serialize([L2(0.5), (1, None)])
    [{'kind': 'regularizer', 'class_name': 'L2', 'config': {'l2': 0.5}}, [1, None]]
    """
    if isinstance(value, Spec):
        described = {"kind": value.kind, "class_name": type(value).__qualname__}
        if not _is_ours(type(value)):
            described["module"] = type(value).__module__
        return {**described, "config": value.get_config()}
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [serialize(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): serialize(item) for key, item in value.items()}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    hint = (
        "; in a class of your own, or one that a decorator makes, it can" if callable(value) else ""
    )
    raise TypeError(
        f"[serialize] {value!r} cannot be saved: it is no setting but code or data{hint}"
    )


def deserialize(value: Any) -> Any:
    """Turn what :func:`serialize` made back into settings. No module is imported for it.

    Raises
    ------
    ValueError
        A class that is not known: of a user's module that was not imported yet, or of a newer
        version.

    Examples
    --------
    >>> import ganglion.regularizers
    >>> deserialize({"kind": "regularizer", "class_name": "L2", "config": {"l2": 0.5}})
    L2(l2=0.5)
    """
    if isinstance(value, list):
        return [deserialize(item) for item in value]
    if not isinstance(value, dict):
        return value
    if not {"kind", "class_name", "config"} <= value.keys():
        return {key: deserialize(item) for key, item in value.items()}
    return _find(value).from_config(value["config"])


def _find(described: Mapping[str, Any]) -> type[Spec]:
    kind, name, module = described["kind"], described["class_name"], described.get("module")
    candidates = _subclasses(_bases[kind]) if kind in _bases else []
    for cls in reversed(candidates):
        here = cls.__module__ == module if module else _is_ours(cls)
        if here and cls.__qualname__ == name:
            return cls
    if module is None:
        raise ValueError(f"[{kind}] class {name!r} is not part of this version")
    # A program cannot be imported under the name that it has while it runs.
    remedy = "define it in this program" if module == "__main__" else f"import {module!r}"
    raise ValueError(
        f"[{kind}] class {name!r} of module {module!r} is not known here: {remedy} first"
    )


def _subclasses(base: type[Spec]) -> list[type[Spec]]:
    direct = base.__subclasses__()
    return direct + [cls for child in direct for cls in _subclasses(child)]
