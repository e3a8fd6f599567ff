"""Claims: each generation of a block has exactly one owner, whatever happens around it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from zarr.abc.store import Store
from zarr.storage import LocalStore

from toolkit.catalog import Catalog, Owner, RunSettings
from toolkit.catalog.claims import claim_next_generation
from toolkit.catalog.layout import claims_path
from toolkit.catalog.objects import get, put_if_absent


def test_generations_count_from_zero_per_block(store: Store) -> None:
    owner = Owner()
    assert [claim_next_generation(store, "run", 0, 0, owner) for _ in range(3)] == [0, 1, 2]
    assert claim_next_generation(store, "run", 0, 1, owner) == 0
    assert claim_next_generation(store, "run", 1, 0, owner) == 0
    assert claim_next_generation(store, "other", 0, 0, owner) == 0


@pytest.mark.parametrize("n_owners", [2, 8])
def test_two_owners_never_get_the_same_generation(store: Store, n_owners: int) -> None:
    n_claims = 20
    together = threading.Barrier(n_owners)

    def claim_often(owner: Owner) -> list[int]:
        claimed = []
        for _ in range(n_claims):
            together.wait()
            claimed.append(claim_next_generation(store, "run", 0, 0, owner))
        return claimed

    with ThreadPoolExecutor(n_owners) as pool:
        claimed = [
            generation for got in pool.map(claim_often, (Owner() for _ in range(n_owners))) for generation in got
        ]
    assert sorted(claimed) == list(range(n_owners * n_claims))


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
    assert claim_next_generation(store, "run", 0, 0, owner) == 0
    folder = tmp_path / claims_path("run", 0, 0)
    (folder / "1.0123456789abcdef.partial").write_bytes(b"{")
    (folder / "9.partial").write_bytes(b"")
    (folder / ".9").write_bytes(b"")
    assert claim_next_generation(store, "run", 0, 0, owner) == 1


def test_a_claim_says_who_made_it(store: Store, catalog: Catalog, run_id: str) -> None:
    owner = Owner()
    catalog.claim(run_id, catalog.segments()[0], 1, owner)
    claim = (get(store, f"{claims_path(run_id, 0, 1)}/0") or b"").decode()
    assert owner.host in claim
    assert owner.token in claim


def test_drivers_may_claim_different_blocks_at_once(store: Store, settings: RunSettings) -> None:
    """They create the arrays of their common generation together."""
    catalog = Catalog.create(store, [f"/photos/{number}.jpg" for number in range(8)], block_size=1)
    run_id = catalog.start_run(settings)
    (shape,) = catalog.segments()
    together = threading.Barrier(8)

    def claim(block: int) -> None:
        together.wait()
        catalog.claim(run_id, shape, block, Owner())

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
