"""The progress of a fit, as a terminal, a pipe and a notebook see it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
import types

import numpy as np
import pytest
from small_networks import X, Y, classifier

from ganglion import callbacks
from ganglion.progress import Progress, in_notebook, resolve_verbose

tqdm = pytest.importorskip("tqdm")
PREAMBLE = """
    import signal, time
    import numpy as np
    from ganglion import NeuralClassifier, Sequential, callbacks, layers
    X = np.random.default_rng(0).normal(size=(1000, 5))
    y = (X[:, 0] > 0).astype(int)
    net = Sequential(
        [layers.Dense(8, "relu"), layers.Dense(1, "sigmoid")], loss="binary_crossentropy",
        metrics=["accuracy"], random_state=0,
    )
    slow = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: time.sleep(0.005))
"""


def terminal(code: str, columns: int = 120) -> list[str]:
    """What a terminal shows while a program runs, frame by frame."""
    pty = pytest.importorskip("pty")
    fcntl, struct, termios = (__import__(name) for name in ("fcntl", "struct", "termios"))
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    program = textwrap.dedent(PREAMBLE) + textwrap.dedent(code)
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program], stdin=slave, stdout=slave, stderr=slave
    )
    os.close(slave)
    shown = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # how Linux says that the other end was closed
            break
        if not part:
            break
        shown += part
    process.wait()
    os.close(master)
    return [frame for frame in re.split(r"[\r\n]+", shown.decode()) if frame.strip()]


def test_a_terminal_shows_epoch_share_time_left_rate_and_results():
    frames = terminal("net.fit(X, y, epochs=3, validation_split=0.2, callbacks=[slow])")
    assert frames[0].startswith("epoch 1/3:   0%|")
    pattern = r"epoch (\d)/3: +(\d+)%\|.*\| \d\d:\d\d, +[\d.]+k? samples/s, loss=[\d.]+"
    matches = [re.match(pattern, frame) for frame in frames[1:]]
    assert all(matches), frames
    epochs = [int(match[1]) for match in matches]
    shares = [int(match[2]) for match in matches]
    assert epochs == sorted(epochs) and shares == sorted(shares)
    assert len(set(shares)) > 3  # within the epochs, too
    assert all((epoch - 1) / 3 <= share / 99 for epoch, share in zip(epochs, shares, strict=True))
    assert (epochs[-1], shares[-1]) == (3, 100)
    for name in ("accuracy=", "val_loss=", "val_accuracy="):
        assert name in frames[-1]


def test_a_second_fit_goes_on_counting():
    frames = terminal("net.fit(X, y, epochs=2, verbose=0); net.fit(X, y, epochs=3)")
    assert frames[0].startswith("epoch 3/5:   0%|")
    assert frames[-1].startswith("epoch 5/5: 100%|")


def test_a_fit_that_is_stopped_leaves_the_bar_where_it_was():
    frames = terminal(
        "stop = callbacks.EarlyStopping('loss', min_delta=9, patience=1)\n"
        "net.fit(X, y, epochs=20, callbacks=[stop])"
    )
    assert frames[-1].startswith("epoch 2/20:  10%|")


def test_an_interrupt_does_not_count_the_epoch():
    frames = terminal(
        """
        class Interrupt(callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                if self.model.epoch_ == 2 and batch == 15:
                    raise KeyboardInterrupt
        try:
            net.fit(X, y, epochs=4, callbacks=[Interrupt()])
        except KeyboardInterrupt:
            print("interrupted")
        """
    )
    assert frames[-1] == "interrupted"
    assert re.match(r"epoch 3/4: +6\d%\|", frames[-2]), frames[-2]


def test_verbose_says_what_a_terminal_shows():
    frames = terminal(
        """
        net.fit(X, y, verbose=0)
        NeuralClassifier(epochs=2).fit(X, y)
        print("so far nothing")
        net.fit(X, y, epochs=2, verbose=2)
        NeuralClassifier(epochs=3, verbose="auto").fit(X, y)
        """
    )
    assert frames[0] == "so far nothing"
    assert [line.split(" - ")[0] for line in frames[1:3]] == ["epoch 2/3", "epoch 3/3"]
    assert frames[3].startswith("epoch 1/3:   0%")
    assert frames[-1].startswith("epoch 3/3: 100%")


def test_a_pipe_shows_nothing_of_itself(capfd):
    classifier().fit(X, Y, epochs=2, verbose="auto")
    assert capfd.readouterr() == ("", "")


def test_a_batch_that_is_not_full_is_not_counted_as_one(capfd):
    progress = Progress(1, 0, 2, samples=100)
    progress.begin_epoch(0)
    progress.batch(128, {"loss": 0.5})
    progress.close({"loss": 0.5})
    assert "epoch 1/2:  50%" in capfd.readouterr().err


class Shell:
    """Stands for IPython's, in a kernel or in a terminal."""


def pretend(monkeypatch, **attributes) -> None:
    shell = Shell()
    vars(shell).update(attributes)
    ipython = types.SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", ipython)


def test_a_notebook_is_one_that_has_a_kernel(monkeypatch):
    assert (in_notebook(), resolve_verbose("auto")) == (False, 0)
    pretend(monkeypatch)
    assert not in_notebook()
    pretend(monkeypatch, kernel=object())
    assert (in_notebook(), resolve_verbose("auto")) == (True, 1)


@pytest.mark.filterwarnings("error")
def test_a_notebook_without_widgets_shows_text_and_no_warning(monkeypatch, capfd):
    """What tqdm.auto does there: it warns, and falls back to the bar of text."""
    for name in [name for name in sys.modules if name.startswith("tqdm.auto")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ipykernel.zmqshell", types.ModuleType("zmqshell"))
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    pretend(monkeypatch, kernel=object())
    classifier().fit(X, Y, epochs=2)
    assert "epoch 2/2: 100%" in capfd.readouterr().err


def test_without_tqdm_there_are_lines(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    classifier().fit(X, Y, epochs=2, verbose=1)
    assert capsys.readouterr().out.startswith("epoch 1/2 - ")


def test_the_bar_changes_nothing():
    histories = [
        classifier().fit(X, Y, epochs=3, verbose=verbose, callbacks=called).history_
        for verbose in (0, 1)
        for called in ([], [callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)])
    ]
    assert all(np.array_equal(h["loss"], histories[0]["loss"]) for h in histories)


@pytest.mark.parametrize("stderr", [None, types.SimpleNamespace(write=len)], ids=["none", "other"])
def test_a_program_without_a_terminal_shows_nothing(stderr, monkeypatch):
    monkeypatch.setattr(sys, "stderr", stderr)
    assert resolve_verbose("auto") == 0


@pytest.mark.parametrize("hook", ["set_model", "set_params"])
def test_a_callback_that_fails_at_once_leaves_no_bar_open(hook, monkeypatch):
    def fail(argument):
        raise KeyError(hook)

    closed = []
    monkeypatch.setattr(Progress, "close", lambda self, logs: closed.append(logs))
    failing = callbacks.Callback()
    setattr(failing, hook, fail)
    with pytest.raises(KeyError, match=hook):
        classifier().fit(X, Y, callbacks=[failing])
    assert closed == [{}]


def test_a_narrow_terminal_shows_all_results_and_a_bar():
    frames = terminal("net.fit(X, y, epochs=100, validation_split=0.2)", columns=80)
    last = frames[-1]
    assert re.search(r"loss=[\d.e-]+/[\d.e-]+, accuracy=[\d.]+/[\d.]+$", last), last
    assert len(last) <= 80 and len(re.search(r"\|(.*)\|", last)[1]) >= 5
    wide = terminal("net.fit(X, y, epochs=2, validation_split=0.2)", columns=140)[-1]
    assert "samples/s" in wide and "val_accuracy" in wide
