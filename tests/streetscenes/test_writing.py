"""Sets of scenes on disk: the layout of Cityscapes, and sets that are continued, grown and never mixed."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from streetscenes import GENERATOR_VERSION, SceneFiles, generate_scene, scene_seed, write_scenes
from toolkit.models import load_dataset

SIZE = {"height": 24, "width": 48}


def pixels(path: Path | None) -> np.ndarray:
    assert path is not None
    with Image.open(path) as image:
        return np.asarray(image)


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_files_lie_and_are_named_as_in_cityscapes(tmp_path: Path) -> None:
    files = write_scenes(tmp_path, 1, **SIZE)
    assert names(tmp_path) == [
        "gtFine/train/generated/generated_000000_000019_gtFine_labelIds.png",
        "gtFine/train/generated/generated_000000_000019_gtFine_labelTrainIds.png",
        "leftImg8bit/train/generated/generated_000000_000019_leftImg8bit.png",
        "scenes.json",
    ]
    assert files[0].color is None


@pytest.mark.parametrize(("dataset", "mask"), [("cityscapes-19", "train_ids"), ("cityscapes-35", "label_ids")])
def test_the_descriptors_find_the_masks_of_the_images(tmp_path: Path, dataset: str, mask: str) -> None:
    label_format = load_dataset(dataset).label_format
    for files in write_scenes(tmp_path, 3, **SIZE):
        assert files.image.name.endswith(label_format.image_suffix)
        stem = files.image.name.removesuffix(label_format.image_suffix)
        assert getattr(files, mask).name == stem + label_format.label_suffix


def test_files_hold_the_scene_of_their_seed(tmp_path: Path) -> None:
    files = write_scenes(tmp_path, 2, seed=5, split="val", color=True, **SIZE)
    scene = generate_scene(scene_seed(5, "val", 1), **SIZE)
    np.testing.assert_array_equal(pixels(files[1].image), scene.image)
    np.testing.assert_array_equal(pixels(files[1].train_ids), scene.labels)
    np.testing.assert_array_equal(pixels(files[1].label_ids), scene.label_ids)
    palette = np.array(load_dataset("cityscapes-35").palette, np.uint8)
    np.testing.assert_array_equal(pixels(files[1].color), palette[scene.label_ids])


def test_a_larger_set_begins_with_the_smaller_one(tmp_path: Path) -> None:
    small = write_scenes(tmp_path / "small", 2, **SIZE)
    large = write_scenes(tmp_path / "large", 4, workers=2, **SIZE)
    for one, other in zip(small, large, strict=False):
        np.testing.assert_array_equal(pixels(one.image), pixels(other.image))


def test_splits_share_no_scene(tmp_path: Path) -> None:
    files = write_scenes(tmp_path, 3, split={"train": 2, "val": 1}, **SIZE)
    assert [file.image.parent.parent.name for file in files] == ["train", "train", "val"]
    assert len({pixels(file.image).tobytes() for file in files}) == 3


def test_what_is_there_is_kept_and_what_is_missing_is_made(tmp_path: Path) -> None:
    first, second = write_scenes(tmp_path, 2, **SIZE)
    expected = pixels(second.label_ids)
    first.image.write_bytes(b"kept")
    second.label_ids.unlink()
    assert write_scenes(tmp_path, 3, **SIZE)[:2] == [first, second]
    assert first.image.read_bytes() == b"kept"
    np.testing.assert_array_equal(pixels(second.label_ids), expected)


def test_an_interrupted_write_leaves_no_file_that_looks_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: Image.Image, path: Path, **_: Any) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Image.Image, "save", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write_scenes(tmp_path, 1, **SIZE)
    assert names(tmp_path) == ["scenes.json"]
    assert pixels(write_scenes(tmp_path, 1, **SIZE)[0].image).shape == (24, 48, 3)


def test_the_record_says_how_the_scenes_were_made(tmp_path: Path) -> None:
    write_scenes(tmp_path, 3, seed=4, split={"train": 2, "val": 1}, **SIZE)
    write_scenes(tmp_path, 1, seed=4, **SIZE)
    made = {"generator_version": GENERATOR_VERSION, "seed": 4, **SIZE}
    record = json.loads((tmp_path / "scenes.json").read_text())
    assert record == {"train/generated": {**made, "n": 2}, "val/generated": {**made, "n": 1}}


@pytest.mark.parametrize("change", [{"seed": 1}, {"height": 32}])
def test_scenes_made_otherwise_are_not_mixed_with_those_that_are_there(tmp_path: Path, change: dict[str, int]) -> None:
    write_scenes(tmp_path, 1, **SIZE)
    before = names(tmp_path)
    (name,) = change
    with pytest.raises(ValueError, match=f"train/generated with {name} .*another folder"):
        write_scenes(tmp_path, 1, **{**SIZE, **change})
    assert names(tmp_path) == before
    assert isinstance(write_scenes(tmp_path, 1, city="elsewhere", **{**SIZE, **change})[0], SceneFiles)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n": -1}, ValueError, "n is -1, but it must be at least 0"),
        ({"n": 2.0}, TypeError, "n is 2.0, but it must be an int"),
        ({"n": 1, "height": 3}, ValueError, "height is 3"),
        ({"n": 1, "seed": -2}, ValueError, "seed is -2"),
        ({"n": 1, "workers": 0}, ValueError, "workers is 0, but it must be at least 1"),
        ({"n": 3, "split": {"train": 1, "val": 1}}, ValueError, "adds up to 2, but n is 3"),
        ({"n": 1, "split": "../val"}, ValueError, "split is '../val'.*use letters"),
        ({"n": 1, "split": 7}, TypeError, "split is 7"),
        ({"n": 1, "city": "a_b"}, ValueError, "city is 'a_b'.*use letters"),
    ],
)
def test_wrong_arguments_are_named_before_anything_is_written(
    tmp_path: Path, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        write_scenes(tmp_path / "set", **arguments)
    assert not (tmp_path / "set").exists()


def test_nothing_of_the_toolkit_is_needed(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules.update(dict.fromkeys(('toolkit', 'torch', 'yaml'))); import streetscenes; "
        f"streetscenes.write_scenes({str(tmp_path)!r}, 1, height=24, width=48, color=True)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    assert len(names(tmp_path)) == 5
