"""Segmentation beside the plain loop, MONAI and the Hugging Face pipeline: same network, same weights, same images.

    python -m benchmarks.segmentation [--device cuda] [--models built-in pspnet segformer] [--images 10] [--rounds 1]

Every side is a process of its own; they take turns, image by image on a CPU and set by set on a GPU, so that whatever
else the machine does hits all alike. Tables go to ``benchmarks/results/segmentation-<device>-*.csv``:

* ``throughput``: images per second end to end from files (the paper's table 3), ratios to the reference loop (the
  original monolithic model, written as in its sources), agreement of the label maps, and *efficiency*: seconds of the
  network alone on the same crops lying ready in memory ÷ seconds end to end. The network alone includes the upsampling
  of its logits to the crop, as the published networks do (``efficiency_core``: without that; ``efficiency_cpu``: of
  processor seconds instead, which others who use the machine hardly change; with ``--threads 1``).
* ``others``: MONAI's sliding_window_inference and the Hugging Face pipeline on what they can do.
* ``stages``: pre-processing, network and combining for 1 to 4 scales (tables 1 and 2), with all threads and with one.
* ``memory``: peak with 1 and with 6 scales.
* ``panorama``: time and peak memory of one generated scene of 3000 × 1500, 6000 × 3000 and 12000 × 6000 pixels.

Needs torch, torchvision, numpy and Pillow; for SegFormer and the pipeline transformers, for MONAI monai; what is not
installed is left out, and said.
"""

import argparse
import importlib.util
import os
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.segmentation.processes import ROOT, SideProcess
from benchmarks.segmentation.work import MODELS, SCALE_SETS, SIX_SCALES, Work
from benchmarks.tables import RESULTS, Row, report
from streetscenes import generate_scene

SAMPLES = ROOT / "data_catalog" / "samples"


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", choices=["cpu", "cuda"])
    parser.add_argument("--models", nargs="+", default=["built-in"], choices=MODELS)
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--images", type=int, default=10, help="how many; the ten samples, again and again")
    parser.add_argument("--rounds", type=int, default=1, help="how often each side segments each image")
    parser.add_argument("--side", type=int, default=0, help="make all images squares of so many pixels")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--precisions", nargs="+", default=["float32", "bfloat16"])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        images = _images(Path(folder), arguments.images, arguments.side)
        for model in arguments.models:
            for part in arguments.parts:
                rows = PARTS[part](model, images, arguments, Path(folder))
                if rows:
                    report(RESULTS / f"segmentation-{arguments.device}-{part}-{model}.csv", rows)


def throughput(model: str, images: Sequence[str], arguments: argparse.Namespace, folder: Path) -> list[Row]:
    """Four scales and mirrored, against the reference loop."""
    work = _work(model, arguments, folder, scales=SCALE_SETS[4], flip=True)
    sides: dict[str, tuple[str, dict[str, Any]]] = {"reference": ("reference", {"keeping_memory": False})}
    if arguments.device == "cpu":
        sides["reference, allocator as ours"] = ("reference", {"keeping_memory": True})
    for precision in arguments.precisions:
        sides[precision] = ("ours", {"keeping_memory": True, "precision": precision})
    rows = _compare(sides, work, images, arguments, folder)
    base = rows[0]["seconds_per_image"]
    for row in rows:
        row["times_reference"] = base / row["seconds_per_image"]
    return rows


def others(model: str, images: Sequence[str], arguments: argparse.Namespace, folder: Path) -> list[Row]:
    """What MONAI and the pipeline can do: one scale, sliding; one scale, squashed."""
    rows = []
    ours: dict[str, tuple[str, dict[str, Any]]] = {"float32": ("ours", {"keeping_memory": True})}
    if _has("monai"):
        work = _work(model, arguments, folder, preset="monai", crop_size=473 if model != "segformer" else 512)
        rows += _compare({"MONAI": ("MONAI", {"keeping_memory": True})} | ours, work, images, arguments, folder)
    if model == "segformer" and _has("transformers"):
        work = Work(model, arguments.device, "segformer", PIPELINE, str(folder))
        rows += _compare({"pipeline": ("pipeline", {"keeping_memory": True})} | ours, work, images, arguments, folder)
    return rows


PIPELINE: dict[str, Any] = {
    "scale_base": "square",
    "base_size": 512,
    "long_limit": None,
    "resize": "pil",
    "fit": "stretch",
    "upsample": "image",
}
"""What the pipeline does: squash to 512 × 512, logits straight to the image's size."""


def stages(model: str, images: Sequence[str], arguments: argparse.Namespace, folder: Path) -> list[Row]:
    """Seconds per image of each stage, for 1 to 4 scales, of the reference and of the fast path."""
    work = _work(model, arguments, folder, scales=(1.0,), flip=True)
    few = images[: min(len(images), 3 if arguments.device == "cpu" else 10)]
    rows = []
    with ExitStack() as stack:
        processes = {
            "reference": stack.enter_context(_process("reference", work, arguments, keeping_memory=False)),
            "float32": stack.enter_context(_process("ours", work, arguments, keeping_memory=True)),
        }
        for process in processes.values():
            process.ask("stages", paths=few[:1], scales=SCALE_SETS[1])
        for n_scales, scales in SCALE_SETS.items():
            for name, process in processes.items():
                seconds = process.ask("stages", paths=few, scales=scales)
                row = {"side": name, "n_scales": n_scales, **{key: value / len(few) for key, value in seconds.items()}}
                rows.append(row | {"combine_share": seconds["combine"] / sum(seconds.values())})
            if arguments.device == "cpu" and arguments.threads > 1:
                alone = processes["float32"].ask("stages", paths=few, scales=scales, threads=1)
                rows[-1]["combine_with_one_thread"] = alone["combine"] / len(few)
    return rows


def memory(model: str, images: Sequence[str], arguments: argparse.Namespace, folder: Path) -> list[Row]:
    """Peak memory for 1 and 6 scales, each in a process of its own."""
    rows = []
    for scales in ((1.0,), SIX_SCALES):
        work = _work(model, arguments, folder, scales=scales, flip=True)
        with _process("ours", work, arguments, keeping_memory=True) as process:
            peak = process.ask("memory", paths=images[:3], scales=scales)["bytes"]
        rows.append({"n_scales": len(scales), "peak_MiB": peak / 2**20, "times_one_scale": 1.0})
        rows[-1]["times_one_scale"] = rows[-1]["peak_MiB"] / rows[0]["peak_MiB"]
    return rows


def panorama(model: str, images: Sequence[str], arguments: argparse.Namespace, folder: Path) -> list[Row]:
    """One large image, each time in a process of its own: with one scale, and the largest also as elsewhere."""
    cases = [(1500, 1, False), (3000, 1, False), (6000, 1, False), (6000, 2, True)]
    rows: list[Row] = []
    for height, n_scales, flip in cases:
        path = folder / f"{height}.png"
        if not path.exists():
            Image.fromarray(generate_scene(0, height, 2 * height).image).save(path, compress_level=1)
        work = _work(model, arguments, folder, scales=SCALE_SETS[n_scales], flip=flip)
        with _process("ours", work, arguments, keeping_memory=True) as process:
            answer = process.ask("memory", paths=[str(path)], scales=SCALE_SETS[n_scales])
        seconds = answer["seconds"]
        row = {"height": height, "width": 2 * height, "n_scales": n_scales, "flip": flip, "seconds": seconds}
        row |= {"microseconds_per_pixel": seconds / (2 * height**2) * 1e6, "peak_GiB": answer["bytes"] / 2**30}
        rows.append(row)
        print(f"  {row}", flush=True)
    return rows


PARTS = {"throughput": throughput, "others": others, "stages": stages, "memory": memory, "panorama": panorama}


def _compare(
    sides: dict[str, tuple[str, dict[str, Any]]],
    work: Work,
    images: Sequence[str],
    arguments: argparse.Namespace,
    folder: Path,
) -> list[Row]:
    """Have sides take turns on the same images; the first is what labels are compared with."""
    turn = 1 if arguments.device == "cpu" else len(images)
    chunks = [list(images[start : start + turn]) for start in range(0, len(images), turn)]
    seconds, cpu = dict.fromkeys(sides, 0.0), dict.fromkeys(sides, 0.0)
    network = {
        name: {"network": 0.0, "network_core": 0.0, "network_cpu": 0.0}
        for name, (side, _) in sides.items()
        if side == "ours"
    }
    equal: dict[str, list[float]] = {name: [] for name in sides}
    with ExitStack() as stack:
        processes = {
            name: stack.enter_context(_process(side, work, arguments, **options))
            for name, (side, options) in sides.items()
        }
        for process in processes.values():  # what is set up once is no one's speed
            for _ in range(1 if arguments.device == "cpu" else 2):
                process.ask("segment", paths=chunks[0])
        for number, chunk in enumerate(chunks * arguments.rounds):
            keep = {
                name: [str(folder / f"{index}-{i}.npy") for i in range(len(chunk))] for index, name in enumerate(sides)
            }
            for name in list(processes)[:: 1 if number % 2 else -1]:
                answer = processes[name].ask("segment", paths=chunk, keep=keep[name])
                seconds[name] += answer["seconds"]
                cpu[name] += answer["cpu_seconds"]
                if name in network:
                    for part, took in processes[name].ask("network", paths=chunk).items():
                        network[name][part] += took
            first = next(iter(sides))
            for name in sides:
                for one, other in zip(keep[first], keep[name], strict=True):
                    equal[name].append(float(np.mean(np.load(one) == np.load(other))))
            done = "  ".join(f"{name} {took:.1f} s" for name, took in seconds.items())
            print(f"  {work.model}, {number + 1} of {len(chunks) * arguments.rounds}: {done}", flush=True)
    n_images = len(images) * arguments.rounds
    rows = []
    for name in sides:
        row: Row = {
            "model": work.model,
            "side": name,
            "preset": work.preset,
            "n_images": n_images,
            "seconds_per_image": seconds[name] / n_images,
            "images_per_second": n_images / seconds[name],
            "equal_pixels": float(np.mean(equal[name])),
            "least_equal_pixels": min(equal[name]),
        }
        row["times_first"] = seconds[next(iter(sides))] / seconds[name]
        if name in network:
            row["efficiency"] = network[name]["network"] / seconds[name]
            row["efficiency_core"] = network[name]["network_core"] / seconds[name]
            row["efficiency_cpu"] = network[name]["network_cpu"] / cpu[name]
        rows.append(row)
    return rows


def _work(model: str, arguments: argparse.Namespace, folder: Path, *, preset: str = "keras", **overrides: Any) -> Work:
    if preset == "keras" and model == "segformer":
        overrides = {"crop_size": 512, "output_align_corners": None} | overrides
    return Work(model, arguments.device, preset, overrides, str(folder))


def _process(side: str, work: Work, arguments: argparse.Namespace, **options: Any) -> SideProcess:
    return SideProcess(side, work, threads=arguments.threads, **options)


def _images(folder: Path, n: int, side: int) -> list[str]:
    """The sample photos as they are, or as JPEGs of a square size."""
    samples = sorted(path for path in SAMPLES.iterdir() if path.suffix in {".jpg", ".png"})
    if side:
        for path in samples:
            with Image.open(path) as photo:
                photo.convert("RGB").resize((side, side)).save(folder / f"{path.stem}.jpg", quality=92)
        samples = [folder / f"{path.stem}.jpg" for path in samples]
    return [str(samples[number % len(samples)]) for number in range(n)]


def _has(package: str) -> bool:
    found = importlib.util.find_spec(package) is not None
    if not found:
        print(f"{package} is not installed: left out")
    return found


if __name__ == "__main__":
    main()
