"""Slices × overlap × way on generated scenes: what cutting an image saves, and what it costs at the seams.

    python -m benchmarks.slicing [--device cuda] [--quick]

Trains a compact network on generated street scenes (some minutes on two cores; kept as a bundle under
``output/slicing`` and used again), then studies held-out scenes: time, memory, mIoU, F1 and the error near the seams
of grids of slices with and without overlap, in every way that the device has. Prints the table and the recommendation,
and writes ``benchmarks/results/slicing.csv`` and ``slicing.png``.

What it shows: pixels near a seam are wrong more often than the same pixels of a whole image, because the network does
not see beyond the slice; overlap takes most of that error away, and costs the time of what is seen twice. The last
lines say how much. Where a whole image keeps all cores busy, as on two cores here, cutting it saves no time.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
import xarray as xr

import toolkit as tk
from benchmarks.street_network import StreetNetwork
from streetscenes import SceneFiles, write_scenes
from streetscenes.labels import EVALUATED, IGNORE_INDEX
from toolkit.evaluation import read_mask
from toolkit.models import Normalization
from toolkit.slicing import plot_slicing, recommend_slicing, study_slicing
from toolkit.sources import read_image

RESULTS = Path(__file__).parent / "results"
OUTPUT = Path(__file__).parent.parent / "output" / "slicing"
SIZE = (256, 512)
CROP = (192, 384)
SEED = 0
SLICES = ((1, 1), (1, 2), (2, 2), (2, 4))
OVERLAPS = (0.0, 0.1, 0.25, 0.4)


def main() -> None:
    """Train if need be, run the study, print it, and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", help="where the network is, such as cuda")
    parser.add_argument("--quick", action="store_true", help="hardly trained, and three scenes; writes no results")
    arguments = parser.parse_args()
    n_train, n_steps, n_images, name = (12, 40, 3, "quick") if arguments.quick else (160, 800, 12, "full")
    scenes = write_scenes(
        OUTPUT / "scenes" / name,
        n_train + n_images,
        height=SIZE[0],
        width=SIZE[1],
        seed=SEED,
        split={"train": n_train, "val": n_images},
        workers=2,
    )
    bundle = OUTPUT / f"street-network-{name}"
    if not bundle.exists():
        _trained(scenes[:n_train], n_steps, torch.device(arguments.device)).save_bundle(bundle)
    model = tk.load_model(str(bundle))
    model.network.to(arguments.device)
    study = study_slicing(
        model,
        [str(scene.image) for scene in scenes[n_train:]],
        [str(scene.train_ids) for scene in scenes[n_train:]],
        slices=SLICES,
        overlaps=OVERLAPS[::2] if arguments.quick else OVERLAPS,
        repeats=1 if arguments.quick else 3,
        on_progress=_print_progress,
    )
    _report(study)
    if not arguments.quick:
        RESULTS.mkdir(exist_ok=True)
        _table(study).to_csv(RESULTS / "slicing.csv", index=False, float_format="%.6g")
        plot_slicing(study, recommend_slicing(study)).savefig(RESULTS / "slicing.png", dpi=110)


def _trained(scenes: Sequence[SceneFiles], n_steps: int, device: torch.device) -> tk.Model:
    """A network that was shown random crops of the scenes."""
    torch.manual_seed(SEED)
    generator = np.random.default_rng(SEED)
    images = [torch.from_numpy(read_image(str(scene.image)).copy()) for scene in scenes]
    targets = [torch.from_numpy(read_mask(str(scene.train_ids)).copy()) for scene in scenes]
    names = tuple(label.name.lower().replace("_", " ") for label in EVALUATED)
    model = tk.Model(
        network=StreetNetwork(len(names)).to(device, memory_format=torch.channels_last),
        class_names=names,
        normalization=Normalization((127.5,) * 3, (127.5,) * 3),
        name="street-network",
        size_divisor=StreetNetwork.size_divisor,
    )
    optimizer = torch.optim.Adam(model.network.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps)
    for step in range(n_steps):
        crops = [_random_crop(images, targets, generator) for _ in range(6)]
        pixels = torch.stack([image for image, _ in crops]).to(device).permute(0, 3, 1, 2).float()
        logits = model.network((pixels / 127.5 - 1).contiguous(memory_format=torch.channels_last))
        logits = F.interpolate(logits, size=CROP, mode="bilinear", align_corners=False)
        wanted = torch.stack([target for _, target in crops]).to(device).long()
        loss = F.cross_entropy(logits, wanted, ignore_index=IGNORE_INDEX)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 50 == 49:
            print(f"step {step + 1} of {n_steps}: loss {float(loss.detach()):.3f}", flush=True)
    model.network.eval().requires_grad_(False)
    return model


def _random_crop(
    images: Sequence[torch.Tensor], targets: Sequence[torch.Tensor], generator: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    number = int(generator.integers(len(images)))
    top, left = (int(generator.integers(side - crop + 1)) for side, crop in zip(SIZE, CROP, strict=True))
    place = (slice(top, top + CROP[0]), slice(left, left + CROP[1]))
    image, target = images[number][place], targets[number][place]
    return (image.flip(1), target.flip(1)) if generator.random() < 0.5 else (image, target)


def _print_progress(done: int, total: int) -> None:
    if done % 100 == 0 or done == total:
        print(f"{done} of {total} images segmented", flush=True)


def _table(study: xr.Dataset) -> pd.DataFrame:
    """One row per configuration; the whole image once per way."""
    table = study.to_dataframe().reset_index()
    return table[(table.slices != "1x1") | (table.overlap == OVERLAPS[0])].drop(columns=["rows", "columns"])


def _report(study: xr.Dataset) -> None:
    table = _table(study)
    by_cut = table.drop_duplicates(["slices", "overlap"]).set_index(["slices", "overlap"])
    quality = by_cut[
        [
            "n_slices",
            "redundancy",
            "mIoU",
            "mF1",
            "border_error",
            "border_error_unsliced",
            "interior_error",
            "agreement",
        ]
    ]
    seconds = table.pivot(index=["slices", "overlap"], columns="way", values="seconds") * 1000
    memory = table.pivot(index=["slices", "overlap"], columns="way", values="memory") / 2**20
    costs = seconds.add_prefix("ms ").join(memory.add_prefix("MiB "))
    print("\n" + quality.to_string(float_format="{:.4f}".format))
    print("\n" + costs.to_string(float_format="{:.1f}".format))
    print(f"\nleast agreement between ways: {float(study.way_agreement.min()):.6f}")
    print(f"\nrecommended: {recommend_slicing(study)}\n")
    added = study.border_error - study.border_error_unsliced
    least, most = study.overlap.values[[0, -1]]
    for grid in study.slices.values[1:]:
        without, with_overlap = (
            float(added.sel(slices=grid, overlap=least)),
            float(added.sel(slices=grid, overlap=most)),
        )
        print(
            f"{grid}: slicing adds {without:.2%} of wrong pixels near seams without overlap, {with_overlap:.2%} with "
            f"overlap {most:g}"
        )


if __name__ == "__main__":
    main()
