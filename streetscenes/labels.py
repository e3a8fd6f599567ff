"""The labels that scenes are drawn with: the label ids of Cityscapes, and the train ids that they stand for."""

from enum import IntEnum

import numpy as np

IGNORE_INDEX = 255


class Label(IntEnum):
    """Label ids of Cityscapes that occur in scenes."""

    EGO_VEHICLE = 1
    STATIC = 4
    ROAD = 7
    SIDEWALK = 8
    BUILDING = 11
    WALL = 12
    FENCE = 13
    POLE = 17
    TRAFFIC_LIGHT = 19
    TRAFFIC_SIGN = 20
    VEGETATION = 21
    TERRAIN = 22
    SKY = 23
    PERSON = 24
    RIDER = 25
    CAR = 26
    TRUCK = 27
    BUS = 28
    TRAIN = 31
    MOTORCYCLE = 32
    BICYCLE = 33


EVALUATED = (
    *(Label.ROAD, Label.SIDEWALK, Label.BUILDING, Label.WALL, Label.FENCE, Label.POLE, Label.TRAFFIC_LIGHT),
    *(Label.TRAFFIC_SIGN, Label.VEGETATION, Label.TERRAIN, Label.SKY, Label.PERSON, Label.RIDER, Label.CAR),
    *(Label.TRUCK, Label.BUS, Label.TRAIN, Label.MOTORCYCLE, Label.BICYCLE),
)
"""The label of each train id; the other labels are ignored."""


def to_train_ids(label_ids: np.ndarray) -> np.ndarray:
    """Train ids of label ids, uint8 of the same shape; 255 where the label is not evaluated."""
    table = np.full(256, IGNORE_INDEX, np.uint8)
    table[list(EVALUATED)] = np.arange(len(EVALUATED))
    train_ids: np.ndarray = table[label_ids]
    return train_ids
