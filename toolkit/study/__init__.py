"""What runs are made for: which settings serve a question best, and what people see in pictures."""

from toolkit.study.slicing import (
    SlicedSegmenter,
    SlicingRecommendation,
    Way,
    plot_slicing,
    recommend_slicing,
    study_slicing,
)

__all__ = [
    "SlicedSegmenter",
    "SlicingRecommendation",
    "Way",
    "plot_slicing",
    "recommend_slicing",
    "study_slicing",
]
