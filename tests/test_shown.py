"""What a network prints: summary, programs, the progress of a fit."""

from __future__ import annotations

import numpy as np
import pytest
from small_networks import X, Y, classifier


def test_summary_names_layers_and_weights(capsys):
    net = classifier().fit(X, Y)
    net.summary()
    text = capsys.readouterr().out
    assert "dense_1 (Dense)   (None, 2)" in text
    assert "Total weights: 74" in text
    assert "<table>" in net._repr_html_()
    assert repr(net).startswith("Sequential([")


def test_program_and_profile_are_printed(capsys):
    net = classifier().fit(X, Y)
    before = net.get_weights()
    for name in ("predict", "evaluate", "train"):
        net.program(name)
        assert "matmul" in capsys.readouterr().out
    net.profile(X, Y)
    assert "us" in capsys.readouterr().out
    for old, new in zip(before, net.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert net.step_ == 4


def test_verbose_prints_a_line_each_epoch(capsys):
    classifier().fit(X, Y, epochs=2, verbose=2)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" - ")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]


def test_verbose_auto_is_quiet_in_pipes(capfd):
    classifier().fit(X, Y, epochs=2)
    assert capfd.readouterr() == ("", "")


def test_bar_reaches_its_end(capfd):
    pytest.importorskip("tqdm")
    classifier(metrics=["accuracy"]).fit(X, Y, epochs=3, verbose=1)
    text = capfd.readouterr().err
    assert "epoch 3/3: 100%" in text
    assert "accuracy=" in text
