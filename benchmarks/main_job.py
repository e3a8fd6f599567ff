"""The main job on the sample photos: the fast path against the plain sequential loop, interleaved image by image.

    python -m benchmarks.main_job [--rounds 1]

Both sides segment the same photos with the demo's protocol, in one process with the same threads; which goes first
alternates. Reported: seconds per image, their ratio, and whether the results agree.
"""

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import toolkit as tk
from toolkit.paths import data_catalog
from toolkit.segmentation import mean_probabilities, plan, reference_probabilities
from toolkit.sources import read_image

PROTOCOL = {"scales": (0.5, 0.75, 1.0, 1.25), "crop_size": 473, "stride": 316, "flip": True}
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Run the comparison, print it, and write it as CSV."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1, help="how often each image is segmented by each side")
    arguments = parser.parse_args()
    model = tk.load_model("deeplabv3-mobilenetv2-voc")
    protocol = tk.Protocol(**PROTOCOL)
    rows = []
    for number, photo in enumerate(sorted((data_catalog() / "samples").glob("*.[jp][pn]g"))):
        pixels = read_image(str(photo))
        for turn in range(arguments.rounds):
            sides: dict[str, Callable[[], np.ndarray]] = {
                "reference": lambda pixels=pixels: reference_probabilities(pixels, model, protocol),
                "fast": lambda pixels=pixels: mean_probabilities(pixels, model, protocol).numpy(),
            }
            order = list(sides)[:: 1 if (number + turn) % 2 else -1]
            seconds, results = {}, {}
            for side in order:
                begin = time.perf_counter()
                results[side] = sides[side]()
                seconds[side] = time.perf_counter() - begin
            labels = {side: probabilities.argmax(0) for side, probabilities in results.items()}
            rows.append(
                {
                    "image": photo.name,
                    "forwards": 2 * len(plan(*pixels.shape[:2], protocol)),
                    "reference_s": seconds["reference"],
                    "fast_s": seconds["fast"],
                    "ratio": seconds["reference"] / seconds["fast"],
                    "equal_pixels": float(np.mean(labels["reference"] == labels["fast"])),
                    "max_difference": float(np.abs(results["reference"] - results["fast"]).max()),
                }
            )
            print(f"{photo.name}: ratio {rows[-1]['ratio']:.2f}", flush=True)
    table = pd.DataFrame(rows)
    total = table.reference_s.sum() / table.fast_s.sum()
    print("\n" + table.to_string(index=False, float_format="{:.4g}".format))
    print(
        f"\n{len(table)} images on {os.cpu_count()} cores ({torch.get_num_threads()} threads): reference "
        f"{table.reference_s.mean():.2f} s, fast {table.fast_s.mean():.2f} s per image, ratio {total:.2f}; "
        f"at least {table.equal_pixels.min():.4%} of the pixels equal"
    )
    RESULTS.mkdir(exist_ok=True)
    table.to_csv(RESULTS / "main_job.csv", index=False)


if __name__ == "__main__":
    main()
