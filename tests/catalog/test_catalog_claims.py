"""Claims: each generation of a block has exactly one owner, whatever happens around it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from claiming import claim_next
from zarr.abc.store import Store
from zarr.storage import LocalStore

from toolkit.catalog import Catalog, Owner, RunSettings
from toolkit.catalog.claims import claim_generation, is_overtaken, latest_claim
from toolkit.catalog.format.layout import claims_path
from toolkit.catalog.store.objects import put_if_absent


def test_generations_count_from_zero_per_block(store: Store) -> None:
    owner = Owner()
    assert latest_claim(store, "run", 0, 0) is None
    for generation in range(3):
        assert claim_generation(store, "run", 0, 0, generation, owner)
        claim = latest_claim(store, "run", 0, 0)
        assert claim is not None
        assert (claim.generation, claim.owner) == (generation, owner)
    assert latest_claim(store, "run", 0, 1) is None
    assert latest_claim(store, "run", 1, 0) is None
    assert latest_claim(store, "other", 0, 0) is None


@pytest.mark.parametrize("n_owners", [2, 8])
def test_of_several_owners_one_gets_a_generation(store: Store, n_owners: int) -> None:
    n_claims = 20
    together = threading.Barrier(n_owners)

    def claim_all(owner: Owner) -> list[int]:
        won = []
        for generation in range(n_claims):
            together.wait()
            if claim_generation(store, "run", 0, 0, generation, owner):
                won.append(generation)
        return won

    with ThreadPoolExecutor(n_owners) as pool:
        won = [generation for got in pool.map(claim_all, (Owner() for _ in range(n_owners))) for generation in got]
    assert sorted(won) == list(range(n_claims))


def test_an_object_is_created_once(store: Store) -> None:
    assert put_if_absent(store, "claims/x", b"mine")
    assert not put_if_absent(store, "claims/x", b"theirs")


def test_owners_of_one_process_differ() -> None:
    assert Owner() != Owner()
    assert Owner().name != Owner().name
    assert "/" not in Owner().name


def test_what_a_killed_writer_left_does_no_harm(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    owner = Owner()
    assert claim_generation(store, "run", 0, 0, 0, owner)
    folder = tmp_path / claims_path("run", 0, 0)
    (folder / "1.0123456789abcdef.partial").write_bytes(b"{")
    (folder / "9.partial").write_bytes(b"")
    (folder / ".9").write_bytes(b"")
    claim = latest_claim(store, "run", 0, 0)
    assert claim is not None
    assert claim.generation == 0


def test_a_block_says_when_it_was_overtaken(store: Store, catalog: Catalog, run_id: str) -> None:
    (shape,) = catalog.image_tables()
    first = claim_next(catalog, run_id, shape, 0)
    assert not first.is_overtaken
    second = claim_next(catalog, run_id, shape, 0)
    assert first.is_overtaken
    assert not second.is_overtaken
    assert is_overtaken(store, run_id, 0, 0, 0)


def test_who_comes_second_gets_nothing(catalog: Catalog, run_id: str) -> None:
    (shape,) = catalog.image_tables()
    assert catalog.run_blocks(run_id).claim(shape, 0, Owner(), 0) is not None
    assert catalog.run_blocks(run_id).claim(shape, 0, Owner(), 0) is None


def test_drivers_may_claim_different_blocks_at_once(store: Store, settings: RunSettings) -> None:
    """They create the arrays of their common generation together."""
    catalog = Catalog.create(store, [f"/photos/{number}.jpg" for number in range(8)], block_size=1)
    run_id = catalog.start_run(settings)
    (shape,) = catalog.image_tables()
    together = threading.Barrier(8)

    def claim(block: int) -> None:
        together.wait()
        assert catalog.run_blocks(run_id).claim(shape, block, Owner()) is not None

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(claim, range(8)))
    assert catalog.to_xarray(run_id).sizes["image"] == 8


def test_drivers_may_start_the_same_run_at_once(store: Store, catalog: Catalog, settings: RunSettings) -> None:
    together = threading.Barrier(8)

    def start(_: int) -> str:
        together.wait()
        return Catalog.open(store).start_run(settings)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(start, range(8))) == {settings.run_id}
    assert catalog.runs().index.tolist() == [settings.run_id]
