"""Several networks, and the objectives that they are trained for together."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ganglion.arguments import names_arguments
from ganglion.callbacks.base import Callback, check_callbacks
from ganglion.data import whole_number
from ganglion.epochs import EVALUATION_BATCH, Evaluation, Shuffle
from ganglion.errors import not_fitted, suggestion
from ganglion.joint import files
from ganglion.joint.arrays import Arrays, check_arrays, check_readable
from ganglion.joint.checks import check_networks, check_objectives
from ganglion.joint.fitting import JointBatches, JointFit
from ganglion.joint.keeping import Keeping
from ganglion.joint.objective import Objective
from ganglion.joint.programs import JointPrograms
from ganglion.joint.tracing import Inputs
from ganglion.progress import resolve_verbose
from ganglion.training import Training

if TYPE_CHECKING:
    from typing_extensions import Self

Array = NDArray[Any]

# Not offered when a name is completed.
_INTERNAL = frozenset(
    {
        "begin_callbacks",
        "end_callbacks",
        "finalize",
        "go_on",
        "held",
        "need_settable_learning_rate",
        "optimizer_states",
    }
)


class Joint(Keeping):
    """Networks that are trained together, each by the objectives that name it.

    A batch is taken by one objective after the other, each of which sees the weights as the one
    before left them, and changes only those of the networks that it trains: an autoencoder is two
    networks and one objective, a generative adversarial network two of each, and a teacher that a
    student is to follow is a network that no objective trains. Gradients flow through networks that
    are not trained, and no further than they are needed. The objectives are written as programs
    before the first batch; whole epochs run in the core.

    In `fit` layers act as in training in all networks, but where a function says otherwise,
    ``networks.teacher(x, training=False)``. An objective changes nothing of networks that it does
    not train: neither weights nor moving statistics. Penalties of regularizers are a part of the
    loss of each objective that trains their network. What an objective draws, as by
    ``ops.random_normal((None, 20))``, is a function of the seed, its name, the step and the place
    of the operation: another objective draws other numbers.

    The networks stay what they are: between epochs each has its weights, and can be predicted with,
    saved, or trained by itself. Their own losses and optimizers are not looked at. Those of one
    ``random_state`` begin with the same weights where they have the same layers. Layers hold no
    weights: one that stands in two networks has weights of its own in each.

    Parameters
    ----------
    networks : dict of str to Sequential or Model
        By names, of one dtype and device. Those without weights draw them when `fit` shows which
        shapes they take.
    objectives : sequence of Objective
        In the order in which they take a batch.
    random_state : int, optional
        Keys the order of samples and random numbers: the same number gives the same bits. By
        default one is drawn, and kept in ``seed_``. Weights are drawn by the networks' own.

    Attributes
    ----------
    history_ : dict of str to list of float
        What the objectives report, and with validation the same with ``val_`` before it, after each
        epoch: means over the samples that each took, NaN where it took none.
    epoch_, step_ : int
        Epochs, and batches, trained so far. They go on from fit to fit.
    dtype, device : str
        Of the networks.

    Raises
    ------
    TypeError, ValueError
        For no networks or objectives, names that are not known or given twice, networks of
        different dtypes or devices, and where no objective takes every batch.

    Examples
    --------
    An autoencoder:

    >>> import numpy as np
    >>> from ganglion import Joint, Objective, Sequential, layers, ops, optimizers
    >>> def error(networks, x):
    ...     return ops.mean((networks.decoder(networks.encoder(x)) - x) ** 2)
    >>> networks = {
    ...     "encoder": Sequential([layers.Dense(1)], random_state=0),
    ...     "decoder": Sequential([layers.Dense(2)], random_state=1),
    ... }
    >>> joint = Joint(networks, [Objective(error, optimizer=optimizers.Adam(0.1))], random_state=0)
    >>> X = np.linspace(-1, 1, 64).reshape(-1, 1) * [[1.0, 2.0]]
    >>> joint.fit(X, epochs=50).history_["error"][-1] < 0.01
    True
    >>> networks["encoder"].predict(X).shape
    (64, 1)
    """

    @names_arguments("Joint")
    def __init__(
        self,
        networks: Mapping[str, Training],
        objectives: Sequence[Objective],
        random_state: int | None = None,
    ) -> None:
        check_networks(networks)
        check_objectives(objectives, networks)
        if random_state is None:
            seed = int.from_bytes(os.urandom(4), "little")
        else:
            seed = whole_number("Joint", "random_state", random_state, 0, below=2**64)
        self.random_state = random_state
        super().__init__(networks, objectives, seed)

    def __dir__(self) -> list[str]:
        """Leave out what only training, callbacks and files call."""
        return [name for name in super().__dir__() if name not in _INTERNAL]

    def __repr__(self) -> str:
        return f"Joint({list(self.networks)}, {self.objectives})"

    @names_arguments("fit")
    def fit(
        self,
        X: Any,
        y: ArrayLike | None = None,
        epochs: int = 1,
        batch_size: int = 32,
        validation_data: Any = None,
        callbacks: Sequence[Callback] | None = None,
        shuffle: Shuffle = True,
        verbose: int | str = "auto",
    ) -> Self:
        """Train on from the weights that the networks have.

        The data is read in place, batch by batch. Ctrl-C ends the training within a second:
        `KeyboardInterrupt` is raised, the networks have the weights as far as they were trained,
        and ``history_`` holds the epochs that were finished.

        Parameters
        ----------
        X : array_like, shape (n, ...), or tuple or dict of them
            Finite numbers. Those of a tuple are given to the objectives' functions one by one,
            those of a dict by name: ``function(networks, image, label)``.
        y : array_like, shape (n, ...), optional
            Given to them behind X; by the name ``y`` where X is a dict.
        epochs : int, default=1
            Passes over the data.
        batch_size : int, default=32
            Samples of one batch; the last of an epoch may have fewer.
        validation_data : X or (X, y), optional
            What the objectives are also evaluated on, after each epoch; a tuple of two where ``y``
            is given.
        callbacks : sequence of Callback, optional
            See `ganglion.callbacks`. Their ``model`` is this.
        shuffle : bool or callable, default=True
            Whether each epoch has an order of its own; or a function that gives an epoch's order
            for its number, counted from 0: an array of n row numbers.
        verbose : {"auto", 0, 1, 2}, default="auto"
            0 for silence, 1 for a bar, 2 for a line each epoch; "auto" is a bar in terminals and
            notebooks, and silence elsewhere.

        Returns
        -------
        Joint
            Itself.

        Raises
        ------
        TypeError, ValueError
            For data or settings that are wrong, and for objectives that do not fit the networks,
            before any work: messages name the objective and the line of its function.

        Warns
        -----
        DivergenceWarning
            When a loss is no longer finite. Training stops; the networks have the weights of the
            epoch before, and the optimizers are fresh.
        """
        whole_number("fit", "epochs", epochs)
        size = whole_number("fit", "batch_size", batch_size)
        called = check_callbacks("fit", callbacks)
        for callback in called:
            if callback.of_one_network:
                raise TypeError(
                    f"[fit] {type(callback).__name__} looks at the layers of one network, and these"
                    " are several"
                )
        if not callable(shuffle) and not isinstance(shuffle, bool):
            raise TypeError(f"[fit] shuffle must be True, False or a function, got {shuffle!r}")
        shown = resolve_verbose(verbose)
        inputs, samples = check_arrays("fit", X, y, self.dtype)
        validation = None
        if validation_data is not None:
            validation = self._check_validation(validation_data, inputs, with_y=y is not None)
        programs = self._programs_for("fit", inputs, [samples, validation])
        fit = JointFit(
            self,
            programs,
            samples,
            validation,
            epochs=epochs,
            batch_size=size,
            callbacks=called,
            shuffle=shuffle,
            verbose=shown,
        )
        fit.run()
        return self

    @names_arguments("evaluate")
    def evaluate(
        self, X: Any, y: ArrayLike | None = None, batch_size: int = EVALUATION_BATCH
    ) -> dict[str, float]:
        """Return what the objectives report on samples, under the weights as they are.

        Layers act as in prediction; what the objectives draw is the same at each call.

        Parameters
        ----------
        X, y
            As for `fit`.
        batch_size : int, default=512
            Samples in memory at a time.

        Returns
        -------
        dict of str to float
            Means over the samples.

        Raises
        ------
        NotFittedError
            Before all networks were built.
        TypeError, ValueError
            As `fit`.
        """
        for name, network in self.networks.items():
            if not network.built:
                raise not_fitted(f"[evaluate] network {name!r} has no weights yet: call fit")
        size = whole_number("evaluate", "batch_size", batch_size)
        inputs, samples = check_arrays("evaluate", X, y, self.dtype)
        programs = self._programs_for("evaluate", inputs, [samples])
        return Evaluation(JointBatches(programs, samples, size, train=False), samples).run()

    def _check_validation(self, data: Any, inputs: Inputs, with_y: bool) -> Arrays:
        place = "fit, validation_data"
        if with_y and not (isinstance(data, (tuple, list)) and len(data) == 2):
            raise ValueError("[fit] validation_data must be (X, y), as y is given")
        X, y = data if with_y else (data, None)
        found, samples = check_arrays(place, X, y, self.dtype)
        if found != inputs:
            raise ValueError(
                f"[fit] validation_data must have the shapes of the data, {dict(inputs.shapes)}, "
                f"got {dict(found.shapes)}"
            )
        return samples

    def _programs_for(
        self, place: str, inputs: Inputs, data: Sequence[Arrays | None]
    ) -> JointPrograms:
        """Return programs for these inputs, with the networks' weights, once the data fits them."""
        known = self._programs
        programs = known
        if programs is None or programs.inputs != inputs or programs.outdated:
            programs = JointPrograms(
                self.networks, self.objectives, inputs, self.dtype, self.device
            )
        programs.check_adapted()
        for samples in data:
            if samples is not None:
                check_readable(place, samples, programs.readers, self.dtype)
        if programs is not known:
            programs.build_networks()
            if not programs.set_states(self.optimizer_states()):
                self.step_ = 0
            self._programs = programs
        programs.pull()
        return programs

    def program(self, name: str, batch_size: int = 32) -> None:
        """Print the program that trains for an objective, see `Sequential.program`.

        Parameters
        ----------
        name : str
            Of the objective.
        batch_size : int, default=32
            Samples for which operations are counted.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            When no objective is named so.
        """
        if self._programs is None:
            raise not_fitted("[program] there are no programs yet: call fit")
        parts = {part.objective.name: part for part in self._programs.parts}
        if name not in parts:
            raise ValueError(f"[program] no objective is named {name!r}{suggestion(name, parts)}")
        rows = whole_number("program", "batch_size", batch_size)
        print(parts[name].train.program.listing(rows, np.dtype(self.dtype).itemsize))

    def save(self, path: str | os.PathLike[str], training_state: bool = False) -> None:
        """Write all networks to a file, as a whole or not at all.

        One of them alone is written by its own `Sequential.save`.

        Parameters
        ----------
        path : str or path
            Where to write. A file that is there is replaced once all is written.
        training_state : bool, default=False
            Whether to keep the optimizers' state, counters and history too, so that training goes
            on after `load` with the same bits as if it had not stopped.

        Raises
        ------
        NotFittedError
            Before all networks were built.
        TypeError
            When a part of one, such as a function, cannot be described.
        OSError
            When the file cannot be written.
        """
        files.save(self, path, training_state)

    @classmethod
    def load(cls, path: str | os.PathLike[str], objectives: Sequence[Objective]) -> Self:
        """Return the networks that `save` wrote, with objectives, which no file can hold.

        Parameters
        ----------
        path : str or path
            The file.
        objectives : sequence of Objective
            To go on where training stopped, they must be those that it was saved with.

        Raises
        ------
        OSError
            When there is no such file.
        ValueError
            When it is cut short, damaged, of a later version, or something else; the message names
            the file and what is wrong.
        """
        joint: Self = files.load(cls, path, objectives)
        return joint
