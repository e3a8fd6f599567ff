"""Where tiles lie: what holds for every image and protocol."""

import dataclasses
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.models.definitions import InputRules
from toolkit.segmentation import Level, Protocol, Tile, levels, plan


@pytest.mark.parametrize(("crop_size", "stride"), [(473, 316), (713, 476), (1, 1), (2, 2), (3, 2)])
def test_the_stride_is_two_thirds_of_the_crop_rounded_up(crop_size: int, stride: int) -> None:
    assert Protocol(crop_size=crop_size).stride == stride


def test_the_origins_of_known_images() -> None:
    (level,) = levels(5, 11, Protocol(crop_size=4, stride=3))
    assert level.origins == tuple((top, left) for top in (0, 1) for left in (0, 3, 6, 7))


@pytest.mark.parametrize(
    ("padding", "corner", "canvas", "crop"),
    [
        ("bottom_right", (0, 0), (10, 13), (10, 10)),
        ("center", (2, 0), (10, 13), (10, 10)),
        ("none", (0, 0), (5, 13), (5, 10)),
    ],
)
def test_an_image_smaller_than_the_crop_is_padded_where_the_protocol_says(
    padding: Any, corner: tuple[int, int], canvas: tuple[int, int], crop: tuple[int, int]
) -> None:
    (level,) = levels(5, 13, Protocol(crop_size=10, padding=padding))
    assert ((level.top, level.left), level.canvas, level.crop) == (corner, canvas, crop)


@pytest.mark.parametrize(
    ("scale_base", "base_size", "expected"),
    [
        ("original", None, (75, 150)),
        ("long", 512, (384, 768)),
        ("short", 512, (768, 1536)),
        ("square", 512, (768, 768)),
    ],
)
def test_a_scale_multiplies_its_base(scale_base: Any, base_size: int | None, expected: tuple[int, int]) -> None:
    (level,) = levels(50, 100, Protocol(scales=(1.5,), scale_base=scale_base, base_size=base_size))
    assert (level.height, level.width) == expected


def test_no_side_is_scaled_to_nothing() -> None:
    (level,) = levels(1, 400, Protocol(scales=(0.01,)))
    assert (level.height, level.width) == (1, 4)


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (-1, 5)])
def test_an_image_without_pixels_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=f"{size[0]} × {size[1]}"):
        plan(*size, Protocol())


def _protocols(mode: str) -> st.SearchStrategy[Protocol]:
    def build(crop_size: int, stride: int, base: tuple[str, int | None], **settings: Any) -> Protocol:
        scale_base, base_size = base
        return Protocol(
            mode=mode,  # type: ignore[arg-type]
            crop_size=crop_size,
            stride=min(stride, crop_size),
            scale_base=scale_base,  # type: ignore[arg-type]
            base_size=base_size,
            **settings,
        )

    return st.builds(
        build,
        crop_size=st.integers(1, 90),
        stride=st.integers(1, 90),
        base=st.one_of(
            st.just(("original", None)),
            st.tuples(st.just("long"), st.integers(1, 120)),
            st.tuples(st.just("short"), st.integers(1, 40)),
        ),
        scales=st.lists(st.floats(0.01, 2), min_size=1, max_size=3, unique=True),
        padding=st.sampled_from(["bottom_right", "center", "none"]),
    )


SIZES = st.tuples(st.integers(1, 80), st.integers(1, 80))
for_every_sliding_protocol = given(size=SIZES, protocol=_protocols("slide"))
often = settings(deadline=None, max_examples=100, derandomize=True)


def _by_level(tiles: list[Tile]) -> dict[Level, list[Tile]]:
    grouped: dict[Level, list[Tile]] = {}
    for tile in tiles:
        grouped.setdefault(tile.level, []).append(tile)
    return grouped


@often
@for_every_sliding_protocol
def test_every_pixel_of_the_canvas_is_covered(size: tuple[int, int], protocol: Protocol) -> None:
    for level, tiles in _by_level(plan(*size, protocol)).items():
        covered = np.zeros(level.canvas, dtype=bool)
        for tile in tiles:
            covered[tile.rows, tile.columns] = True
        assert covered.all()


@often
@for_every_sliding_protocol
def test_tiles_lie_inside_the_canvas_and_are_as_large_as_the_crop(size: tuple[int, int], protocol: Protocol) -> None:
    for tile in plan(*size, protocol):
        for side, crop, axis in zip(tile.level.canvas, tile.level.crop, (tile.rows, tile.columns), strict=True):
            assert 0 <= axis.start < axis.stop <= side
            assert axis.stop - axis.start == crop


@often
@for_every_sliding_protocol
def test_the_image_lies_inside_its_canvas(size: tuple[int, int], protocol: Protocol) -> None:
    for level in levels(*size, protocol):
        assert level.top >= 0
        assert level.left >= 0
        assert level.top + level.height <= level.canvas[0]
        assert level.left + level.width <= level.canvas[1]


@often
@for_every_sliding_protocol
def test_a_sliding_tile_is_the_crop_unless_nothing_is_padded(size: tuple[int, int], protocol: Protocol) -> None:
    for level in levels(*size, protocol):
        if protocol.padding == "none":
            assert level.crop == (min(level.height, protocol.crop_size), min(level.width, protocol.crop_size))
        else:
            assert level.crop == (protocol.crop_size, protocol.crop_size)


@often
@for_every_sliding_protocol
def test_the_tiles_are_a_grid_whose_last_row_and_column_snap_to_the_edge(
    size: tuple[int, int], protocol: Protocol
) -> None:
    for level in levels(*size, protocol):
        tops = sorted({top for top, _ in level.origins})
        lefts = sorted({left for _, left in level.origins})
        assert level.origins == tuple((top, left) for top in tops for left in lefts)
        for starts, crop, side in zip((tops, lefts), level.crop, level.canvas, strict=True):
            assert starts[0] == 0
            assert starts[-1] + crop == side


@often
@for_every_sliding_protocol
def test_neighbours_are_a_stride_apart_and_only_the_last_two_are_nearer(
    size: tuple[int, int], protocol: Protocol
) -> None:
    for level in levels(*size, protocol):
        for axis in (0, 1):
            starts = sorted({origin[axis] for origin in level.origins})
            steps = [after - before for before, after in pairwise(starts)]
            assert all(step == protocol.stride for step in steps[:-1])
            assert all(step <= protocol.tile_stride for step in steps[-1:])


@often
@for_every_sliding_protocol
def test_no_tile_is_seen_twice(size: tuple[int, int], protocol: Protocol) -> None:
    for level in levels(*size, protocol):
        assert len(set(level.origins)) == len(level.origins)


@often
@for_every_sliding_protocol
def test_scales_keep_their_order(size: tuple[int, int], protocol: Protocol) -> None:
    assert tuple(level.scale for level in levels(*size, protocol)) == protocol.scales
    order = [protocol.scales.index(tile.scale) for tile in plan(*size, protocol)]
    assert order == sorted(order)


RULES = st.sampled_from(
    [InputRules(*kind) for kind in ((1, 0), (8, 0), (8, 1), (32, 0), (2, 1))] + [InputRules(least_side=40)]
)


@often
@given(size=SIZES, protocol=_protocols("whole"), rules=RULES)
def test_a_whole_image_is_one_tile_of_the_nearest_size_that_the_network_takes(
    size: tuple[int, int], protocol: Protocol, rules: InputRules
) -> None:
    for level in levels(*size, protocol, rules=rules):
        assert level.origins == ((0, 0),)
        assert level.crop == level.canvas == (rules.round_up(level.height), rules.round_up(level.width))


@often
@given(size=SIZES, protocol=_protocols("slide"), rules=RULES)
def test_a_crop_that_the_network_does_not_take_is_rounded_up(
    size: tuple[int, int], protocol: Protocol, rules: InputRules
) -> None:
    for level in levels(*size, protocol, rules=rules):
        (asked,) = levels(*size, dataclasses.replace(protocol, scales=(level.scale,)))
        assert level.crop == tuple(rules.round_up(side) for side in asked.crop)
        assert (level.height, level.width) == (asked.height, asked.width)


def test_a_crop_that_the_network_takes_stays_as_it_is() -> None:
    protocol = Protocol(crop_size=64)
    assert plan(100, 130, protocol, rules=InputRules(32)) == plan(100, 130, protocol)


@pytest.mark.parametrize(
    ("fit", "mode", "sizes"),
    [
        ("pad", "slide", [(75, 45)]),
        ("stretch", "slide", [(76, 48)]),
        ("stretch", "whole", [(80, 48)]),
        ("resize_again", "whole", [(80, 48), (75, 45)]),
    ],
)
def test_a_rescaled_image_is_brought_to_a_size_that_the_network_takes_in_the_way_of_fit(
    fit: Any, mode: Any, sizes: list[tuple[int, int]]
) -> None:
    protocol = Protocol(scales=(0.75,), size_multiple=4, fit=fit, mode=mode)
    (level,) = levels(100, 60, protocol, rules=InputRules(16))
    assert (level.height, level.width) == sizes[0]
    assert level.resized_first == (sizes[1] if len(sizes) > 1 else None)


@pytest.mark.parametrize(("rounding", "sides"), [("half_even", (2, 4)), ("half_up", (3, 4)), ("floor", (2, 3))])
def test_a_rescaled_side_becomes_whole_as_rounding_says(rounding: Any, sides: tuple[int, int]) -> None:
    (level,) = levels(5, 7, Protocol(scales=(0.5,), rounding=rounding))  # 2.5 and 3.5 pixels
    assert (level.height, level.width) == sides


@pytest.mark.parametrize(
    ("scale", "limit_scales", "expected"),
    [
        (1.0, True, (300, 400)),
        (1.0, False, (300, 400)),
        (2.0, True, (600, 800)),
        (2.0, False, (375, 500)),
        (0.5, True, (150, 200)),
        (0.5, False, (150, 200)),
    ],
)
def test_the_long_side_is_limited_with_or_without_the_scale(
    scale: float, limit_scales: bool, expected: tuple[int, int]
) -> None:
    protocol = Protocol(
        scales=(scale,), scale_base="short", base_size=300, long_limit=500, limit_scales=limit_scales, mode="whole"
    )
    (level,) = levels(600, 800, protocol)
    assert (level.height, level.width) == expected
