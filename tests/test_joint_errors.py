"""What a Joint refuses, before any work, and how it says so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ganglion import Joint, Objective, Sequential, callbacks, layers, ops

X = np.random.default_rng(0).normal(size=(20, 3))


def net(*given: Any, **settings: Any) -> Sequential:
    return Sequential(list(given) or [layers.Dense(3)], random_state=0, **settings)


def error(networks: Any, x: Any) -> Any:
    return ops.mean((networks.decoder(networks.encoder(x)) - x) ** 2)


def both(**others: Sequential) -> dict[str, Sequential]:
    return {"encoder": net(), "decoder": net()} | others


def refused(function: Any, match: str, kind: type[Exception] = ValueError, **settings: Any) -> None:
    """A function that is no objective of an encoder and a decoder, which stay as they are."""
    nets = settings.pop("networks", None) or both()
    joint = Joint(nets, [Objective(function, **settings)], random_state=0)
    with pytest.raises(kind, match=match):
        joint.fit(X)
    assert not any(network.built for network in nets.values())
    assert joint.history_ == {} and joint.step_ == 0


# Settings.


def test_objectives_check_their_settings() -> None:
    for settings, kind, match in [
        ({"function": 3}, TypeError, "function must be callable, got 3"),
        ({"function": lambda networks, x: x}, ValueError, "has no name: give one, name="),
        ({"trains": 5}, TypeError, "trains must be a name or a list of names, got 5"),
        ({"trains": []}, ValueError, "trains must name at least one network"),
        ({"every": 0}, ValueError, "every must be a whole number of at least 1, got 0"),
        ({"name": ""}, TypeError, "name must be a word"),
        ({"optimizer": "adamm"}, ValueError, "did you mean 'adam'"),
        ({"train": "encoder"}, TypeError, "unknown argument 'train'; did you mean 'trains'"),
    ]:
        with pytest.raises(kind, match=match):
            Objective(**{"function": error, **settings})


def test_joints_check_their_networks() -> None:
    objectives = [Objective(error)]
    shared = net()
    for networks, kind, match in [
        ({}, TypeError, "networks must be a dict"),
        ([net()], TypeError, "networks must be a dict"),
        ({"_x": net()}, ValueError, "must be a word without '_' in front, got '_x'"),
        ({"a/b": net()}, ValueError, "must be a word"),
        ({"a": layers.Dense(3)}, TypeError, "network 'a' must be a Sequential or a Model"),
        ({"a": shared, "b": shared}, ValueError, "'a' and 'b' are one network"),
        (both(other=net(dtype="float64")), ValueError, "must be of one dtype"),
    ]:
        with pytest.raises(kind, match=match):
            Joint(networks, objectives)


def test_joints_check_their_objectives() -> None:
    for objectives, kind, match in [
        ([], TypeError, "objectives must be a list"),
        (Objective(error), TypeError, "objectives must be a list"),
        ([error], TypeError, "objectives must be Objectives"),
        ([Objective(error), Objective(error)], ValueError, "two objectives are named 'error'"),
        ([Objective(error, "encodr")], ValueError, "'encodr'.*did you mean 'encoder'"),
        ([Objective(error, every=2)], ValueError, "one objective at least must have every=1"),
    ]:
        with pytest.raises(kind, match=match):
            Joint(both(), objectives)


# Functions.


def test_an_error_names_the_objective_and_the_line() -> None:
    def wrong(networks: Any, x: Any) -> Any:
        code = networks.encoder(x)
        return ops.mean(networks.decoder(code) - x[:, :2])

    line = wrong.__code__.co_firstlineno + 2
    match = rf"\(in objective 'wrong'\) \(.*test_joint_errors.py:{line}, in wrong: `return"
    refused(wrong, match)


def test_what_a_function_may_return() -> None:
    def pair(networks: Any, x: Any) -> Any:
        return networks.decoder(networks.encoder(x)), x

    def of_rows(networks: Any, x: Any) -> Any:
        return ops.mean(networks.decoder(networks.encoder(x)), axis=-1)

    refused(pair, "must return a scalar or a dict of them", TypeError)
    refused(of_rows, r"must return scalars, got shape \(None,\): ops.mean makes one")
    refused(lambda n, x: {}, "at least one scalar", name="empty")
    refused(lambda n, x: {"a": error(n, x), "b": x}, r"shape \(None, 3\) as 'b'", name="two")
    refused(lambda n, x: {1: error(n, x)}, "scalars by name, got 1", TypeError, name="keys")
    refused(lambda n, x: 1.0, "got 1.0", TypeError, name="number")
    kept = []

    def old(networks: Any, x: Any) -> Any:
        kept.append(error(networks, x))
        return kept[0]

    refused(old, "must return values of its batch")


def test_what_a_function_must_take() -> None:
    refused(
        lambda networks: None,
        r"takes \(networks\), and is given \(networks, X\)",
        TypeError,
        name="f",
    )


def test_networks_that_are_not_there() -> None:
    match = "no network is named 'decodr'; did you mean 'decoder'"
    refused(lambda n, x: n.decodr(x), match, AttributeError, name="f")
    refused(lambda n, x: n["decodr"](x), match, name="f")


def test_networks_that_are_not_reached() -> None:
    def only_one(networks: Any, x: Any) -> Any:
        return ops.mean(networks.encoder(x))

    def stopped(networks: Any, x: Any) -> Any:
        return ops.mean(networks.decoder(ops.stop_gradient(networks.encoder(x))))

    refused(only_one, "no objective applies network 'decoder'")
    refused(only_one, "trains network 'decoder' and does not apply it", trains="decoder")
    refused(stopped, "loss does not depend on a weight of it: say what is trained")
    refused(lambda n, x: ops.mean(x), "applies no network", name="f")
    frozen = both(decoder=net(layers.Dense(3, trainable=False)))
    refused(error, "'decoder', which has no weights that are trained", networks=frozen)
    refused(error, "'decoder', which has no weights", networks=both(decoder=net(layers.ReLU())))


def test_networks_for_other_shapes() -> None:
    def twice(networks: Any, x: Any) -> Any:
        code = networks.encoder(x)
        return ops.mean(networks.encoder(code[:, :2]))

    only = {"encoder": net()}
    refused(twice, r"\[encoder\] the network takes \(None, 3\), got \(None, 2\)", networks=only)
    nets = both()
    nets["decoder"].build((None, 5))
    joint = Joint(nets, [Objective(error)])
    with pytest.raises(ValueError, match=r"takes \(None, 5\), got \(None, 3\).*objective 'error'"):
        joint.fit(X)
    refused(error, "the network has no layers", networks=both(decoder=Sequential()))
    refused(
        lambda n, x: n.encoder(3.0), "expected a value of a batch, got 3.0", TypeError, name="f"
    )


def test_weights_that_do_not_fit_replace_none() -> None:
    joint = Joint(both(), [Objective(error)], random_state=0).fit(X)
    before = joint.get_weights()
    given = [weight + 1.0 for weight in before[:-1]]
    with pytest.raises(ValueError, match="must have shape"):
        joint.set_weights([*given, np.zeros(77)])
    for weight, kept in zip(joint.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, kept)


def test_scalars_of_one_name() -> None:
    def other(networks: Any, x: Any) -> Any:
        return {"other": error(networks, x), "error": error(networks, x)}

    joint = Joint(both(), [Objective(error), Objective(other)])
    with pytest.raises(ValueError, match="objectives 'error' and 'other' both report 'error'"):
        joint.fit(X)


def test_layers_that_cannot_be_trained_so() -> None:
    learns = both(encoder=net(layers.Normalization(), layers.Dense(3)))
    refused(error, "'encoder/normalization' learns from data", networks=learns)
    keeps = net(layers.Input((2, 3), batch_size=4), layers.GRU(3, stateful=True))
    joint = Joint({"net": keeps}, [Objective(lambda n, x: ops.mean(n.net(x)), name="f")])
    with pytest.raises(ValueError, match="'net/gru' keeps its states"):
        joint.fit(np.ones((8, 2, 3)))


# Data.


def test_data_that_is_wrong() -> None:
    joint = Joint(both(), [Objective(error)])
    bad = X.copy()
    bad[3, 1] = np.nan
    for given, kind, match in [
        ({"X": bad}, ValueError, "X has a NaN at row 3, column 1"),
        ({"X": (X, bad)}, ValueError, r"X\[1\] has a NaN at row 3"),
        ({"X": {"a": X, "b": X[:4]}}, ValueError, r"X\['a'\] has 20 rows and X\['b'\] has 4"),
        ({"X": X, "y": X[:4]}, ValueError, "X has 20 rows and y has 4"),
        ({"X": ()}, ValueError, "X holds no array"),
        ({"X": {"a b": X}}, TypeError, "names as keys, got 'a b'"),
        ({"X": {"y": X}, "y": X}, ValueError, "has the key 'y'"),
        ({"X": X[:0]}, ValueError, "X is empty"),
        ({"X": [["a"]]}, TypeError, "must hold numbers"),
        ({"X": X, "batch_size": 0}, ValueError, "batch_size must be a whole number"),
        ({"X": X, "epochs": -1}, ValueError, "epochs must be a whole number"),
        ({"X": X, "shuffle": 3}, TypeError, "shuffle must be"),
        ({"X": X, "validation_data": X[:, :2]}, ValueError, "must have the shapes of the data"),
        ({"X": X, "validation": X}, TypeError, "did you mean 'validation_data'"),
    ]:
        with pytest.raises(kind, match=match):
            joint.fit(**given)
    with pytest.raises(ValueError, match="validation_data must be \\(X, y\\)"):
        joint.fit(X, X, validation_data=X)


def test_ids_that_a_vocabulary_has_not() -> None:
    def mean(networks: Any, ids: Any, x: Any) -> Any:
        return ops.mean(networks.embed(ids)) + 0.0 * ops.mean(x)

    embed = net(layers.Embedding(5, 2), layers.Flatten(), layers.Dense(1))
    joint = Joint({"embed": embed}, [Objective(mean)])
    ids = np.array([[0, 1], [2, 7]])
    with pytest.raises(ValueError, match="the id 7 at row 1, position 1.*embed/embedding"):
        joint.fit((ids, X[:2]))
    assert not embed.built


def test_a_callback_that_changes_layers() -> None:
    (layer,) = (nets := both())["encoder"].layers
    joint = Joint(nets, [Objective(error)], random_state=0)
    freeze = callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: setattr(layer, "trainable", False)
    )
    with pytest.raises(RuntimeError, match="end the fit by model.stop_training"):
        joint.fit(X, epochs=3, callbacks=[freeze])
    with pytest.raises(ValueError, match="'encoder', which has no weights that are trained"):
        joint.fit(X)
    layer.trainable = True
    joint.fit(X)
