"""How many rows a block has."""

from hypothesis import example, given
from hypothesis import strategies as st

from toolkit.catalog.format.layout import block_size_for

N_IMAGES = st.integers(0, 10**8)


@given(N_IMAGES)
@example(0)
@example(1)
@example(10**8)
def test_it_is_a_power_of_two_of_at_least_16(n_images: int) -> None:
    size = block_size_for(n_images)
    assert size >= 16
    assert size & (size - 1) == 0


@given(N_IMAGES)
@example(4_194_304)
@example(4_194_305)
@example(10**8)
def test_there_are_at_most_4096_blocks(n_images: int) -> None:
    assert -(-n_images // block_size_for(n_images)) <= 4096


@given(st.integers(64 * 1024, 4096 * 1024))
def test_ordinary_catalogs_have_blocks_of_1024(n_images: int) -> None:
    assert block_size_for(n_images) == 1024


@given(st.integers(64 * 16, 10**8))
def test_several_drivers_find_work(n_images: int) -> None:
    assert n_images / block_size_for(n_images) >= 32


@given(N_IMAGES, st.integers(0, 10**6))
def test_it_never_shrinks_as_a_catalog_grows(n_images: int, more: int) -> None:
    assert block_size_for(n_images) <= block_size_for(n_images + more)
