"""One image → label map and composition: protocol, tiles, forward, merge; and the reference to check them by."""

from toolkit.segmentation.forward import mean_probabilities
from toolkit.segmentation.memory import bytes_needed
from toolkit.segmentation.protocol import NUMERICS_VERSION, Protocol
from toolkit.segmentation.reference import reference_probabilities
from toolkit.segmentation.segment import SegmentedImage, check_compatible, label_dtype, segment_image
from toolkit.segmentation.tiles import Level, Tile, levels, plan

__all__ = [
    "NUMERICS_VERSION",
    "Level",
    "Protocol",
    "SegmentedImage",
    "Tile",
    "bytes_needed",
    "check_compatible",
    "label_dtype",
    "levels",
    "mean_probabilities",
    "plan",
    "reference_probabilities",
    "segment_image",
]
