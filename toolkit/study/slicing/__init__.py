"""An image cut into overlapping slices that are segmented in parallel: what it saves, what it costs, which is best."""

from toolkit.study.slicing.plots import plot_slicing
from toolkit.study.slicing.recommendation import SlicingRecommendation, recommend_slicing
from toolkit.study.slicing.study import study_slicing
from toolkit.study.slicing.ways import SlicedSegmenter, Way

__all__ = ["SlicedSegmenter", "SlicingRecommendation", "Way", "plot_slicing", "recommend_slicing", "study_slicing"]
