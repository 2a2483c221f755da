"""Folders of images: what is found, what an image becomes, and what cannot be read."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
from row_sources import no_thread_is_left, same_bits  # noqa: F401 (a fixture)
from test_sources import megabytes, needs_proc

from ganglion import ImageFolder, NeuralClassifier, Sequential, layers, optimizers
from ganglion._core import available_cores
from ganglion.callbacks import LambdaCallback

Image = pytest.importorskip("PIL.Image")

CLASSES = ["ants", "bees", "cows"]


def picture(label, number, size=(24, 18)):
    """Bright where the class is, with noise."""
    width, height = size
    pixels = np.random.default_rng([label, number]).integers(0, 120, (height, width, 3))
    pixels[..., label] += 120
    return Image.fromarray(pixels.astype("u1"))


@pytest.fixture
def path(tmp_path):
    """Forty images of each of three classes, half of them JPEG, among files that are none."""
    for label, name in enumerate(CLASSES):
        folder = tmp_path / "data" / name
        folder.mkdir(parents=True)
        for number in range(40):
            picture(label, number).save(folder / f"{number:02}.{'jpg' if number % 2 else 'png'}")
        (folder / "Thumbs.db").write_bytes(b"none")
    (tmp_path / "data" / "README.txt").write_text("none")
    (tmp_path / "data" / ".cache").mkdir()
    return tmp_path / "data"


def network(**others):
    return Sequential(
        [
            layers.Rescaling(1 / 255),
            layers.Flatten(),
            layers.Dense(16, activation="relu"),
            layers.Dense(3, activation="softmax"),
        ],
        loss="sparse_categorical_crossentropy",
        optimizer=optimizers.Adam(0.005),
        metrics=["accuracy"],
        random_state=0,
        **others,
    )


def only_image(folder, image, **settings):
    """What an ImageFolder makes of one image."""
    (folder / "class").mkdir(exist_ok=True)
    image.save(folder / "class" / "image.png")
    return ImageFolder(folder, **settings).load()[0]


def damage(path, keep):
    """Leave the first part of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])


# What is found.


def test_classes_files_and_labels_are_sorted(path):
    folder = ImageFolder(path, image_size=(8, 10))
    assert folder.class_names == CLASSES
    assert len(folder) == 120
    assert folder.sample_shape == (8, 10, 3)
    np.testing.assert_array_equal(folder.labels, np.repeat([0, 1, 2], 40))
    assert [Path(image).name for image in folder.paths[:3]] == ["00.png", "01.jpg", "02.png"]
    assert [Path(image).parent.name for image in folder.paths[39:41]] == ["ants", "bees"]
    assert repr(folder).endswith("image_size=(8, 10)): 120 images of 3 classes")


def test_class_names_choose_folders_and_their_order(path):
    folder = ImageFolder(path, class_names=["cows", "ants"])
    assert folder.class_names == ["cows", "ants"]
    assert Path(folder.paths[0]).parent.name == "cows"
    assert np.bincount(folder.labels).tolist() == [40, 40]


def test_images_in_folders_within_a_class_and_without_classes(path):
    (path / "ants" / "red").mkdir()
    picture(0, 99).save(path / "ants" / "red" / "x.PNG")
    assert len(ImageFolder(path)) == 121
    flat = ImageFolder(path / "ants", image_size=(6, 6), labels=None)
    assert len(flat) == 41
    assert flat.labels is None
    assert flat.class_names == []
    net = network().fit(ImageFolder(path, image_size=(6, 6)))
    assert net.predict(flat).shape == (41, 3)
    with pytest.raises(ValueError, match=r"\[fit\] y is missing"):
        net.fit(flat)


def test_small_files_are_read_by_one_worker(path):
    assert ImageFolder(path).workers == 1
    for image in (path / "bees").iterdir():
        picture(1, 0, size=(200, 200)).save(image.with_suffix(".png"))
    large = ImageFolder(path, class_names=["bees"])
    assert large.workers == available_cores()
    assert ImageFolder(path, workers=5).workers == 5


def test_a_folder_is_copied_with_its_settings(path):
    folder = pickle.loads(pickle.dumps(ImageFolder(path, image_size=(7, 5), workers=3)))
    assert folder.workers == 3
    np.testing.assert_array_equal(folder.load([5]), ImageFolder(path, (7, 5)).load([5]))


# What an image becomes.


def test_images_are_decoded_and_resized_by_pillow(path):
    folder = ImageFolder(path, image_size=(9, 12))
    batch = folder.load([0, 50])
    assert batch.shape == (2, 9, 12, 3)
    assert batch.dtype == np.uint8
    for sample, row in zip(batch, [0, 50], strict=True):
        with Image.open(folder.paths[row]) as image:
            expected = image.convert("RGB").resize((12, 9), Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(sample, np.asarray(expected))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"])
@pytest.mark.parametrize(("color_mode", "channels"), [("grayscale", 1), ("rgb", 3), ("rgba", 4)])
def test_eight_bits_of_any_mode_become_the_color_mode(tmp_path, mode, color_mode, channels):
    (tmp_path / "class").mkdir()
    image = Image.new("RGB", (10, 10), (200, 40, 90)).convert(mode)
    image.save(tmp_path / "class" / ("x.tif" if mode in ("CMYK", "YCbCr") else "x.png"))
    folder = ImageFolder(tmp_path, image_size=(4, 5), color_mode=color_mode)
    (sample,) = folder.load()
    assert sample.shape == (4, 5, channels)
    if mode in ("RGB", "RGBA", "CMYK"):
        expected = {1: [93], 3: [200, 40, 90], 4: [200, 40, 90, 255]}[channels]
        assert np.abs(sample - np.array(expected)).max() <= 2


def test_a_palette_with_transparency_is_read_without_a_warning(tmp_path):
    image = Image.new("P", (8, 8))
    image.putpalette([255, 0, 0, 0, 255, 0])
    (tmp_path / "class").mkdir()
    image.save(tmp_path / "class" / "x.png", transparency=bytes([0, 128]))
    assert ImageFolder(tmp_path, image_size=(2, 2)).load()[0, 0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "area", "lanczos3"])
def test_every_interpolation_keeps_a_flat_image(tmp_path, interpolation):
    sample = only_image(
        tmp_path,
        Image.new("RGB", (31, 17), (10, 20, 30)),
        image_size=(8, 8),
        interpolation=interpolation,
    )
    assert (sample == [10, 20, 30]).all()


def test_sides_are_cut_off_instead_of_distorting(tmp_path):
    pixels = np.zeros((10, 30, 3), "u1")
    pixels[:, 10:20] = 255
    wide = Image.fromarray(pixels)
    cropped = only_image(tmp_path, wide, image_size=(10, 10), crop_to_aspect_ratio=True)
    assert (cropped == 255).all()
    assert not only_image(tmp_path, wide, image_size=(10, 10)).all()
    high = Image.fromarray(pixels.transpose(1, 0, 2))
    assert (only_image(tmp_path, high, image_size=(10, 10), crop_to_aspect_ratio=True) == 255).all()


@pytest.mark.parametrize("crop", [False, True])
def test_a_large_jpeg_decoded_at_a_part_of_its_size_looks_the_same(tmp_path, crop):
    (tmp_path / "class").mkdir()
    small = np.random.default_rng(0).integers(0, 255, (9, 11, 3)).astype("u1")
    large = Image.fromarray(small).resize((1003, 749), Image.Resampling.BICUBIC)
    large.save(tmp_path / "class" / "x.jpg", quality=95)
    folder = ImageFolder(tmp_path, image_size=(64, 64), crop_to_aspect_ratio=crop)
    (sample,) = folder.load()
    with Image.open(folder.paths[0]) as image:
        box = (127, 0, 876, 749) if crop else None
        whole = image.resize((64, 64), Image.Resampling.BILINEAR, box=box)
    difference = np.abs(sample.astype(int) - np.asarray(whole))
    assert difference.mean() < 1
    assert difference.max() < 8


# Training.


def test_a_network_learns_the_classes_of_a_folder(path):
    training, validation = ImageFolder(path, image_size=(8, 8)).split(0.25)
    assert np.bincount(validation.labels).tolist() == [10, 10, 10]
    assert validation.class_names == CLASSES
    net = network().fit(training, epochs=15, batch_size=16, validation_data=validation)
    assert net.history_["val_accuracy"][-1] == 1.0
    assert net.evaluate(validation)["accuracy"] == 1.0
    assert (net.predict(validation).argmax(axis=1) == validation.labels).all()


def test_bits_do_not_depend_on_the_workers_and_are_those_of_the_array(path):
    everything = ImageFolder(path, image_size=(8, 8))
    expected = network().fit(everything.load(), everything.labels, epochs=2)
    for workers in (1, 2, 7):
        folder = ImageFolder(path, image_size=(8, 8), workers=workers)
        assert same_bits(network().fit(folder, epochs=2), expected)


def test_a_fit_is_resumed_with_the_same_bits(path, tmp_path):
    folder = ImageFolder(path, image_size=(8, 8))
    expected = network().fit(folder, epochs=3)
    network().fit(folder, epochs=2).save(tmp_path / "net", training_state=True)
    assert same_bits(Sequential.load(tmp_path / "net").fit(folder), expected)


@needs_proc
def test_a_folder_of_120_megabytes_of_pixels_takes_little_memory(tmp_path):
    for label in range(2):
        (tmp_path / str(label)).mkdir()
        for number in range(300):
            image = Image.new("RGB", (256, 256), (label * 255, number % 256, 0))
            image.save(tmp_path / str(label) / f"{number}.png")
    program = "print(growth(ImageFolder(sys.argv[1], image_size=(256, 256), workers=2)))"
    assert megabytes(program, str(tmp_path)) < 100


# What cannot be read.


def test_a_folder_that_is_wrong_is_named(tmp_path, path):
    with pytest.raises(FileNotFoundError, match=r"\[ImageFolder\] path '.*nowhere' does not exist"):
        ImageFolder(tmp_path / "nowhere")
    with pytest.raises(NotADirectoryError, match=r"README.txt' is a file, expected a folder"):
        ImageFolder(path / "README.txt")
    with pytest.raises(ValueError, match="has no folders of classes, expected .*<class>.*found 41"):
        ImageFolder(path / "ants")
    with pytest.raises(ValueError, match="no folder of class 'ant'; did you mean 'ants'"):
        ImageFolder(path, class_names=["bees", "ant"])
    for class_names in (["ants", "ants"], [], "ants"):
        with pytest.raises(ValueError, match="class_names must be a list of different names"):
            ImageFolder(path, class_names=class_names)
    (path / "dogs").mkdir()
    with pytest.raises(ValueError, match=r"class 'dogs' has no images: in '.*dogs' no file ends"):
        ImageFolder(path)
    with pytest.raises(ValueError, match="has no images"):
        ImageFolder(path / "dogs", labels=None)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"image_size": (0, 8)}, r"image_size must be \(height, width\).*got \(0, 8\)"),
        ({"image_size": 8}, "image_size must be"),
        ({"image_size": (8, 8, 3)}, "image_size must be"),
        ({"image_size": (8.0, 8)}, "image_size must be"),
        ({"color_mode": "gray"}, "unknown color_mode 'gray'; did you mean 'grayscale'"),
        ({"interpolation": "linear"}, "unknown interpolation 'linear'; did you mean 'bilinear'"),
        ({"on_error": "ignore"}, "unknown on_error 'ignore'"),
        ({"workers": 0}, "workers must be a positive integer, got 0"),
        ({"max_queue_size": 0}, "max_queue_size must be a positive integer, got 0"),
        ({"labels": [1]}, "labels must be 'inferred' or None"),
        ({"labels": None, "class_names": ["a"]}, "class_names are given and labels are None"),
    ],
)
def test_wrong_settings_are_refused(path, settings, message):
    with pytest.raises(ValueError, match=r"\[ImageFolder\] " + message):
        ImageFolder(path, **settings)


def test_files_that_are_no_images_are_named_before_training(path):
    (path / "bees" / "00.png").write_bytes(b"")
    (path / "cows" / "01.jpg").write_text("a page")
    Image.fromarray(np.zeros((4, 4), "u2")).save(path / "cows" / "02.png")
    with pytest.raises(ValueError, match=r"3 of 120 files cannot be read") as caught:
        ImageFolder(path)
    message = str(caught.value)
    assert "on_error='skip'" in message
    assert "bees/00.png': it is no image that Pillow knows" in message
    assert "cows/01.jpg': it is no image that Pillow knows" in message
    assert "cows/02.png': it has 16 or 32 bits a channel (mode I;16), expected 8" in message


@pytest.mark.parametrize("name", ["07.jpg", "08.png"])
def test_a_damaged_image_is_named_where_it_is_read(path, name):
    damage(path / "bees" / name, 0.9)
    folder = ImageFolder(path, image_size=(8, 8))
    net = network()
    with pytest.raises(
        ValueError, match=rf"\[ImageFolder\] cannot read '.*bees/{name}': .* on_error='skip'"
    ):
        net.fit(folder)
    assert np.isfinite(net.get_weights()[0]).all()
    assert net.history_ == {}
    with pytest.raises(ValueError, match=name):
        folder.load()
    (path / "bees" / name).unlink()
    with pytest.raises(ValueError, match="No such file"):
        folder.load()


def test_damaged_images_are_left_out_on_request_with_one_warning(path):
    damage(path / "ants" / "03.jpg", 0.5)
    damage(path / "bees" / "10.png", 0.7)
    (path / "cows" / "05.jpg").write_bytes(b"")
    with pytest.warns(UserWarning, match=r"3 of 120 files cannot be read and are left") as caught:
        folder = ImageFolder(path, image_size=(8, 8), on_error="skip")
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert all(name in str(caught[0].message) for name in ("03.jpg", "10.png", "05.jpg"))
    assert len(folder) == 117
    assert [Path(image).name for image in folder.skipped] == ["03.jpg", "10.png", "05.jpg"]
    assert np.bincount(folder.labels).tolist() == [39, 39, 39]
    assert not set(folder.skipped) & set(folder.paths)
    network().fit(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        folder.split(0.2)


def test_nothing_is_left_out_where_everything_can_be_read(path):
    folder = ImageFolder(path, on_error="skip")
    assert len(folder) == 120
    assert folder.skipped == {}


def test_many_unreadable_files_are_counted(path):
    for image in (path / "ants").glob("*.jpg"):
        image.write_bytes(b"")
    for image in (path / "bees").glob("*.png"):
        image.write_bytes(b"")
    with pytest.warns(UserWarning, match="40 of 120 files .*; and 20 more"):
        folder = ImageFolder(path, on_error="skip")
    assert len(folder.skipped) == 40


def test_a_class_without_a_readable_image_is_an_error(path):
    for image in (path / "bees").iterdir():
        image.write_bytes(b"")
    with pytest.raises(ValueError, match="40 of 120 files.*and none of class 'bees' can be"):
        ImageFolder(path, on_error="skip")
    with pytest.raises(ValueError, match="40 of 40 files cannot be read"):
        ImageFolder(path / "bees", labels=None, on_error="skip")


def test_an_interrupt_leaves_a_usable_network(path):
    def interrupt(batch, logs):
        raise KeyboardInterrupt

    net = network()
    folder = ImageFolder(path, image_size=(8, 8))
    with pytest.raises(KeyboardInterrupt):
        net.fit(folder, callbacks=[LambdaCallback(on_train_batch_end=interrupt)], batch_size=8)
    assert np.isfinite(net.predict(folder)).all()
    assert len(net.fit(folder, epochs=2).history_["loss"]) == 2


def test_estimators_refuse_a_folder(path):
    with pytest.raises(TypeError, match="X must be in memory, got ImageFolder: use a Sequential"):
        NeuralClassifier([4]).fit(ImageFolder(path), np.zeros(120))
