"""The hooks that a fit calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ganglion.arguments import names_arguments
from ganglion.spec import as_call, parameter_names

if TYPE_CHECKING:
    from ganglion.sequential import Sequential

Logs = dict[str, float]


class Callback:
    """Base of everything that is called while a network trains.

    A subclass overrides the hooks it needs. Overriding one of the two batch hooks makes the fit go
    step by step through Python, which is slower; the others cost nothing.

    Attributes
    ----------
    model : Sequential
        The network in training, from ``on_train_begin`` on. Setting ``model.stop_training`` ends
        the fit after the epoch (from a batch hook: after the batch).
    params : dict
        ``epochs``, ``steps`` (batches of an epoch) and ``samples`` of this fit, and ``metrics``,
        the names that the logs of an epoch will have.

    Examples
    --------
    >>> class Count(Callback):
    ...     def on_train_begin(self, logs=None):
    ...         self.epochs = 0
    ...     def on_epoch_end(self, epoch, logs=None):
    ...         self.epochs += 1
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "__init__" in vars(cls):
            cls.__init__ = names_arguments(cls.__name__)(cls.__init__)  # type: ignore[method-assign]

    model: Sequential
    params: dict[str, Any]
    comes_last: ClassVar[bool] = False
    """Whether it is called after the others, so that it sees what they did."""

    of_one_network: ClassVar[bool] = False
    """Whether it looks at the layers of a network, which a `Joint` has several of."""

    file_settings: ClassVar[tuple[str, ...]] = ()
    """Settings that name files: another place of a file does not make it another callback."""

    def __repr__(self) -> str:
        return as_call(type(self), self._settings())

    def _settings(self) -> dict[str, Any]:
        # What a user's own callback does not keep under the argument's name is left out.
        kept = vars(self)
        return {name: kept[name] for name in parameter_names(type(self)) if name in kept}

    def key(self) -> str:
        """Return what a file knows the callback by: the call that makes it, without file names."""
        known = {k: v for k, v in self._settings().items() if k not in self.file_settings}
        return as_call(type(self), known)

    def set_model(self, model: Sequential) -> None:
        """Remember the network that will train."""
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        """Remember what is known about the fit before it begins."""
        self.params = params

    def get_state(self) -> dict[str, Any]:
        """Return what must be known when the fit is resumed from a file: numbers and arrays."""
        return {}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on where `get_state` was taken. Called after ``on_train_begin``."""

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Run before the first epoch."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Run after the last epoch, with its logs; not when the fit ends by an exception."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Run before epoch number ``epoch``, counted from 0 over the life of the network."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Run after an epoch; what is added to ``logs`` is kept in the history."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Run before batch number ``batch`` of the epoch."""

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Run after a batch, with the means since the epoch began."""


class LambdaCallback(Callback):
    """A callback made of functions.

    Parameters
    ----------
    on_epoch_begin, on_epoch_end : callable, optional
        Called with ``(epoch, logs)``.
    on_train_begin, on_train_end : callable, optional
        Called with ``(logs)``.
    on_train_batch_begin, on_train_batch_end : callable, optional
        Called with ``(batch, logs)``. The fit then goes step by step.

    Examples
    --------
    >>> seen = []
    >>> callback = LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(logs["loss"]))
    """

    def __init__(
        self,
        on_epoch_begin: Callable[[int, Logs | None], Any] | None = None,
        on_epoch_end: Callable[[int, Logs | None], Any] | None = None,
        on_train_begin: Callable[[Logs | None], Any] | None = None,
        on_train_end: Callable[[Logs | None], Any] | None = None,
        on_train_batch_begin: Callable[[int, Logs | None], Any] | None = None,
        on_train_batch_end: Callable[[int, Logs | None], Any] | None = None,
    ) -> None:
        hooks = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
        }
        for name, function in hooks.items():
            if function is None:
                continue
            if not callable(function):
                raise TypeError(f"[LambdaCallback] {name} must be callable, got {function!r}")
            setattr(self, name, function)


def overrides(callback: Callback, hook: str) -> bool:
    """Tell whether a callback does something in the named hook."""
    return hook in vars(callback) or getattr(type(callback), hook) is not getattr(Callback, hook)


def check_callbacks(place: str, callbacks: Any) -> Sequence[Callback]:
    """Return the callbacks of a fit; raise `TypeError` for anything but a sequence of them."""
    if callbacks is None:
        return ()
    if not isinstance(callbacks, Sequence):
        raise TypeError(f"[{place}] callbacks must be a list of Callbacks, got {callbacks!r}")
    for callback in callbacks:
        if not isinstance(callback, Callback):
            raise TypeError(f"[{place}] callbacks must be Callbacks, got {callback!r}")
    return callbacks
