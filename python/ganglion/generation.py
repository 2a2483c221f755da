"""Going on with sequences: text, melodies, any series of ids."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ganglion import _core
from ganglion.chain import Chained
from ganglion.data import as_array, non_negative, whole_number
from ganglion.stepping import STEPS, Stepper

Array = NDArray[Any]

# Beyond, all ids are as likely as each other.
_HOTTEST = 1e6
# Random numbers in memory at once.
_NUMBERS = 1 << 24


class Generation(Chained):
    """Going on with sequences of ids. `Sequential` documents what a user sees of it."""

    def generate(
        self,
        seed: ArrayLike,
        n: int,
        temperature: float = 1.0,
        top_k: int | None = None,
        random_state: int | None = None,
    ) -> Array:
        """Go on with sequences of ids: read a seed, then what was chosen, one by one.

        The network reads ids, with `layers.Embedding`, or one-hot vectors of shape (None, steps,
        classes), and predicts the next id: logits or probabilities of shape (None, classes) or
        (None, steps, classes). Where every layer goes step by step (recurrent, dense, normalising
        layers), states are carried on from the first id of the seed. Where one looks at whole
        sequences (convolutions, attention, layers that go backwards), each id is predicted from the
        last ones, as many as the network takes.

        Parameters
        ----------
        seed : array_like of int, shape (steps,) or (rows, steps)
            At least one id, or as many as the network takes, of which the last count.
        n : int
            How many ids follow.
        temperature : float, default=1.0
            What logits are divided by: below 1 likely ids become likelier. 0 takes the likeliest.
        top_k : int, optional
            Ids to choose from, the likeliest; equally likely ones all count. All by default.
        random_state : int, optional
            The same number gives the same ids. By default other ones each time.

        Returns
        -------
        ndarray of int64, shape (n,) or (rows, n)
            The ids that follow.

        Raises
        ------
        NotFittedError
            Before the network was built or fitted.
        TypeError, ValueError
            For a network that reads or predicts something else, settings out of range, and a seed
            that is empty, too short or not of the vocabulary.

        Examples
        --------
        >>> import numpy as np
        >>> from ganglion import Sequential, layers
        >>> net = Sequential([layers.Input((1,)), layers.Embedding(3, 3)])
        >>> net.set_weights([[[0, 1, 0], [0, 0, 1], [1, 0, 0]]])  # each is followed by the next
        >>> net.generate([0], 5, temperature=0)
        array([1, 2, 0, 1, 2])
        """
        built = self._need_built("generate")
        for row in built.rows:
            if getattr(row.layer, "stateful", False):
                raise ValueError(
                    f"[generate] layer {row.name!r} is stateful, and keeps states of its own: give "
                    "the network's weights but those that weight_names has ending in '_state' to "
                    "one with stateful=False"
                )
        stepper = built.stepper
        count = whole_number("generate", "n", n)
        scalars = {"temperature": non_negative("generate", "temperature", temperature, _HOTTEST)}
        if top_k is not None:
            most = stepper.classes + 1
            scalars["top_k"] = whole_number("generate", "top_k", top_k, below=most)
        if random_state is None:
            key = int.from_bytes(os.urandom(8), "little")
        else:
            key = whole_number("generate", "random_state", random_state, minimum=0, below=2**64)
        ids = _check_seed(seed, stepper)
        name = "greedy" if temperature == 0 else "sampled" if top_k is None else "top_k"
        scalars = {} if temperature == 0 else scalars
        rows = max(1, _NUMBERS // (STEPS * stepper.classes))
        executable = built.executable(name)
        result = np.concatenate(
            [
                _go_on(executable, stepper, ids[first : first + rows], count, scalars, key, first)
                for first in range(0, len(ids), rows)
            ]
        )
        return result[0] if np.ndim(seed) == 1 else result


def _check_seed(seed: ArrayLike, stepper: Stepper) -> Array:
    """Return a seed as (rows, steps)."""
    ids = as_array("generate", "seed", seed)
    if ids.ndim not in (1, 2):
        raise ValueError(
            f"[generate] seed must be ids of shape (steps,) or (rows, steps), got {ids.shape}"
        )
    if ids.size == 0:
        raise ValueError(f"[generate] seed must have at least one id, got shape {ids.shape}")
    if ids.shape[-1] < stepper.window:
        raise ValueError(
            f"[generate] seed must have at least {stepper.window} ids, got {ids.shape[-1]}: the "
            "network looks at whole sequences"
        )
    known = (ids >= 0) & (ids < stepper.vocabulary) & (np.floor(ids) == ids)
    if not known.all():
        index = tuple(int(i) for i in np.argwhere(~known)[0])
        row = f"row {index[0]}, " if ids.ndim == 2 else ""
        raise ValueError(
            f"[generate] seed has {ids[index]} at {row}position {index[-1]}: ids are whole numbers "
            f"from 0 to {stepper.vocabulary - 1}"
        )
    return ids.reshape(-1, ids.shape[-1])


def _go_on(
    executable: _core.Executable,
    stepper: Stepper,
    seed: Array,
    n: int,
    scalars: dict[str, float],
    key: int,
    first: int,
) -> Array:
    """Return the ``n`` ids that follow each row of a seed, of which the first is row ``first``."""
    rows = len(seed)
    read = seed if stepper.window == 1 else seed[:, -1:]
    steps = read.shape[1] + n - 1
    carries: list[Array] = [
        seed[:, -stepper.window : -1]
        if name == "window"
        else np.zeros([rows, *(size or 1 for size in shape[1:])])
        for name, shape in executable.program.inputs[:-1]
    ]
    chosen = []
    for run, start in enumerate(range(0, steps, STEPS)):
        given = np.full((rows, STEPS), -1.0)
        part = read[:, start : start + STEPS]
        given[:, : part.shape[1]] = part
        *carries, ids = executable.run([*carries, given], rows, scalars, key, (first << 32) + run)
        chosen.append(ids.astype(np.int64))
    return np.concatenate(chosen, axis=1)[:, read.shape[1] - 1 : steps]
