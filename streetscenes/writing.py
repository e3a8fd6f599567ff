"""Sets of scenes on disk, in the layout of Cityscapes: made once, continued after an interruption, grown later."""

import json
import multiprocessing
import os
import re
import zlib
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from streetscenes.arguments import check_count, check_side
from streetscenes.labels import to_colors
from streetscenes.scene import GENERATOR_VERSION, generate_scene

_RECORD = "scenes.json"
_FRAME = "000019"  # every scene of Cityscapes is the 20th of 30 frames


@dataclass(frozen=True)
class SceneFiles:
    """Where a scene of a set lies."""

    image: Path
    """RGB, PNG."""
    label_ids: Path
    """Label ids of Cityscapes, 0 to 33, 8-bit PNG; read with the data set ``cityscapes-35``."""
    train_ids: Path
    """Train ids of Cityscapes, 0 to 18 and 255, 8-bit PNG; read with the data set ``cityscapes-19``."""
    color: Path | None
    """Colours of the classes, RGB PNG; None if they were not asked for."""


def scene_seed(seed: int, split: str, number: int) -> np.random.SeedSequence:
    """The seed of a scene of a set.

    Parameters
    ----------
    seed : int
        The set's seed.
    split : str
        The set's split, such as ``"train"``; splits of the same seed have no scene in common.
    number : int
        Which scene, from 0.

    Returns
    -------
    numpy.random.SeedSequence
        What ``generate_scene`` takes to make the same scene.
    """
    return np.random.SeedSequence(
        check_count("seed", seed), spawn_key=(zlib.crc32(split.encode()), check_count("number", number))
    )


def write_scenes(
    folder: str | os.PathLike[str],
    n: int,
    *,
    height: int = 512,
    width: int = 1024,
    seed: int = 0,
    split: str | Mapping[str, int] = "train",
    city: str = "generated",
    color: bool = False,
    workers: int = 1,
) -> list[SceneFiles]:
    """Write generated scenes in the layout of Cityscapes.

    ``leftImg8bit/<split>/<city>/<city>_<number>_000019_leftImg8bit.png`` and beside it, under ``gtFine``, the masks
    ``…_gtFine_labelIds.png`` and ``…_gtFine_labelTrainIds.png``. Scene ``i`` of a split depends on the seed, the name
    of the split and ``i`` only: a larger set begins with the smaller one. Files are written whole or not at all, and
    what is there is kept, so that the same call continues where an earlier one was interrupted.

    Parameters
    ----------
    folder : str or os.PathLike
        The data set's root; made if it is not there. ``scenes.json`` in it records how the scenes were made.
    n : int
        Number of scenes, over all splits.
    height, width : int
        Size of the images, pixels; at least 16 each.
    seed : int
        Which set, from 0.
    split : str or mapping of str to int
        Name of the split, or the number of scenes by split, such as ``{"train": 80, "val": 20}`` for ``n=100``.
    city : str
        Name of the folder in each split; letters, digits and hyphens.
    color : bool
        Whether to write ``…_gtFine_color.png``, too.
    workers : int
        Processes that make scenes; with more than one, a script needs the usual ``if __name__ == "__main__":``.

    Returns
    -------
    list of SceneFiles
        Split by split, by number.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If a number is too small, the splits do not add up to ``n``, a name cannot be one, or the folder holds scenes of
        the same split and city that were made otherwise.

    Examples
    --------
    >>> files = write_scenes("scenes", 100, split={"train": 80, "val": 20})  # doctest: +SKIP
    """
    height, width = check_side("height", height), check_side("width", width)
    seed, workers = check_count("seed", seed), check_count("workers", workers, least=1)
    counts = _checked_splits(check_count("n", n), split)
    _check_name("city", city, r"[A-Za-z0-9-]+", "letters, digits and hyphens")
    root = Path(folder)
    made = {"generator_version": GENERATOR_VERSION, "seed": seed, "height": height, "width": width}
    _record(root, {f"{name}/{city}": {**made, "n": count} for name, count in counts.items()})
    jobs = [
        _Job(scene_seed(seed, name, number), height, width, _files(root, name, city, number, color=color))
        for name, count in counts.items()
        for number in range(count)
    ]
    if workers == 1:
        return [_write_scene(job) for job in jobs]
    # Spawned, not forked: the caller may hold threads, of PyTorch for one, that a fork would leave in the middle.
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        return list(pool.map(_write_scene, jobs))


@dataclass(frozen=True, eq=False)
class _Job:
    """A scene that is to lie on disk."""

    seed: np.random.SeedSequence
    height: int
    width: int
    files: SceneFiles


def _write_scene(job: _Job) -> SceneFiles:
    """Write those files of a scene that are missing."""
    files = job.files
    masks = [path for path in (files.label_ids, files.train_ids, files.color) if path is not None]
    if all(path.exists() for path in (files.image, *masks)):
        return files
    scene = generate_scene(job.seed, job.height, job.width)
    _save(scene.image, files.image)
    _save(scene.label_ids, files.label_ids)
    _save(scene.labels, files.train_ids)
    if files.color is not None:
        _save(to_colors(scene.label_ids), files.color)
    return files


def _save(pixels: np.ndarray, path: Path) -> None:
    """Write a PNG that is either whole or not there, unless there is one."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        # Noise hardly compresses: more effort takes longer and saves nothing.
        Image.fromarray(pixels).save(part, format="PNG", compress_level=1 if pixels.ndim == 3 else 6)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _files(root: Path, split: str, city: str, number: int, *, color: bool) -> SceneFiles:
    name = f"{city}_{number:06d}_{_FRAME}"
    masks = root / "gtFine" / split / city
    return SceneFiles(
        image=root / "leftImg8bit" / split / city / f"{name}_leftImg8bit.png",
        label_ids=masks / f"{name}_gtFine_labelIds.png",
        train_ids=masks / f"{name}_gtFine_labelTrainIds.png",
        color=masks / f"{name}_gtFine_color.png" if color else None,
    )


def _record(root: Path, sets: Mapping[str, Mapping[str, int]]) -> None:
    """Note how the sets are made; refuse to mix them with others."""
    path = root / _RECORD
    recorded: dict[str, dict[str, int]] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for name, made in sets.items():
        earlier = recorded.get(name, {})
        for key, value in made.items():
            if key != "n" and earlier.get(key, value) != value:
                raise ValueError(
                    f"{root} holds scenes of {name} with {key} {earlier[key]}, not {value}: "
                    f"give the same {key}, another city or another folder"
                )
        recorded[name] = {**made, "n": max(made["n"], earlier.get("n", 0))}
    root.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{_RECORD}.{os.getpid()}.part")
    part.write_text(json.dumps(recorded, indent=2) + "\n", encoding="utf-8")
    part.replace(path)


def _checked_splits(n: int, split: str | Mapping[str, int]) -> dict[str, int]:
    if isinstance(split, str):
        counts = {split: n}
    elif isinstance(split, Mapping):
        counts = {name: check_count(f"split[{name!r}]", count) for name, count in split.items()}
        if sum(counts.values()) != n:
            raise ValueError(f"split is {dict(split)!r}, which adds up to {sum(counts.values())}, but n is {n}")
    else:
        raise TypeError(f"split is {split!r}, but it must be a name or a mapping of names to numbers of scenes")
    for name in counts:
        _check_name("split", name, r"\w[\w.-]*", "letters, digits, underscores, hyphens and dots")
    return counts


def _check_name(argument: str, name: str, pattern: str, allowed: str) -> None:
    if not isinstance(name, str) or not re.fullmatch(pattern, name, re.ASCII):
        raise ValueError(f"{argument} is {name!r}, but it is part of a file's name: use {allowed}")
