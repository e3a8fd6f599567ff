"""Every figure that only a GPU can give, in one call of at most eight minutes.

    python -m benchmarks.gpu [--quick] [--parts throughput memory …] [--output benchmarks/results/gpu.csv]

A part that fails prints its traceback and the next one goes on; the exit code is then 1. The table has one figure a
row, written as it comes, so that what was measured is there even if the machine goes away.

* ``throughput``: images per second from files: the reference loop (the original monolithic model, in full float32) and
  ours in every precision; seconds of the passes before, which find the batch size; agreement of the label maps with the
  reference's; *efficiency*, as in `benchmarks.segmentation`; and the batch size that was found.
* ``overlap``: the same images from files, from memory, and the share of the time that the host was busy: what is left
  of it could be used for reading.
* ``network``: crops per second of the network alone, by memory format, precision and batch size.
* ``stages``: pre-processing, network and combining for 1 and 4 scales.
* ``memory``: peak of a GPU's memory, by scales, mirrored and not; and of a panorama.
* ``shortage``: with so little memory that the batch does not fit: what it is halved to, and whether results are equal.
* ``compiled``: images per second in bfloat16, compiled and not; only if asked for, since it takes minutes.

Needs Python 3.11, torch, torchvision, transformers, Pillow, numpy, and of small wheels, which may lie beside
(``pip install --no-index --find-links wheels``): ``lazy_loader tenacity`` (and on a CPU ``psutil``). No zarr, no
ipyparallel, no numba.
"""

import argparse
import csv
import gc
import statistics
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.segmentation.sides import Ours, Reference
from benchmarks.segmentation.stages import Stages
from benchmarks.segmentation.work import SCALE_SETS, SIX_SCALES, Work, quiet
from benchmarks.tables import RESULTS, Row
from streetscenes import generate_scene
from toolkit.models import Model
from toolkit.segmentation import Execution, Precision, Segmenter
from toolkit.segmentation.execution import PreparedNetwork
from toolkit.sources import read_image

MODELS = ("pspnet", "segformer")
_SECONDS_OF_CALLS = 1.0
SAMPLES = Path(__file__).parents[1] / "data_catalog" / "samples"


@dataclass(frozen=True)
class Case:
    """What a part measures."""

    model: str
    """One of `benchmarks.segmentation.work.MODELS`."""
    device: str
    """``"cuda"`` or ``"cpu"``."""
    images: Sequence[str]
    """Files."""
    quick: bool
    """Whether only the code is to be tried: small tiles, few scales, few repeats."""
    folder: Path
    """For what has to be on disk."""

    def work(self, **overrides: Any) -> Work:
        """The protocol: four scales, mirrored, tiles as the model was trained."""
        whole = {"segformer": {"crop_size": 512, "output_align_corners": None}}.get(self.model, {"crop_size": 473})
        small = {"crop_size": 97 if self.model == "pspnet" else 128, "scales": (0.5, 1.0)} if self.quick else {}
        chosen = {"scales": SCALE_SETS[4], "flip": True} | whole | small | overrides
        return Work(self.model, self.device, "keras", chosen, str(self.folder))

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """Those that the device has."""
        return ("float32", "tf32", "bfloat16", "float16") if self.device == "cuda" else ("float32", "bfloat16")

    @property
    def pixels(self) -> list[np.ndarray]:
        """The images."""
        return [read_image(path) for path in self.images]


def throughput(case: Case) -> Iterator[Row]:
    """The reference loop, and ours in every precision."""
    few = case.images[: 1 if case.quick else 4]  # the loop takes seconds for each
    reference = Reference(case.work())
    reference.segment(few[:1])
    seconds, expected = _timed(case, lambda: reference.segment(few))
    base = len(few) / seconds
    yield {"case": "reference loop", "figure": "images per second", "value": base}
    for precision in case.precisions:
        _let_go(case)
        ours = Ours(case.work(), precision=precision)
        for number in range(1, 2 if case.quick else 5):  # the first ones find the batch size
            seconds, labels = _timed(case, lambda ours=ours: ours.segment(case.images))  # type: ignore[misc]
            yield {"case": precision, "figure": f"seconds of pass {number}", "value": seconds}
        yield {"case": precision, "figure": "images per second", "value": len(case.images) / seconds}
        yield {"case": precision, "figure": "times the reference", "value": len(case.images) / seconds / base}
        equal = [float(np.mean(one == other)) for one, other in zip(expected, labels, strict=False)]
        yield {"case": precision, "figure": "pixels equal to the reference", "value": statistics.mean(equal)}
        network = ours.network_seconds(case.images)
        yield {"case": precision, "figure": "efficiency", "value": network["network"] / seconds}
        yield {"case": precision, "figure": "efficiency without upsampling", "value": network["network_core"] / seconds}
        yield {"case": precision, "figure": "tiles to a batch", "value": ours.batch_size}
        if case.device == "cuda":
            yield {"case": precision, "figure": "GiB reserved", "value": torch.cuda.max_memory_reserved() / 2**30}


def compiled(case: Case) -> Iterator[Row]:
    """Both with the same batch size, because each is compiled anew."""
    for name, compile in (("not compiled", False), ("compiled", True)):
        ours = Ours(case.work(), precision="bfloat16", compile=compile, batch_size=16)
        for number in range(1, 4):
            seconds, _ = _timed(case, lambda ours=ours: ours.segment(case.images))  # type: ignore[misc]
            yield {"case": name, "figure": f"seconds of pass {number}", "value": seconds}
        yield {"case": name, "figure": "images per second", "value": len(case.images) / seconds}


def overlap(case: Case) -> Iterator[Row]:
    """Whether the GPU waits for files, and the host for the GPU."""
    ours, pixels = Ours(case.work(), precision="bfloat16"), case.pixels
    for _ in range(1 if case.quick else 3):
        ours.segment_pixels(pixels)
    for name, segment in (
        ("from files", lambda: ours.segment(case.images)),
        ("from memory", lambda: ours.segment_pixels(pixels)),
    ):
        seconds, _ = _timed(case, segment)
        yield {"case": name, "figure": "images per second", "value": len(pixels) / seconds}
    begin, busy = time.perf_counter(), time.process_time()
    ours.segment_pixels(pixels)
    _wait(case)
    share = (time.process_time() - busy) / (time.perf_counter() - begin)
    yield {"case": "from memory", "figure": "processor seconds per second", "value": share}


def network(case: Case) -> Iterator[Row]:
    """Crops per second of the network by itself."""
    side = case.work().protocol().crop_size
    for precision in case.precisions:
        for channels_last in (False, True):
            model = case.work().load()
            call = PreparedNetwork(model, Execution(precision=precision))
            layout = torch.channels_last if channels_last else torch.contiguous_format
            model.network.to(memory_format=layout)  # type: ignore[call-overload]
            for size in (1, 2) if case.quick else (1, 8, 64):
                crops = torch.rand(size, 3, side, side, device=case.device).contiguous(memory_format=layout)
                rate = size / _seconds_of_a_call(case, call, crops)
                name = f"{precision}, {'channels last' if channels_last else 'channels first'}, {size} crops"
                yield {"case": name, "figure": "crops per second", "value": rate}


def stages(case: Case) -> Iterator[Row]:
    """Seconds per image; clocks around each stage keep the GPU from working behind the host's back."""
    ours = Ours(case.work(), precision="bfloat16", batch_size=4 if case.quick else 32)
    pixels = case.pixels[: 1 if case.quick else 5]
    for n_scales in (1,) if case.quick else (1, 4):
        scales = SCALE_SETS[n_scales]
        ours.segment_pixels(pixels, scales=scales)
        seconds = Stages(case.device).total(lambda scales=scales: ours.segment_pixels(pixels, scales=scales))  # type: ignore[misc]
        for stage, took in seconds.items():
            yield {"case": f"{n_scales} scales", "figure": f"seconds of {stage}", "value": took / len(pixels)}


def memory(case: Case) -> Iterator[Row]:
    """Peaks of what tensors take on the GPU, beyond the weights."""
    scene = generate_scene(0, 96 if case.quick else 3000, 192 if case.quick else 6000).image
    photo = case.pixels[0]
    for name, pixels, scales, flip in (
        ("1 scale", photo, (1.0,), False),
        ("1 scale, mirrored", photo, (1.0,), True),
        ("6 scales, mirrored", photo, SIX_SCALES, True),
        (f"1 scale, {scene.shape[1]} × {scene.shape[0]} pixels", scene, (1.0,), False),
    ):
        _let_go(case)
        ours = Ours(case.work(scales=scales, flip=flip), precision="float32", batch_size=8)
        before = _allocated(case, peak=False)
        seconds, _ = _timed(case, lambda ours=ours, pixels=pixels: ours.segment_pixels([pixels]))  # type: ignore[misc]
        yield {"case": name, "figure": "GiB", "value": (_allocated(case, peak=True) - before) / 2**30}
        yield {"case": name, "figure": "seconds", "value": seconds}


def shortage(case: Case) -> Iterator[Row]:
    """A batch that does not fit is halved, on a card that is made small."""
    if case.device != "cuda":
        print("  only on a GPU")
        return
    work, pixels = case.work(scales=(1.0,)), case.pixels[:4]
    model = work.load()
    _, expected = _segmented(model, work, pixels, batch_size=1)
    _let_go(case)
    _segmented(model, work, pixels, batch_size=4)
    peak = _allocated(case, peak=True)
    _let_go(case)
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.25 * peak / total, 1.0))
    try:
        segmenter, found = _segmented(model, work, pixels, batch_size=64)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    left = max(size.current for size in segmenter._batches._sizes.values())
    yield {"case": "room for about 4 of 64 crops", "figure": "tiles to a batch after halving", "value": left}
    equal = [float(np.mean(one == other)) for one, other in zip(expected, found, strict=True)]
    yield {"case": "room for about 4 of 64 crops", "figure": "pixels equal to single crops", "value": min(equal)}


PARTS: dict[str, Callable[[Case], Iterator[Row]]] = {
    "throughput": throughput,
    "overlap": overlap,
    "network": network,
    "stages": stages,
    "memory": memory,
    "shortage": shortage,
    "compiled": compiled,
}
"""What is measured, for every model; training and streams may add theirs."""
_COLUMNS = ("device", "part", "model", "case", "figure", "value")


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", choices=["cpu", "cuda"])
    parser.add_argument("--models", nargs="+", default=MODELS, choices=MODELS)
    parser.add_argument("--parts", nargs="+", default=list(PARTS)[:-1], choices=list(PARTS))
    parser.add_argument("--quick", action="store_true", help="try the code on small images; the figures mean nothing")
    parser.add_argument("--minutes", type=float, default=8.0, help="nothing more is measured after so many")
    parser.add_argument("--output", type=Path, default=RESULTS / "gpu.csv")
    arguments = parser.parse_args()
    name = torch.cuda.get_device_name() if arguments.device == "cuda" else "CPU"
    print(f"{name}, torch {torch.__version__}, Python {sys.version.split()[0]}")
    failed: list[str] = []
    begin = time.monotonic()
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        quiet(),
        arguments.output.open("w", newline="", encoding="utf-8") as file,
    ):
        table = csv.DictWriter(file, _COLUMNS)
        table.writeheader()
        images = _images(Path(folder), quick=arguments.quick)
        for part in arguments.parts:
            for model in arguments.models:
                case = Case(model, arguments.device, images, arguments.quick, Path(folder))
                try:
                    for row in PARTS[part](case):
                        table.writerow({"device": name, "part": part, "model": model, **row})
                        file.flush()
                        minutes = (time.monotonic() - begin) / 60
                        print(
                            f"{minutes:5.2f}  {part}, {model}, {row['case']}: {row['figure']} {row['value']:.4g}",
                            flush=True,
                        )
                        if minutes > arguments.minutes:
                            failed.append(f"{part} of {model} (no time left)")
                            break
                except Exception:  # noqa: BLE001  # the other parts are worth having; the exit code tells
                    traceback.print_exc()
                    failed.append(f"{part} of {model}")
                _let_go(case)
    print(f"{(time.monotonic() - begin) / 60:.1f} minutes; failed: {', '.join(failed) or 'nothing'}")
    return 1 if failed else 0


def _images(folder: Path, *, quick: bool) -> list[str]:
    samples = sorted(str(path) for path in SAMPLES.iterdir() if path.suffix in {".jpg", ".png"})
    if not quick:
        return samples
    with Image.open(samples[0]) as photo:
        photo.convert("RGB").resize((120, 90)).save(folder / "small.png")
    return [str(folder / "small.png")]


def _segmented(
    model: Model, work: Work, images: Sequence[np.ndarray], *, batch_size: int
) -> tuple[Segmenter, list[np.ndarray]]:
    segmenter = Segmenter(model, work.protocol(), execution=Execution(batch_size=batch_size))
    results = [segmenter.add(pixels) for pixels in images]
    segmenter.finish()
    return segmenter, [result.result().labels for result in results]


def _timed(case: Case, work: Callable[[], Any]) -> tuple[float, Any]:
    _wait(case)
    begin = time.perf_counter()
    result = work()
    _wait(case)
    return time.perf_counter() - begin, result


@torch.inference_mode()
def _seconds_of_a_call(case: Case, call: Callable[[Tensor], Tensor], crops: Tensor) -> float:
    """The median of some calls after another; of fewer, if they take seconds."""
    call(crops)
    times: list[float] = []
    while len(times) < (1 if case.quick else 7) and sum(times) < _SECONDS_OF_CALLS:
        times.append(_timed(case, lambda: call(crops))[0])
    return statistics.median(times)


def _wait(case: Case) -> None:
    if case.device == "cuda":
        torch.cuda.synchronize()


def _let_go(case: Case) -> None:
    gc.collect()
    if case.device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def _allocated(case: Case, *, peak: bool) -> int:
    if case.device != "cuda":
        return 0
    return torch.cuda.max_memory_allocated() if peak else torch.cuda.memory_allocated()


if __name__ == "__main__":
    raise SystemExit(main())
