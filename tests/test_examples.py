"""The examples, run as a user runs them, reach what they promise."""

from __future__ import annotations

import inspect
import subprocess
import sys

import numpy as np
import pytest

from ganglion import plot
from ganglion.examples import (
    adult,
    autoencoder,
    california,
    capsule,
    characters,
    custom,
    digits,
    fashion_mnist,
    forecast,
    gallery,
    gan,
    names,
    regression,
    search,
    sentiment,
    sums,
    tagging,
    transfer,
    vae,
    waves,
    xray,
)

PNG = b"\x89PNG"


def test_digits_are_recognised(tmp_path, capsys):
    picture = tmp_path / "digits.png"
    scores = digits.main(["--output", str(picture)])
    assert scores["accuracy"] >= 0.97
    assert min(scores.values()) >= 0.96
    assert picture.read_bytes().startswith(PNG)
    printed = capsys.readouterr().out
    for word in ("accuracy", "precision", "recall", "f1", "Confusion matrix", str(picture)):
        assert word in printed


@pytest.mark.parametrize("seed", [1, 2])
def test_digits_are_recognised_whatever_the_seed(seed, tmp_path):
    scores = digits.main(["--output", str(tmp_path / "digits.png"), "--seed", str(seed)])
    assert scores["accuracy"] >= 0.96


def test_digits_runs_as_a_command(tmp_path):
    command = [sys.executable, "-W", "error", "-m", "ganglion.examples.digits"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "accuracy" in done.stdout
    assert (tmp_path / "digits.png").exists()


def test_a_text_goes_on(tmp_path, capsys):
    picture = tmp_path / "characters.png"
    found = characters.main(["--output", str(picture), "--epochs", "20", "--units", "64"])
    assert found.model < found.by_frequency - 0.3
    assert picture.read_bytes().startswith(PNG)
    printed = capsys.readouterr().out
    assert "nats a character, 20 epochs" in printed and "|" in printed
    assert "[UNK]" not in printed


def test_parts_of_one_s_own_are_checked_and_learn(tmp_path, capsys):
    picture = tmp_path / "custom.png"
    found = custom.main(["--epochs", "15", "--networks", "2", "--output", str(picture)])
    assert picture.read_bytes().startswith(PNG)
    printed = capsys.readouterr().out
    slopes, few, channels, capsules, variance = found
    assert max(slopes.own, channels.own, capsules.own) < 0.06
    assert few.own > 0.85
    assert variance.own < 1.3
    for one in found:
        assert f"\n{one.part} " in printed


def test_capsules_are_compared_with_convolutions(tmp_path, capsys):
    picture = tmp_path / "capsule.png"
    found = capsule.main(["--seeds", "1", "--epochs", "15", "--output", str(picture)])
    assert picture.read_bytes().startswith(PNG)
    for kind in ("capsules", "convolutions"):
        for moves in ("shifts", "angles"):
            scores = found[f"{kind} {moves}"]
            assert scores.shape == (1, 5)
            assert scores[0, 0] > 0.93
            assert scores[0, 0] > scores[0, 2] > scores[0, 4]
    assert "weights of capsules" in capsys.readouterr().out


def test_regression_compares_every_method(tmp_path, capsys):
    picture = tmp_path / "regression.png"
    outcomes = regression.main(["--output", str(picture)])
    assert picture.read_bytes().startswith(PNG)
    assert [outcome.updates for outcome in outcomes[:3]] == [40, 13240, 440]
    printed = capsys.readouterr().out
    for outcome in outcomes:
        assert outcome.method.name in printed
        assert outcome.losses[-1] < outcome.losses[0], outcome.method.name
        assert outcome.r2 > 0.2, outcome.method.name


def test_the_gallery_draws_everything_that_can_be_drawn(tmp_path, capsys):
    written = gallery.main(["--output", str(tmp_path / "new" / "gallery")])
    assert len(written) == len(set(written)) == 21
    for picture in written:
        assert picture.read_bytes().startswith(PNG), picture
        assert picture.stat().st_size > 5000, picture
    assert capsys.readouterr().out.splitlines() == [str(path) for path in written]
    code = inspect.getsource(gallery)
    drawn = set(plot.__all__) - {"LiveCurves", "SampleGrid"}
    assert {name for name in drawn if f"plot.{name}" not in code} == set()


def test_transfer_compares_every_method(tmp_path, capsys):
    picture = tmp_path / "transfer.png"
    scores = transfer.main(["--quick", "--output", str(picture)])
    assert picture.read_bytes().startswith(PNG)
    printed = capsys.readouterr().out
    for method, areas in scores.items():
        assert f"\n{method} " in printed
        assert areas.shape == (2, 3)
        assert areas.min() > 0.8


def test_transfer_reads_the_data_that_it_is_given(data_directory):
    fashion, chests = data_directory / "fashion-mnist", data_directory / "pneumonia-mnist"
    tasks = transfer.clothes_and_chests(fashion, chests / "pneumoniamnist.npz")
    assert (tasks.X_first.shape, tasks.X.shape) == ((60000, 28, 28), (4708, 28, 28))
    trained = transfer.first_network(tasks, seed=0).fit(
        tasks.X_first[:6000], tasks.y_first[:6000], batch_size=64
    )
    assert transfer.learn("unfrozen layer by layer", tasks, trained, 200, 60) > 0.75


@pytest.mark.parametrize(("model", "accuracy"), [("dense", 0.8), ("cnn", 0.8), ("resnet", 0.5)])
def test_every_model_of_fashion_mnist_learns(model, accuracy, digits_as_mnist, capsys):
    arguments = ["--data", str(digits_as_mnist), "--model", model, "--epochs", "4"]
    assert fashion_mnist.main(arguments) >= accuracy
    assert "after 4 epochs" in capsys.readouterr().out


def test_fashion_mnist_reaches_its_accuracy(data_directory):
    assert fashion_mnist.main(["--data", str(data_directory / "fashion-mnist")]) >= 0.885


def test_xray_without_x_rays_finds_eights(tmp_path, capsys):
    picture = tmp_path / "xray.png"
    found = xray.main(["--networks", "1", "--epochs", "15", "--output", str(picture)])
    assert found["ROC AUC"] >= 0.95
    assert picture.read_bytes().startswith(PNG)
    printed = capsys.readouterr().out
    assert str(picture) in printed
    for name in found:
        assert f"\n{name} " in printed


def test_xray_reaches_its_area(data_directory, tmp_path):
    data = data_directory / "pneumonia-mnist" / "pneumoniamnist.npz"
    picture = tmp_path / "xray.png"
    options = ["--networks", "1", "--epochs", "10", "--output", str(picture)]
    found = xray.main(["--data", str(data), *options])
    assert found["ROC AUC"] >= 0.94
    assert found["accuracy"] >= 0.84
    assert picture.read_bytes().startswith(PNG)


def test_intervals_hold_what_they_are_of():
    generator = np.random.default_rng(0)
    y = (np.arange(400) % 4 > 0).astype(int)
    predicted = np.clip(0.3 * generator.normal(size=400) + 0.4 * y + 0.3, 0, 1)
    threshold = xray.best_threshold(y, predicted)
    found, between = (
        function(y, predicted, threshold) for function in (xray.measures, xray.intervals)
    )
    for name, (lower, upper) in between.items():
        assert lower < found[name] < upper, name
        assert upper - lower < 0.2, name
    # The deviation of a share p of 100 negatives is sqrt(p (1 - p) / 100).
    share = found["specificity"]
    width = between["specificity"][1] - between["specificity"][0]
    assert width == pytest.approx(2 * 1.96 * (share * (1 - share) / 100) ** 0.5, rel=0.2)


@pytest.mark.parametrize("seed", [0, 1])
def test_adult_reaches_its_accuracy(seed, data_directory, capsys):
    folder = str(data_directory / "adult")
    assert adult.main(["--data", folder, "--seed", str(seed)]) >= 0.85
    printed = capsys.readouterr().out
    for found in (
        "occupation              1,843 of 32,561 (5.7%)",
        "education-num           each value goes with one of education",
        "26 of 16,281 (0.16%) are training rows too",
        "Female    5,421 of 16,281 (33%)",
    ):
        assert found in printed


@pytest.mark.parametrize("seed", [0, 1])
def test_california_reaches_its_error(seed, data_directory):
    folder = str(data_directory / "california-housing")
    assert california.main(["--data", folder, "--seed", str(seed)]) <= 52_000


def test_forecasts_of_a_made_series_beat_naive_ones(tmp_path, capsys):
    picture = tmp_path / "forecast.png"
    found = forecast.main(["--epochs", "1", "--output", str(picture)])
    printed = capsys.readouterr().out
    naive = [float(line.split()[-3]) for line in printed.splitlines() if "as yesterday" in line]
    assert found["MSE 24"] < naive[0]
    assert found["MSE 96"] < naive[1]
    assert picture.read_bytes().startswith(PNG)


@pytest.mark.parametrize(("horizon", "error"), [(24, 0.32), (96, 0.39)])
def test_the_forecast_of_etth1_reaches_its_error(horizon, error, data_directory):
    series = forecast.transformer(data_directory / "etth1" / "ETTh1.csv")
    assert (len(series.seen), len(series.tested)) == (11520, 2880 + forecast.WINDOW)
    model = forecast.networks(horizon, epochs=10, seed=0)["linear, quantiles"].fit(series.seen)
    found = model.forecast_windows(series.tested)
    assert forecast.errors(series, found.predicted, found.actual)[0] < error
    assert 0.8 < forecast.covered(model, series) < 0.97


def test_sentiment_of_made_sentences_needs_the_order_of_words(tmp_path, capsys):
    picture = tmp_path / "sentiment.png"
    options = ["--networks", "1", "--epochs", "4", "--output", str(picture)]
    found = sentiment.main(options)
    assert 0.6 < found["words without order"].min() <= found["words without order"].max() < 0.8
    assert found["three words together"].min() > 0.9
    assert picture.read_bytes().startswith(PNG)
    assert "network sees" in capsys.readouterr().out


def test_sentiment_reaches_its_accuracy(data_directory):
    train, validation, test = sentiment.divide(sentiment.reviews(data_directory / "rt-polarity"))
    text = sentiment.TextVectorization(
        sentiment.VOCABULARY, standardize=None, output_sequence_length=sentiment.LENGTH
    )
    X, X_val, X_test = (
        text.fit(train.texts).transform(part.texts) for part in (train, validation, test)
    )
    assert (len(X), len(X_val), len(X_test)) == (8529, 1066, 1067)
    hidden = sentiment.hidden_layers(len(text.vocabulary_))["words without order"]
    model = sentiment.classifier(hidden, epochs=15, seed=0)
    model.fit(X, train.praise, X_val=X_val, y_val=validation.praise)
    assert model.score(X_test, test.praise) > 0.74


def test_names_are_told_apart(tmp_path, capsys):
    picture = tmp_path / "names.png"
    found = names.main(["--epochs", "8", "--output", str(picture)])
    assert found["network"] > 0.85
    assert picture.read_bytes().startswith(PNG)
    assert "Mistaken" in capsys.readouterr().out


def test_names_of_a_file(tmp_path, capsys):
    listed = [f"{name}, {origin}" for name, origin in zip(*names.made(), strict=True)]
    path = tmp_path / "names.csv"
    path.write_text("\n".join(listed[::10]), encoding="utf-8")
    options = ["--epochs", "1", "--output", str(tmp_path / "names.png")]
    assert set(names.main(["--data", str(path), *options])) == {"network", "regression"}


def test_words_are_tagged_by_what_is_around_them(tmp_path, capsys):
    picture = tmp_path / "tagging.png"
    found = tagging.main(["--epochs", "3", "--output", str(picture)])
    assert found["most frequent tag"] < 0.7
    assert found["network, in context"] > 0.9
    assert picture.read_bytes().startswith(PNG)


def test_sums_are_read_and_written(tmp_path, capsys):
    picture = tmp_path / "sums.png"
    found = sums.main(["--epochs", "2", "--output", str(picture)])
    assert found["digits"] > 0.4
    assert picture.read_bytes().startswith(PNG)
    assert "are right" in capsys.readouterr().out


def test_waves_are_drawn_from_numbers(tmp_path, capsys):
    picture = tmp_path / "waves.png"
    found = waves.main(["--epochs", "5", "--output", str(picture)])
    assert found["step by step"] < 0.3
    assert picture.read_bytes().startswith(PNG)


def test_an_autoencoder_cleans_images_and_finds_strange_ones(tmp_path, capsys):
    picture = tmp_path / "autoencoder.png"
    found = autoencoder.main(["--output", str(picture)])
    assert found["explained"] > 0.8 and found["cleaned"] < 0.25 and found["area"] > 0.9
    assert picture.read_bytes().startswith(PNG)
    assert str(picture) in capsys.readouterr().out


def test_new_images_are_drawn_by_a_vae(tmp_path, capsys):
    picture = tmp_path / "vae.png"
    found = vae.main(["--output", str(picture), "--epochs", "100"])
    assert found["bound"] > -26 and found["divergence"] > 3
    assert picture.read_bytes().startswith(PNG)
    assert str(picture) in capsys.readouterr().out


@pytest.mark.parametrize("loss", ["non-saturating", "wasserstein"])
def test_the_digits_that_a_gan_draws_are_recognised(loss, tmp_path, capsys):
    picture = tmp_path / "gan.png"
    # One step of the generator to five of the discriminator.
    epochs = {"non-saturating": "40", "wasserstein": "120"}[loss]
    found = gan.main(["--output", str(picture), "--epochs", epochs, "--loss", loss])
    assert found["recognised"] > 0.6 and 0.3 < found["spread"] < 1.7
    assert picture.read_bytes().startswith(PNG)
    assert str(picture) in capsys.readouterr().out


@pytest.mark.parametrize("example", [autoencoder, vae, gan], ids=lambda e: e.__name__[18:])
def test_generative_examples_read_files(example, digits_as_mnist, tmp_path):
    settings = ["--data", str(digits_as_mnist), "--epochs", "1"]
    assert example.main([*settings, "--output", str(tmp_path / "x.png")])


@pytest.mark.parametrize("way", search.SEARCHES)
def test_every_way_to_search_finds_good_settings(way, capsys):
    assert search.main(["--by", way])[way] >= 0.95
    assert capsys.readouterr().out.splitlines()[1].startswith(way)


@pytest.mark.parametrize(
    ("example", "arguments", "message"),
    [
        (adult, ["--data", "nowhere"], "No such file or directory: 'nowhere/adult-train.csv'"),
        (california, ["--data", "nowhere"], "No such file or directory: 'nowhere/housing.csv'"),
        (search, ["--by", "luck"], "argument --by: invalid choice: 'luck'"),
        (fashion_mnist, ["--data", "nowhere"], "folder nowhere does not exist"),
        (vae, ["--data", "nowhere"], "folder nowhere does not exist"),
        (gan, ["--loss", "hinge"], "argument --loss: invalid choice: 'hinge'"),
        (characters, ["--data", "nowhere"], "No such file or directory: 'nowhere'"),
        (fashion_mnist, ["--data", "."], "holds neither train-images-idx3-ubyte nor"),
        (fashion_mnist, ["--data", ".", "--epochs", "0"], "--epochs: must be a positive integer"),
        (regression, ["--epochs", "-3"], "--epochs: must be a positive integer, got '-3'"),
        (regression, ["--seed", "-1"], "--seed: must be an integer of at least 0"),
        (digits, ["--seed", "one"], "--seed: must be an integer of at least 0"),
        (digits, ["--output", "nowhere/x.png"], "--output: folder nowhere does not exist"),
        (digits, ["--output", "x.foo"], "--output: must end in one of"),
        (gallery, ["--output", __file__], "argument --output: "),
        (transfer, ["--data", "x.npz"], "--fashion and --data: give both, or none for digits"),
        (transfer, ["--data", "x.npz", "--fashion", "nowhere"], "folder nowhere does not exist"),
        (xray, ["--data", "x.npz"], "No such file or directory: 'x.npz'"),
        (xray, ["--data", __file__], "is no archive of plain arrays"),
        (xray, ["--networks", "0"], "--networks: must be a positive integer, got '0'"),
        (forecast, ["--data", "x.csv"], "No such file or directory: 'x.csv'"),
        (forecast, ["--data", __file__], "must begin with 'date' and names of channels, got"),
        (names, ["--data", __file__], "line 2: must be a name, a comma, a class"),
        (sentiment, ["--data", "nowhere"], "No such file or directory: 'nowhere/rt-polarity.neg'"),
        (sums, ["--epochs", "0"], "--epochs: must be a positive integer, got '0'"),
        (digits, ["--outputs"], "unrecognized arguments: --outputs"),
    ],
)
def test_a_mistake_is_one_line(example, arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as caught:
        example.main(arguments)
    printed = capsys.readouterr()
    assert (caught.value.code, printed.out) == (2, "")
    assert message in printed.err
    assert printed.err.startswith(f"python -m {example.__name__}: ")
    assert printed.err.count("\n") == 1


@pytest.mark.parametrize(
    ("example", "hidden", "extra"),
    [
        ("adult", "pandas", "tabular"),
        ("california", "pandas", "tabular"),
        ("digits", "matplotlib", "sklearn"),
        ("digits", "sklearn", "sklearn"),
        ("gallery", "matplotlib", "sklearn"),
        ("gallery", "sklearn", "sklearn"),
        ("regression", "matplotlib", "sklearn"),
        ("regression", "sklearn", "sklearn"),
        ("search", "optuna", "search"),
        ("xray", "matplotlib", "sklearn"),
        ("xray", "sklearn", "sklearn"),
    ],
)
def test_a_missing_library_is_one_line(example, hidden, extra):
    code = f"""
import runpy, sys
sys.modules[{hidden!r}] = None
runpy.run_module("ganglion.examples.{example}", run_name="__main__")
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert f'pip install "ganglion[{extra}]"' in done.stderr


def test_the_examples_are_listed():
    listed = subprocess.check_output([sys.executable, "-m", "ganglion.examples"], text=True)
    on_images = (autoencoder, digits, fashion_mnist, gallery, gan, transfer, vae, xray)
    on_sequences = (characters, forecast, names, sentiment, sums, tagging, waves)
    for example in (adult, california, custom, regression, search, *on_images, *on_sequences):
        name = example.__name__.rpartition(".")[2]
        assert f"\n{name}\n    {example.__doc__.splitlines()[0]}\n" in listed
