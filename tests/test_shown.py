"""What a network prints: summary, programs."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
from small_networks import X, Y, classifier

from ganglion import Sequential, applications, layers


def test_summary_names_layers_and_weights(capsys):
    net = classifier().fit(X, Y)
    net.summary()
    text = capsys.readouterr().out
    assert text == (
        "Layer (type)      Output Shape   Param #\n"
        "----------------------------------------\n"
        "dense (Dense)     (None, 8)           56\n"
        "dense_1 (Dense)   (None, 2)           18\n"
        "----------------------------------------\n"
        "Total params: 74 (296 B)\n"
        "Trainable params: 74 (296 B)\n"
        "Non-trainable params: 0 (0 B)\n"
    )
    assert repr(net).startswith("Sequential([")


def test_summary_counts_what_is_not_trained_and_what_stands_within(capsys):
    inner = [layers.Dense(6, name="wide"), layers.BatchNormalization()]
    net = Sequential([layers.Input((6,)), layers.Residual(inner), layers.Dense(1, trainable=False)])
    net.summary()
    text = capsys.readouterr().out
    assert "residual (Residual)   (None, 6)           66" in text
    assert "wide" not in text
    assert "Total params: 73 (292 B)" in text
    assert "Trainable params: 54 (216 B)" in text
    assert "Non-trainable params: 19 (76 B)" in text
    assert [row.name for row in net.layer_rows] == [
        "input", "residual/wide", "residual/batch_normalization", "residual", "dense",
    ]  # fmt: skip
    assert net.get_layer("residual/wide") is inner[0]


def test_a_notebook_shows_a_table_whose_values_are_escaped():
    net = Sequential([layers.Dense(2, name="<b>"), layers.Dense(1)])
    assert net._repr_html_() is None  # nothing to show yet: the notebook prints it
    net.build((None, 3))
    html = net._repr_html_()
    table = ElementTree.fromstring(f"<div>{html.replace('<br>', ' ')}</div>")
    rows = [[cell.text for cell in row] for row in table.iter("tr")]
    assert rows == [
        ["Layer (type)", "Output Shape", "Param #"],
        ["<b> (Dense)", "(None, 2)", "8"],
        ["dense (Dense)", "(None, 1)", "3"],
    ]
    assert "Total params: 11 (44 B)" in html


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


def test_completion_offers_what_users_call():
    offered = {name for name in dir(classifier()) if not name.startswith("_")}
    assert {"fit", "predict", "layers", "history_", "learning_rate", "to_onnx"} <= offered
    assert not {"held", "current", "scalars", "record", "finalize", "follows_schedule"} & offered
    assert dir(applications) == sorted(applications.__all__)
