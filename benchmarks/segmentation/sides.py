"""The sides of the comparisons: each turns image files into label maps, by the same protocol with the same network."""

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any
from typing import Protocol as Interface

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.segmentation.work import Work, segformer_folder
from toolkit.models import define_missing_operators
from toolkit.pipeline import read_ahead
from toolkit.segmentation import Execution, Segmenter, levels
from toolkit.segmentation.batching import Batches
from toolkit.segmentation.execution import PreparedNetwork, float32_arithmetic
from toolkit.segmentation.image import ImageOnItsWay
from toolkit.segmentation.reference import reference_labels
from toolkit.sources import read_image


class Side(Interface):
    """One way to segment."""

    def segment(self, paths: Sequence[str]) -> list[np.ndarray]:
        """Label maps of image files."""


class Ours:
    """The toolkit's fast path, reading ahead."""

    def __init__(self, work: Work, precision: str = "float32", compile: bool = False, batch_size: int | None = None):
        self._model = work.load()
        self._work = work
        self._execution = Execution(precision=precision, compile=compile, batch_size=batch_size)  # type: ignore[arg-type]
        self._segmenters: dict[Any, Segmenter] = {}

    def segment(self, paths: Sequence[str]) -> list[np.ndarray]:
        return self._labels(self._segmenter(), (reading.result() for _, reading in read_ahead(paths, read_image)))

    def segment_pixels(self, images: Sequence[np.ndarray], **others: Any) -> list[np.ndarray]:
        """Without reading; with other fields of the protocol."""
        return self._labels(self._segmenter(**others), images)

    def _labels(self, segmenter: Segmenter, images: Iterable[np.ndarray]) -> list[np.ndarray]:
        results = [segmenter.add(pixels) for pixels in images]
        segmenter.finish()
        return [result.result().labels for result in results]

    def _segmenter(self, **others: Any) -> Segmenter:
        key = str(sorted(others.items()))
        if key not in self._segmenters:
            self._segmenters[key] = Segmenter(self._model, self._work.protocol(**others), execution=self._execution)
        return self._segmenters[key]

    def network_seconds(self, paths: Sequence[str]) -> dict[str, float]:
        """Seconds that the network alone takes on the very crops of these images, lying ready in memory.

        ``"network"``: as published, crops → logits of the crop's size; ``"network_core"``: without that upsampling;
        ``"network_cpu"``: processor seconds of the first.
        """
        network = PreparedNetwork(self._model, self._execution)
        batches = [batch for path in paths for batch in self._batches(network, read_image(path))]
        seconds = {"network": 0.0, "network_core": 0.0, "network_cpu": 0.0}
        aligned = self._model.align_corners
        with torch.inference_mode():
            for batch in {batch.shape: batch for batch in batches}.values():
                network(batch)  # what is set up for each shape does not count
            for number, batch in enumerate(batches):
                for name in ("network", "network_core")[:: -1 if number % 2 else 1]:
                    _wait(network.device)
                    begin, cpu = time.perf_counter(), time.process_time()
                    logits = network(batch)
                    if name == "network" and logits.shape[-2:] != batch.shape[-2:]:
                        F.interpolate(logits, batch.shape[-2:], mode="bilinear", align_corners=aligned)
                    _wait(network.device)
                    seconds[name] += time.perf_counter() - begin
                    if name == "network":
                        seconds["network_cpu"] += time.process_time() - cpu
        return seconds

    def _batches(self, network: PreparedNetwork, pixels: np.ndarray) -> list[Tensor]:
        """The batches that the fast path makes of an image."""
        gathered = _Gathering(network, self.batch_size)
        image = torch.from_numpy(pixels).to(network.device).permute(2, 0, 1)
        ImageOnItsWay(image, self._model, self._work.protocol(), lambda rows, total: None).send_through(gathered)
        return gathered.batches()

    @property
    def batch_size(self) -> int:
        """Crops to a batch: as given, or as found while working."""
        if self._execution.batch_size:
            return self._execution.batch_size
        for segmenter in self._segmenters.values():
            return max((size.current for size in segmenter._batches._sizes.values()), default=1)
        return 1


class _Gathering(Batches):
    """Keeps crops instead of having them seen."""

    def __init__(self, network: PreparedNetwork, batch_size: int) -> None:
        super().__init__(network, batch_size)
        self._crops: list[Tensor] = []
        self._size = batch_size

    def add(self, crop: Tensor, take: Callable[[Tensor], None]) -> None:
        self._crops.append(crop.clone())

    def then(self, action: Callable[[], None]) -> None:
        pass

    def batches(self) -> list[Tensor]:
        groups: dict[tuple[int, ...], list[Tensor]] = {}
        for crop in self._crops:
            groups.setdefault(tuple(crop.shape), []).append(crop)
        return [
            torch.stack(crops[start : start + self._size]).contiguous(memory_format=self._network.memory_format)
            for crops in groups.values()
            for start in range(0, len(crops), self._size)
        ]


class Reference:
    """The original model: scale by scale, tile by tile."""

    def __init__(self, work: Work) -> None:
        self._model = work.load()
        self._work = work

    def segment(self, paths: Sequence[str]) -> list[np.ndarray]:
        return self.segment_pixels([read_image(path) for path in paths])

    def segment_pixels(self, images: Sequence[np.ndarray], **others: Any) -> list[np.ndarray]:
        """Without reading; with other fields of the protocol."""
        protocol = self._work.protocol(**others)
        with float32_arithmetic(torch.device(self._work.device)):
            return [reference_labels(pixels, self._model, protocol) for pixels in images]


class Monai:
    """MONAI's sliding_window_inference (preset ``"monai"``: one scale, logits)."""

    def __init__(self, work: Work, sw_batch_size: int = 4) -> None:
        define_missing_operators()
        from monai.inferers import sliding_window_inference

        self._infer = sliding_window_inference
        self._model = work.load()
        self._model.network.to(memory_format=torch.channels_last)
        self._protocol = work.protocol()
        self._device = torch.device(work.device)
        self._sw_batch_size = sw_batch_size

    @torch.inference_mode()
    def segment(self, paths: Sequence[str]) -> list[np.ndarray]:
        crop, normalization = self._protocol.crop_size, self._model.normalization
        mean = torch.tensor(normalization.mean, device=self._device).view(1, 3, 1, 1)
        std = torch.tensor(normalization.std, device=self._device).view(1, 3, 1, 1)
        labels = []
        for path in paths:
            pixels = torch.from_numpy(read_image(path)).to(self._device)
            image = (pixels.permute(2, 0, 1)[None].float() - mean) / std
            overlap = 1 - self._protocol.tile_stride / crop
            mode = self._protocol.blend
            logits = self._infer(image, (crop, crop), self._sw_batch_size, self._predict, overlap=overlap, mode=mode)
            labels.append(logits[0].argmax(0).cpu().numpy())
        return labels

    def _predict(self, crops: Tensor) -> Tensor:
        logits = self._model.network(crops.contiguous(memory_format=torch.channels_last))
        return F.interpolate(logits, crops.shape[-2:], mode="bilinear", align_corners=self._model.align_corners)


class Pipeline:
    """The Hugging Face image-segmentation pipeline with SegFormer."""

    def __init__(self, work: Work) -> None:
        define_missing_operators()
        from transformers import pipeline

        folder = str(segformer_folder(Path(work.folder)))
        self._pipeline = pipeline("image-segmentation", model=folder, device=work.device)

    def segment(self, paths: Sequence[str]) -> list[np.ndarray]:
        indices = self._pipeline.model.config.label2id
        results = []
        for path in paths:
            masks = self._pipeline(path, subtask="semantic")
            labels = np.zeros(np.asarray(masks[0]["mask"]).shape, dtype=np.int64)
            for found in masks:
                labels[np.asarray(found["mask"]) > 0] = indices[found["label"]]
            results.append(labels)
        return results


def n_forwards(work: Work, pixels: np.ndarray) -> int:
    """How many crops the network sees of an image."""
    protocol = work.protocol()
    tiles = sum(len(level.origins) for level in levels(*pixels.shape[:2], protocol))
    return tiles * (2 if protocol.flip else 1)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
