"""Rows of a resized image are those that torch's own resizing of the whole image gives."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.segmentation.resampling import has_channels_last, resize_rows, source_rows

SIDES = st.integers(1, 40) | st.integers(250, 300)
"""Few rows are resized in one way, many in another."""


@st.composite
def rows_of(draw: st.DrawFn, height: int) -> slice:
    """Some rows, at least one."""
    start = draw(st.integers(0, height - 1))
    return slice(start, draw(st.integers(start + 1, height)))


def image_of(height: int, width: int, *leading: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Values in [0, 1), ``(*leading, height, width)``."""
    generator = torch.Generator().manual_seed(height * 1000 + width)
    return torch.rand(*leading, height, width, generator=generator, dtype=dtype)


@settings(deadline=None, max_examples=300, derandomize=True)
@given(size=st.tuples(SIDES, SIDES), new_size=st.tuples(SIDES, SIDES), aligned=st.booleans(), data=st.data())
def test_any_rows_are_those_of_interpolate(
    size: tuple[int, int], new_size: tuple[int, int], aligned: bool, data: st.DataObject
) -> None:
    image = image_of(*size, 2)
    rows = data.draw(rows_of(new_size[0]))
    expected = F.interpolate(image[None], size=new_size, mode="bilinear", align_corners=aligned)[0, :, rows]
    found = resize_rows(image, new_size, rows, align_corners=aligned)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)


@settings(deadline=None, max_examples=300, derandomize=True)
@given(size=st.tuples(SIDES, SIDES), new_size=st.tuples(SIDES, SIDES), aligned=st.booleans(), data=st.data())
def test_channels_may_come_last(
    size: tuple[int, int], new_size: tuple[int, int], aligned: bool, data: st.DataObject
) -> None:
    """Of an image that is given as far as it is needed."""
    image = image_of(*size, 4)
    rows = data.draw(st.just(slice(0, new_size[0])) | rows_of(new_size[0]))
    needed = source_rows(size[0], new_size[0], rows, align_corners=aligned)
    expected = resize_rows(image, new_size, rows, align_corners=aligned)
    last = image[:, needed].permute(1, 2, 0).contiguous().permute(2, 0, 1)
    found = resize_rows(last, new_size, rows, align_corners=aligned, first_row=needed.start, height=size[0])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)


@settings(deadline=None, max_examples=200, derandomize=True)
@given(height=SIDES, new_height=SIDES, aligned=st.booleans(), data=st.data())
def test_only_the_source_rows_are_needed(height: int, new_height: int, aligned: bool, data: st.DataObject) -> None:
    image, size = image_of(height, 5, 2), (new_height, 7)
    rows = data.draw(rows_of(new_height))
    needed = source_rows(height, new_height, rows, align_corners=aligned)
    assert 0 <= needed.start < needed.stop <= height
    found = resize_rows(image[:, needed], size, rows, align_corners=aligned, first_row=needed.start, height=height)
    torch.testing.assert_close(found, resize_rows(image, size, rows, align_corners=aligned), rtol=0, atol=1e-12)


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize(("height", "new_height"), [(10, 1000), (1000, 10), (1, 50), (50, 1), (9, 65)])
def test_a_band_needs_no_more_rows_than_it_is_made_of(height: int, new_height: int, aligned: bool) -> None:
    step = max(new_height // 5, 1)
    for start in range(0, new_height, step):
        rows = slice(start, min(start + step, new_height))
        needed = source_rows(height, new_height, rows, align_corners=aligned)
        assert needed.stop - needed.start <= (rows.stop - rows.start) * height / new_height + 3


@pytest.mark.parametrize("leading", [(), (3,), (2, 3)])
def test_dimensions_before_the_rows_are_kept(leading: tuple[int, ...]) -> None:
    assert resize_rows(image_of(6, 4, *leading), (12, 8), slice(2, 5), align_corners=False).shape == (*leading, 3, 8)


@pytest.mark.parametrize(("new_size", "rows"), [((12, 9), 12), ((12, 9), 5), ((12, 4), 12), ((6, 9), 6)])
def test_channels_that_come_last_do_so_afterwards(new_size: tuple[int, int], rows: int) -> None:
    last = image_of(6, 4, 5).permute(1, 2, 0).contiguous().permute(2, 0, 1)
    assert has_channels_last(resize_rows(last, new_size, slice(0, rows), align_corners=False))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_type_is_kept(dtype: torch.dtype) -> None:
    assert resize_rows(image_of(6, 4, dtype=dtype), (9, 9), slice(0, 9), align_corners=True).dtype == dtype


@pytest.mark.parametrize("size", [(6, 4), (6, 9)])
def test_the_image_is_not_changed(size: tuple[int, int]) -> None:
    image = image_of(6, 4, 2)
    before = image.clone()
    resize_rows(image, size, slice(1, 5), align_corners=False)
    assert torch.equal(image, before)
