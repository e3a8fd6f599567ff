"""One image → label map and composition: protocol, tiles, forward, merge; and the reference to check them by."""

from toolkit.segmentation.area import Area, Circle, Ellipse
from toolkit.segmentation.batching import is_out_of_memory
from toolkit.segmentation.errors import PictureError
from toolkit.segmentation.execution import Execution, Precision
from toolkit.segmentation.looks import Looks, look_at
from toolkit.segmentation.mask import Mask
from toolkit.segmentation.memory import bytes_needed
from toolkit.segmentation.perspective import perspective_views
from toolkit.segmentation.projection import Projection
from toolkit.segmentation.protocol import NUMERICS_VERSION, Protocol
from toolkit.segmentation.reference import reference_probabilities
from toolkit.segmentation.segment import mean_probabilities, segment_image
from toolkit.segmentation.segmenter import SegmentedImage, Segmenter
from toolkit.segmentation.tiles import Level, Tile, columns_around, levels, plan

__all__ = [
    "NUMERICS_VERSION",
    "Area",
    "Circle",
    "Ellipse",
    "Execution",
    "Level",
    "Looks",
    "Mask",
    "PictureError",
    "Precision",
    "Projection",
    "Protocol",
    "SegmentedImage",
    "Segmenter",
    "Tile",
    "bytes_needed",
    "columns_around",
    "is_out_of_memory",
    "levels",
    "look_at",
    "mean_probabilities",
    "perspective_views",
    "plan",
    "reference_probabilities",
    "segment_image",
]
