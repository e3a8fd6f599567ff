"""Random numbers that do not depend on machine or version."""

import numpy as np

from streetscenes.draws import Draws
from streetscenes.noise import Noise, nearest, smooth


def draws(seed: int = 0) -> Draws:
    return Draws(np.random.SeedSequence(seed))


def test_the_first_numbers_of_a_seed_are_these() -> None:
    stream = draws()
    assert [stream.integer(0, 9) for _ in range(8)] == [6, 2, 0, 0, 8, 9, 6, 7]
    assert stream.uniform() == 0.5436249914654229


def test_a_part_depends_on_the_seed_and_its_number_only() -> None:
    fresh, used = draws(), draws()
    used.uniform()
    assert fresh.part(3).uniform() == used.part(3).uniform() != fresh.part(4).uniform()


def test_numbers_stay_in_their_range_and_reach_its_ends() -> None:
    stream = draws()
    assert {stream.integer(2, 4) for _ in range(200)} == {2, 3, 4}
    values = [stream.uniform(-1.0, 3.0) for _ in range(500)]
    assert -1.0 <= min(values) < -0.9
    assert 2.9 < max(values) <= 3.0


def test_octets_can_be_had_from_anywhere() -> None:
    whole = draws().octets(64)
    np.testing.assert_array_equal(draws().octets(24, start=16), whole[16:40])


def test_noise_is_balanced_and_repeats_without_a_seam() -> None:
    noise = Noise.drawn(draws())
    for table in (noise.mottle, noise.grain):
        assert table.dtype == np.float32
        assert abs(table.mean()) < 0.1
        assert 0.1 < table.std() < 0.6
    steps = np.abs(np.diff(noise.mottle, axis=1)).mean()
    assert np.abs(noise.mottle[:, 0] - noise.mottle[:, -1]).mean() < 2 * steps


def test_noise_at_whole_places_is_the_table_however_it_is_looked_up() -> None:
    table = Noise.drawn(draws()).grain
    columns, rows = np.arange(-3, 300, dtype=np.float32)[None], np.arange(5, dtype=np.float32)[:, None]
    np.testing.assert_array_equal(nearest(table, columns, rows), table[:5, np.arange(-3, 300) % 256])
    np.testing.assert_array_equal(smooth(table, columns, rows), table[:5, np.arange(-3, 300) % 256])
