"""An image cut into overlapping slices that are segmented in parallel: what it saves, what it costs, which is best."""

from toolkit.slicing.plots import plot_slicing
from toolkit.slicing.recommendation import SlicingRecommendation, recommend_slicing
from toolkit.slicing.study import study_slicing
from toolkit.slicing.ways import SlicedSegmenter, Way

__all__ = ["SlicedSegmenter", "SlicingRecommendation", "Way", "plot_slicing", "recommend_slicing", "study_slicing"]
