"""Saving and loading: whole or not at all, no code, clear errors, training resumed bit by bit."""

from __future__ import annotations

import json
import os
import stat

import numpy as np
import pytest

from ganglion import (
    NotFittedError,
    Sequential,
    callbacks,
    layers,
    optimizers,
    schedules,
    tensors,
)
from ganglion.losses import FunctionLoss

RNG = np.random.default_rng(2)
X = RNG.normal(size=(60, 5)).astype(np.float32)
Y = RNG.integers(0, 3, 60)


def network(**settings) -> Sequential:
    settings = {"optimizer": optimizers.Adam(0.01), "metrics": ["accuracy"], **settings}
    return Sequential(
        [
            layers.Normalization(),
            layers.Dense(8, activation="relu", kernel_regularizer="l2"),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.Residual([layers.Dense(8, activation="tanh")]),
            layers.Dense(3, activation="softmax"),
        ],
        loss="sparse_categorical_crossentropy",
        random_state=4,
        **settings,
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.safetensors"


@pytest.fixture
def saved(path):
    network().fit(X, Y).save(path)
    return path


def rewrite(path, change) -> None:
    """Apply `change` to the header of a file."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_loaded_network_predicts_the_same_bits(path, dtype):
    net = network(dtype=dtype).fit(X, Y, epochs=2)
    net.save(path)
    loaded = Sequential.load(path)
    np.testing.assert_array_equal(loaded.predict(X), net.predict(X))
    assert loaded.layers == net.layers
    assert loaded.optimizer == net.optimizer
    assert (loaded.dtype, loaded.seed_, loaded.loss) == (dtype, 4, net.loss)
    assert (loaded.epoch_, loaded.history_) == (0, {})


@pytest.mark.parametrize(
    "optimizer",
    [
        optimizers.Adam(0.01),
        optimizers.SGD(schedules.ExponentialDecay(0.1, 5, 0.9), momentum=0.9),
        optimizers.Nadam(0.01, use_ema=True, gradient_accumulation_steps=2),
    ],
    ids=["adam", "schedule", "everything"],
)
def test_resumed_training_gives_the_same_bits(path, optimizer):
    settings = {"batch_size": 16, "validation_data": (X, Y)}
    once = (
        network(optimizer=optimizer).fit(X, Y, epochs=2, **settings).fit(X, Y, epochs=3, **settings)
    )
    network(optimizer=optimizer).fit(X, Y, epochs=2, **settings).save(path, training_state=True)
    resumed = Sequential.load(path)
    assert resumed.epoch_ == 2
    resumed.fit(X, Y, epochs=3, **settings)
    for left, right in zip(once.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)
    assert once.history_ == resumed.history_


def test_learning_rate_that_was_set_is_resumed(path):
    net = network().fit(X, Y)
    net.learning_rate = 0.5
    for training_state in (True, False):
        net.save(path, training_state=training_state)
        assert Sequential.load(path).learning_rate == 0.5


def test_the_safetensors_library_reads_it(saved):
    safetensors = pytest.importorskip("safetensors.numpy")
    arrays = safetensors.load_file(saved)
    assert arrays["weights/dense/kernel"].shape == (5, 8)


def test_network_without_loss(path):
    net = Sequential([layers.Input((5,)), layers.Dense(2)])
    net.save(path)
    np.testing.assert_array_equal(Sequential.load(path).predict(X), net.predict(X))


def test_save_replaces_a_file_and_keeps_its_rights(saved):
    saved.chmod(0o640)
    net = network().fit(X, Y, epochs=2)
    net.save(saved)
    assert stat.S_IMODE(saved.stat().st_mode) == 0o640
    np.testing.assert_array_equal(Sequential.load(saved).predict(X), net.predict(X))


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_a_new_file_has_the_rights_of_any_new_file(path, umask, monkeypatch):
    before = os.umask(umask)
    with monkeypatch.context() as patch:
        patch.delattr(os, "umask")  # asking for it would change it for other threads
        network().fit(X, Y).save(path)
    os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


def test_what_replaces_a_private_file_is_never_public(saved, monkeypatch):
    saved.chmod(0o600)
    seen = []

    def look(descriptor):
        seen.append(stat.S_IMODE(os.fstat(descriptor).st_mode))

    monkeypatch.setattr(os, "fsync", look)
    network().fit(X, Y).save(saved)
    assert seen == [0o600]


def test_failed_save_leaves_the_old_file(saved, monkeypatch):
    old = saved.read_bytes()

    def full(descriptor):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        network().fit(X, Y).save(saved)
    assert saved.read_bytes() == old
    assert [file.name for file in saved.parent.iterdir()] == [saved.name]


@pytest.mark.parametrize("place", ["nowhere/net.safetensors", "."])
def test_failed_save_names_the_path_that_was_given(place, tmp_path):
    with pytest.raises(OSError) as caught:
        network().fit(X, Y).save(tmp_path / place)
    assert caught.value.filename == str(tmp_path / place)
    assert caught.value.filename2 is None
    assert list(tmp_path.iterdir()) == []


def test_functions_cannot_be_saved(path):
    net = network()
    net.compile(loss=FunctionLoss(lambda target, prediction: prediction[..., 0] - target[..., 0]))
    net.build((None, 5))
    with pytest.raises(TypeError, match="cannot be saved"):
        net.save(path)
    assert not path.exists()


def test_activations_that_are_functions_cannot_be_saved(path):
    net = Sequential([layers.Input((5,)), layers.Dense(2, activation=lambda x: x * x)])
    with pytest.raises(TypeError, match="cannot be saved"):
        net.save(path)
    assert not path.exists()


def test_save_before_build(path):
    with pytest.raises(NotFittedError, match="save"):
        network().save(path)


def test_missing_file(path):
    with pytest.raises(FileNotFoundError):
        Sequential.load(path)


@pytest.mark.parametrize("share", [0.0, 0.0005, 0.01, 0.5, 0.99])
def test_truncated_file(saved, share):
    content = saved.read_bytes()
    saved.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=r"\[load\] .*net.safetensors"):
        Sequential.load(saved)


@pytest.mark.parametrize(
    "content",
    [
        b"PK\x03\x04 not ours at all",
        b"\x89HDF\r\n\x1a\n" + bytes(100),
        b"\x80\x04." + bytes(64),
        b"{}",
    ],
    ids=["zip", "hdf5", "pickle", "json"],
)
def test_foreign_file(path, content):
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"\[load\] .*net.safetensors"):
        Sequential.load(path)


def test_safetensors_of_somebody_else(path):
    tensors.write(path, {"a": np.zeros(3, np.float32)}, {"format": "pt"})
    with pytest.raises(ValueError, match="holds no network"):
        Sequential.load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda h: h["__metadata__"].update(version="99"), "version 99"),
        (lambda h: h["__metadata__"].pop("description"), "description"),
        (lambda h: h["__metadata__"].update(description="[]"), "description"),
        (
            lambda h: h.update(renamed=h.pop("weights/dense/kernel")),
            "'weights/dense/kernel' is missing",
        ),
        (lambda h: h["weights/dense/kernel"].update(shape=[8, 5]), r"shape \(5, 8\)"),
        (lambda h: h["weights/dense/kernel"].update(shape=[5, 9]), "cannot be read"),
        (lambda h: h["weights/dense/kernel"].update(shape=[-5, -8]), "cannot be read"),
        (lambda h: h["weights/dense/kernel"].update(dtype="F8"), "cannot be read"),
        (lambda h: h.update(extra=3), "cannot be read"),
    ],
    ids=["version", "none", "list", "missing", "transposed", "size", "negative", "dtype", "entry"],
)
def test_damaged_header(saved, change, message):
    rewrite(saved, change)
    with pytest.raises(ValueError, match=message):
        Sequential.load(saved)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["layers"][1].update(class_name="Dance"), "'Dance'"),
        (lambda d: d["layers"][1].update(module="somewhere"), "import 'somewhere' first"),
        (lambda d: d["layers"][1].update(module="__main__"), "define it in this program first"),
        (lambda d: d["layers"][1]["config"].update(units=-3), "units"),
        (lambda d: d["layers"][1]["config"].update(unit=3), "unit"),
        (lambda d: d.pop("dtype"), "'dtype' is missing"),
        (lambda d: d.update(seed="x"), "random_state"),
        (lambda d: d.update(learning_rate=-1.0), "learning_rate"),
    ],
    ids=["class", "module", "main", "range", "argument", "missing", "seed", "learning_rate"],
)
def test_damaged_description(saved, change, message):
    def change_description(header):
        description = json.loads(header["__metadata__"]["description"])
        change(description)
        header["__metadata__"]["description"] = json.dumps(description)

    rewrite(saved, change_description)
    with pytest.raises(ValueError, match=message) as caught:
        Sequential.load(saved)
    assert "net.safetensors" in str(caught.value)


def test_random_bytes_are_refused_or_read(saved):
    content = saved.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(200):
        damaged = bytearray(content)
        for position in rng.integers(0, 3000, 3):
            damaged[position] = rng.integers(256)
        saved.write_bytes(damaged)
        try:
            Sequential.load(saved)
        except ValueError as error:
            assert "net.safetensors" in str(error)


def watchers(folder) -> list:
    """Callbacks with counters, the one that saves in front of those that it must come after."""
    return [
        callbacks.ModelCheckpoint(folder / "net-{epoch}.safetensors"),
        callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=2, cooldown=1),
        callbacks.EarlyStopping(patience=6),
    ]


@pytest.mark.parametrize("epoch", [1, 3, 5])
def test_a_fit_resumed_from_its_checkpoint_has_the_counters_of_its_callbacks(tmp_path, epoch):
    settings = {"batch_size": 16, "validation_data": (X, np.arange(60) % 3)}
    once = watchers(tmp_path)
    whole = network(optimizer=optimizers.SGD(0.5)).fit(X, Y, epochs=30, callbacks=once, **settings)
    assert 5 < whole.epoch_ < 30  # it was stopped, and the learning rate lowered
    assert whole.learning_rate < 0.5
    again = watchers(tmp_path)
    resumed = Sequential.load(tmp_path / f"net-{epoch}.safetensors")
    resumed.fit(X, Y, epochs=30 - epoch, callbacks=again, **settings)
    assert resumed.history_ == whole.history_
    for left, right in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)
    for left, right in zip(once, again, strict=True):
        assert left.get_state() == right.get_state()


def test_callbacks_of_other_settings_begin_anew(tmp_path):
    early = callbacks.EarlyStopping("loss", patience=50)
    checkpoint = callbacks.ModelCheckpoint(tmp_path / "net.safetensors")
    network().fit(X, Y, epochs=3, callbacks=[early, checkpoint])
    net = Sequential.load(tmp_path / "net.safetensors")
    other = callbacks.EarlyStopping("loss", patience=49)
    net.fit(X, Y, epochs=1, callbacks=[other])
    assert other.get_state()["first_epoch"] == 3
    # Given once: a second fit is a new one.
    same = callbacks.EarlyStopping("loss", patience=50)
    net.fit(X, Y, epochs=1, callbacks=[same])
    assert same.get_state()["first_epoch"] == 4


def test_after_a_fit_no_callback_is_kept(path):
    net = network().fit(X, Y, epochs=2, callbacks=[callbacks.EarlyStopping("loss")])
    net.save(path, training_state=True)
    assert not any(name.startswith("callbacks/") for name in tensors.read(path)[0])


class Counter(callbacks.Callback):
    """Has the state it is made with, which is no setting."""

    def __init__(self, seen):
        self.state = {"seen": seen}

    def get_state(self):
        return self.state

    def set_state(self, state):
        self.state = state


def best_of(folder):
    return callbacks.ModelCheckpoint(folder / "best.safetensors", "loss", save_best_only=True)


def test_a_checkpoint_tells_no_path_and_may_move(tmp_path):
    first = best_of(tmp_path)
    network().fit(X, Y, epochs=3, callbacks=[first])
    path = tmp_path / "best.safetensors"
    assert str(tmp_path).encode() not in path.read_bytes()
    (tmp_path / "elsewhere").mkdir()
    best = []
    peek = callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: best.append(again.best))
    again = best_of(tmp_path / "elsewhere")
    Sequential.load(path).fit(X, Y, callbacks=[again, peek])
    assert best == [Sequential.load(path)._callback_states[0][1]["best"]]
    assert np.isfinite(best).all()


def test_states_that_no_fit_took_up_are_saved_again(path, tmp_path):
    network().fit(X, Y, epochs=3, callbacks=[best_of(tmp_path), callbacks.EarlyStopping("loss")])
    net = Sequential.load(tmp_path / "best.safetensors")
    net.save(path, training_state=True)
    again = Sequential.load(path)
    assert [key for key, _ in again._callback_states] == [key for key, _ in net._callback_states]
    assert len(again._callback_states) == 2
    again.fit(X, Y).save(path, training_state=True)  # a fit without them is a new one
    assert Sequential.load(path)._callback_states == []


def test_numbers_of_numpy_in_a_state(path):
    checkpoint = callbacks.ModelCheckpoint(path)
    network().fit(X, Y, callbacks=[Counter(np.float32(0.5)), checkpoint])
    again = Counter(None)
    Sequential.load(path).fit(X, Y, callbacks=[again])
    assert again.state == {"seen": 0.5}


@pytest.mark.parametrize("seen", [{1, 2}, {"w": np.zeros(2)}], ids=str)
def test_a_state_that_no_file_takes_is_named(saved, seen):
    before = saved.read_bytes()
    message = (
        r"\[save\] Counter\(.*\): get_state must give numbers, text or arrays, got .* as 'seen'"
    )
    with pytest.raises(TypeError, match=message):
        network().fit(X, Y, callbacks=[Counter(seen), callbacks.ModelCheckpoint(saved)])
    assert saved.read_bytes() == before


@pytest.mark.parametrize("fault", ["nested", "huge"])
def test_a_description_too_deep_or_too_large(saved, fault):
    def change(header):
        description = json.loads(header["__metadata__"]["description"])
        description["input_shape"] = [None, 10**13]
        text = "[" * 200_000 if fault == "nested" else json.dumps(description)
        header["__metadata__"]["description"] = text

    rewrite(saved, change)
    with pytest.raises(ValueError, match=r"net.safetensors cannot be read"):
        Sequential.load(saved)


def test_a_link_is_followed(tmp_path):
    net = network().fit(X, Y)
    link, path = tmp_path / "link", tmp_path / "files" / "net.safetensors"
    path.parent.mkdir()
    link.symlink_to(path)
    for _ in range(2):  # a new file, and one that is there
        net.save(link)
        assert link.is_symlink()
        assert Sequential.load(path).weight_names == net.weight_names


def test_what_is_no_regular_file_is_not_replaced(tmp_path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no named pipes")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="no regular file.*pipe"):
        network().fit(X, Y).save(pipe)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
