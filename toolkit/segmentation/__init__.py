"""One image → label map and composition: protocol, tiles, forward, merge; and the reference to check them by."""

from toolkit.segmentation.batching import is_out_of_memory
from toolkit.segmentation.execution import Execution, Precision
from toolkit.segmentation.looks import Looks, look_at
from toolkit.segmentation.memory import bytes_needed
from toolkit.segmentation.protocol import NUMERICS_VERSION, Protocol
from toolkit.segmentation.reference import reference_probabilities
from toolkit.segmentation.segment import mean_probabilities, segment_image
from toolkit.segmentation.segmenter import SegmentedImage, Segmenter
from toolkit.segmentation.tiles import Level, Tile, levels, plan

__all__ = [
    "NUMERICS_VERSION",
    "Execution",
    "Level",
    "Looks",
    "Precision",
    "Protocol",
    "SegmentedImage",
    "Segmenter",
    "Tile",
    "bytes_needed",
    "is_out_of_memory",
    "levels",
    "look_at",
    "mean_probabilities",
    "plan",
    "reference_probabilities",
    "segment_image",
]
