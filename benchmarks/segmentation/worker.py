"""A process that is one side of a comparison: does what it reads from standard input, and answers with JSON lines."""

import json
import resource
import sys
import time
from typing import Any

import numpy as np
import torch

from benchmarks.segmentation.sides import Monai, Ours, Pipeline, Reference
from benchmarks.segmentation.stages import Stages
from benchmarks.segmentation.work import Work, quiet
from toolkit.sources import read_image

_MAKERS: dict[str, Any] = {
    "reference": Reference,
    "ours": Ours,
    "MONAI": Monai,
    "pipeline": Pipeline,
}


def main() -> None:
    """Serve until standard input ends."""
    settings = json.loads(sys.stdin.readline())
    answers = sys.stdout
    sys.stdout = sys.stderr  # what other packages print is no answer
    work = Work(**settings["work"])
    torch.set_num_threads(settings["threads"])
    with quiet():
        side = _MAKERS[settings["side"]](work, **settings["options"])
        for line in sys.stdin:
            print(json.dumps(_answer(json.loads(line), side, work)), file=answers, flush=True)


def _answer(order: dict[str, Any], side: Any, work: Work) -> dict[str, Any]:
    paths = order["paths"]
    if order["do"] == "segment":
        _wait(work)
        begin, cpu = time.perf_counter(), time.process_time()
        labels = side.segment(paths)
        _wait(work)
        seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
        if order.get("keep"):
            for path, found in zip(order["keep"], labels, strict=True):
                np.save(path, found.astype(np.uint8))
        return {"seconds": seconds, "cpu_seconds": cpu}
    if order["do"] == "network":
        return dict(side.network_seconds(paths))
    if order["do"] == "stages":
        images = [read_image(path) for path in paths]
        threads = torch.get_num_threads()
        torch.set_num_threads(order.get("threads", threads))
        seconds = Stages(work.device).total(lambda: side.segment_pixels(images, scales=order["scales"]))
        torch.set_num_threads(threads)
        return seconds
    if order["do"] == "memory":
        return _memory(side, order, work)
    raise ValueError(f"unknown order {order!r}")


def _memory(side: Any, order: dict[str, Any], work: Work) -> dict[str, Any]:
    """Seconds, and the peak of memory: of a GPU while images are segmented, of a CPU of this process since it began."""
    images = [read_image(path) for path in order["paths"]]
    if work.device == "cuda":
        side.segment_pixels(images[:1], scales=order["scales"])  # finds the batch size
        torch.cuda.reset_peak_memory_stats()
    _wait(work)
    begin = time.perf_counter()
    side.segment_pixels(images, scales=order["scales"])
    _wait(work)
    seconds = time.perf_counter() - begin
    if work.device == "cuda":
        return {"seconds": seconds, "bytes": torch.cuda.max_memory_allocated()}
    return {"seconds": seconds, "bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


def _wait(work: Work) -> None:
    if work.device == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
