"""How fits of a Joint begin, end and are kept: data, callbacks, divergence, files, copies."""

from __future__ import annotations

import copy
import pickle
import re
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from joint_networks import Array, data, joint, judge, networks, pull, push

from ganglion import (
    DivergenceWarning,
    Joint,
    Model,
    NotFittedError,
    Objective,
    Sequential,
    Source,
    callbacks,
    layers,
    ops,
    optimizers,
)

# How a fit ends.


def test_divergence_goes_back_to_the_last_epoch() -> None:
    X, Z = data()
    nets = networks()
    trained = joint(nets)
    kept = []

    def look(epoch: int, logs: Any) -> None:
        kept.append(trained.get_weights())
        if epoch == 1:
            trained.objectives[1].optimizer.learning_rate = 1e200
            trained.objectives[0].optimizer.learning_rate = 1e200

    with pytest.warns(DivergenceWarning, match="the weights are those of epoch 2") as caught:
        trained.fit((X, Z), epochs=9, callbacks=[callbacks.LambdaCallback(on_epoch_end=look)])
    assert caught[0].filename == __file__
    assert len(kept) < 9 and len(trained.history_["judge"]) == len(kept)
    for a, b in zip(trained.get_weights(), kept[-1], strict=True):
        np.testing.assert_array_equal(a, b)
    assert trained.step_ == 0


def test_ctrl_c_leaves_networks_as_far_as_they_were_trained() -> None:
    X = np.broadcast_to(data()[0][:1], (5_000_000, 3))
    net = networks()["discriminator"]
    objectives = [Objective(pull), Objective(push, every=3)]
    trained = Joint({"discriminator": net}, objectives, random_state=0)
    trained.fit(X[:8])
    before = trained.get_weights()
    timer = threading.Timer(0.3, signal.raise_signal, [signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        trained.fit(X, batch_size=1, shuffle=False)
    assert trained.step_ > 1 and len(trained.history_["pull"]) == trained.epoch_ == 1
    after = trained.get_weights()
    assert not np.array_equal(before[0], after[0]) and np.isfinite(after[0]).all()
    trained.fit(X[:8])


def test_callbacks_that_stop_and_restore() -> None:
    X, Z = data()
    nets = networks()
    trained = joint(nets)
    stop = callbacks.EarlyStopping("judge", patience=0, mode="min", restore_best_weights=True)
    seen = []
    look = callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append((logs["judge"], trained.get_weights()))
    )
    trained.fit((X, Z), epochs=5, callbacks=[look, stop])
    assert len(seen) == 2
    best = min(seen, key=lambda pair: pair[0])[1]
    for a, b in zip(trained.get_weights(), best, strict=True):
        np.testing.assert_array_equal(a, b)
    batches = []
    step = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: batches.append(logs))
    trained.fit((X, Z), callbacks=[step], batch_size=10)
    assert len(batches) == 4 and set(batches[0]) == {"judge", "made", "deceive"}
    with pytest.raises(TypeError, match="one for each objective"):
        trained.fit((X, Z), callbacks=[callbacks.ReduceLROnPlateau("judge")])
    for one in (callbacks.GradualUnfreezing(), callbacks.LayerRecorder(X, Z)):
        with pytest.raises(TypeError, match="looks at the layers of one network"):
            trained.fit((X, Z), callbacks=[one])


# Data.


def test_arrays_by_name() -> None:
    X, Z = data()
    found = []
    for given in ({"image": X, "noise": Z}, {"noise": Z.tolist(), "image": X.astype(np.float32)}):
        nets = networks()
        objective = Objective(named, "discriminator", optimizers.SGD(0.1))
        trained = Joint(nets, [objective], random_state=0)
        whole = trained.fit(
            given, np.zeros(len(X)), epochs=2, validation_data=(dict(image=X, noise=Z), X[:, 0])
        )
        found.append(whole.history_["named"])
    assert found[0] == pytest.approx(found[1], rel=1e-6)


def named(networks: Any, noise: Any, y: Any, image: Any) -> Any:
    return judge(networks, image, noise)["judge"] + ops.mean(y)


def test_validation_is_reported_beside() -> None:
    X, Z = data()
    nets = networks()
    trained = joint(nets).fit((X, Z), epochs=2, validation_data=(X[:7], Z[:7]))
    reported = ["judge", "made", "deceive"]
    assert list(trained.history_) == [*reported, *(f"val_{name}" for name in reported)]
    last = {name: trained.history_[f"val_{name}"][-1] for name in reported}
    assert trained.evaluate((X[:7], Z[:7])) == last


def test_layers_act_as_asked() -> None:
    def mean(networks: Any, x: Any) -> Any:
        usual, still = networks.net(x), networks.net(x, training=False)
        return {"mean": ops.mean(usual), "apart": ops.mean(ops.absolute(usual - still))}

    nets = {"net": Sequential([layers.Dense(3), layers.Dropout(0.5)], random_state=0)}
    X = data()[0]
    trained = Joint(nets, [Objective(mean)], random_state=0).fit(X)
    assert trained.history_["apart"][0] > 0
    assert trained.evaluate(X)["apart"] == 0


def test_sources_are_read_once_a_batch() -> None:
    X = data()[0]

    class Rows(Source):
        sample_shape = (3,)
        dtype = np.dtype("float64")

        def __len__(self) -> int:
            return len(X)

        def read(self, rows: Array, out: Array) -> None:
            out[...] = X[rows]

    found = []
    for given in (X, Rows()):
        nets = networks()
        objectives = [Objective(pull, "discriminator"), Objective(push, "discriminator", every=2)]
        trained = Joint({"discriminator": nets["discriminator"]}, objectives, random_state=0)
        found.append(trained.fit(given, epochs=2, batch_size=8).get_weights())
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)


# What is kept.


def objectives() -> list[Objective]:
    return [
        Objective(drawn, "discriminator", optimizers.Adam(0.05)),
        Objective(push, "discriminator", optimizers.SGD(0.1, momentum=0.9), every=2),
    ]


def drawn(networks: Any, x: Any) -> Any:
    return ops.mean((networks.discriminator(x) - ops.random_normal((None, 1))) ** 2)


def through_a_file(trained: Joint, path: Path) -> Joint:
    trained.save(path, training_state=True)
    return Joint.load(path, objectives())


WAYS = {
    "whole": lambda trained, path: trained,
    "file": through_a_file,
    "copy": lambda trained, path: copy.copy(trained),
    "pickle": lambda trained, path: pickle.loads(pickle.dumps(trained)),
}


@pytest.mark.parametrize("way", WAYS)
def test_training_goes_on_with_the_same_bits(way: str, tmp_path: Path) -> None:
    X = data()[0]
    results = []
    for epochs in ([4], [1, 3]):
        nets = {"discriminator": networks()["discriminator"]}
        trained = Joint(nets, objectives(), random_state=0)
        for part in epochs:
            trained = WAYS[way](trained, tmp_path / "net") if trained.epoch_ else trained
            trained.fit(X, epochs=part, batch_size=8)
        results.append((trained.get_weights(), trained.history_, trained.step_, trained.epoch_))
    for a, b in zip(results[0][0], results[1][0], strict=True):
        np.testing.assert_array_equal(a, b)
    assert results[0][1:] == results[1][1:]


def test_a_file_holds_networks_of_both_kinds(tmp_path: Path) -> None:
    x, z = layers.Input((3,)), layers.Input((2,))
    nets = {
        "first": Model([x, z], layers.Dense(2)(layers.Concatenate()([x, z])), random_state=0),
        "second": Sequential([layers.Dense(1)], random_state=0),
    }
    X, Z = data()

    def size(networks: Any, x: Any, z: Any) -> Any:
        return ops.mean(networks.second(networks.first(x, z)) ** 2)

    trained = Joint(nets, [Objective(size)], random_state=0)
    with pytest.raises(NotFittedError):
        trained.save(tmp_path / "net")
    with pytest.raises(NotFittedError, match="network 'second' has no weights yet"):
        trained.evaluate((X, Z))
    trained.fit((X, Z), epochs=2)
    trained.save(tmp_path / "net")
    loaded = Joint.load(tmp_path / "net", [Objective(size)])
    assert loaded.evaluate((X, Z)) == trained.evaluate((X, Z))
    assert loaded.history_ == {} and isinstance(loaded.networks["first"], Model)
    np.testing.assert_array_equal(
        loaded.networks["first"].predict((X, Z)), nets["first"].predict((X, Z))
    )
    with pytest.raises(ValueError, match=r"\[Joint\].*no network is named so"):
        Joint.load(tmp_path / "net", [Objective(size, "third")])
    nets["second"].save(tmp_path / "alone")
    with pytest.raises(ValueError, match="it is a Sequential, and no Joint"):
        Joint.load(tmp_path / "alone", [Objective(size)])
    with pytest.raises(ValueError, match="ganglion.Joint.load reads it"):
        Sequential.load(tmp_path / "net")


def test_what_is_trained_may_change_between_fits() -> None:
    X = data()[0]
    net = Sequential([layers.Dense(4, activation="tanh"), layers.Dense(1)], random_state=0)
    trained = Joint({"discriminator": net}, objectives(), random_state=0).fit(X, epochs=2)
    net.layers[0].trainable = False
    before = net.get_weights()
    trained.fit(X)
    assert trained.step_ == 2 and trained.epoch_ == 3
    np.testing.assert_array_equal(before[0], net.get_weights()[0])
    assert not np.array_equal(before[2], net.get_weights()[2])


def test_the_program_of_an_objective_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    X, Z = data()
    trained = joint(networks())
    with pytest.raises(NotFittedError, match="call fit"):
        trained.program("judge")
    trained.fit((X, Z)).program("judge")
    text = capsys.readouterr().out
    assert "discriminator/dense" in text and "sgd" in text
    with pytest.raises(ValueError, match="did you mean 'judge'"):
        trained.program("juge")


def test_what_is_shown(capfd: pytest.CaptureFixture[str]) -> None:
    X, Z = data()
    trained = joint(networks()).fit((X, Z), verbose=2)
    assert re.match(r"epoch 1/1 - .*s - judge: .* - made: .* - deceive: .*", capfd.readouterr().out)
    long = np.broadcast_to(X[:1] * 1e-3, (1_000_000, 3)), np.zeros((1_000_000, 2))
    trained.fit(long, batch_size=4, shuffle=False, verbose=1)
    shown = capfd.readouterr().err
    assert "epoch 2/2: 100%" in shown and "judge=" in shown and "deceive=" in shown


def test_names_that_are_completed() -> None:
    names = {name for name in dir(joint(networks())) if not name.startswith("_")}
    assert {"fit", "evaluate", "save", "networks"} <= names
    assert not {"held", "finalize", "go_on"} & names
