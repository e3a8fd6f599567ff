"""The labels that scenes are drawn with: the label ids of Cityscapes, their train ids and their colours."""

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

_COLORS = {
    Label.ROAD: (128, 64, 128),
    Label.SIDEWALK: (244, 35, 232),
    Label.BUILDING: (70, 70, 70),
    Label.WALL: (102, 102, 156),
    Label.FENCE: (190, 153, 153),
    Label.POLE: (153, 153, 153),
    Label.TRAFFIC_LIGHT: (250, 170, 30),
    Label.TRAFFIC_SIGN: (220, 220, 0),
    Label.VEGETATION: (107, 142, 35),
    Label.TERRAIN: (152, 251, 152),
    Label.SKY: (70, 130, 180),
    Label.PERSON: (220, 20, 60),
    Label.RIDER: (255, 0, 0),
    Label.CAR: (0, 0, 142),
    Label.TRUCK: (0, 0, 70),
    Label.BUS: (0, 60, 100),
    Label.TRAIN: (0, 80, 100),
    Label.MOTORCYCLE: (0, 0, 230),
    Label.BICYCLE: (119, 11, 32),
}
"""RGB of each label that is evaluated; the others are black."""


def to_train_ids(label_ids: np.ndarray) -> np.ndarray:
    """Train ids of label ids, uint8 of the same shape; 255 where the label is not evaluated."""
    table = np.full(256, IGNORE_INDEX, np.uint8)
    table[list(EVALUATED)] = np.arange(len(EVALUATED))
    train_ids: np.ndarray = table[label_ids]
    return train_ids


def to_colors(label_ids: np.ndarray) -> np.ndarray:
    """Colours of label ids ``(height, width)`` as Cityscapes paints them, RGB, uint8 ``(height, width, 3)``."""
    table = np.zeros((256, 3), np.uint8)
    table[list(_COLORS)] = list(_COLORS.values())
    colors: np.ndarray = table[label_ids]
    return colors
