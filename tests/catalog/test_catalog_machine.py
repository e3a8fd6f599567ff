"""A catalog under any order of events against a trivial model of it: drivers come, crash, lapse and wake up late, and
people correct what is known of images, and take images out."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from zarr.storage import MemoryStore

from toolkit.catalog import DONE, FAILED, Catalog, ImageTable, OwnedBlock, Owner, RunSettings
from toolkit.catalog.format.layout import STATUS_NAMES

CLASS_NAMES = ("sky", "tree", "road", "car")
BLOCK_SIZE = 3
SETTINGS = RunSettings("a model", "0" * 64, CLASS_NAMES, {}, 1)

Place = tuple[int, int]  # number of the table, and row in it

pytestmark = pytest.mark.usefixtures("quick_lives")


@dataclass
class Holding:
    """A block that a driver holds, and what it noted there."""

    shape: ImageTable
    owned: OwnedBlock
    noted: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Status and class by row."""


@dataclass
class Driver:
    """A driver, as the model knows it."""

    owner: Owner = field(default_factory=Owner)
    holdings: list[Holding] = field(default_factory=list)


class CatalogMachine(RuleBasedStateMachine):
    """Rules do to the catalog what drivers do; the invariant reads it as anybody would."""

    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryStore()
        self.catalog = Catalog.create(self.store, ["/photos/0.jpg"], block_size=BLOCK_SIZE)
        self.run_id = self.catalog.start_run(SETTINGS)
        self.uris = ["/photos/0.jpg"]
        self.drivers = [Driver(), Driver(), Driver()]
        self.written: dict[Place, dict[int, tuple[int, int]]] = {}
        """Status and class by generation, for every row that was flushed."""
        self.generations: dict[Place, int] = {}
        """Newest generation by table and block."""
        self.known: dict[str, str] = {}
        """Covariate by URI, as text."""
        self.removed: set[str] = set()
        self.n_corrected = 0

    @rule(n=st.integers(1, 5), repeated=st.booleans())
    def add_images(self, n: int, repeated: bool) -> None:
        if len(self.uris) > 20:
            return
        new = [f"/photos/{len(self.uris) + number}.jpg" for number in range(n)]
        assert self.catalog.add([*self.uris[:2], *new] if repeated else new) == n
        self.removed -= set(self.uris[:2]) if repeated else set()
        self.uris += new

    @rule(data=st.data(), values=st.lists(st.sampled_from([1, 2.5, "x", 2**60, None]), min_size=1, max_size=3))
    def correct(self, data: st.DataObject, values: list[object]) -> None:
        """A table of some known images; what is missing in it takes nothing away."""
        uris = data.draw(st.lists(st.sampled_from(self.uris), min_size=1, max_size=len(values), unique=True))
        values = values[: len(uris)]
        table = pd.DataFrame({"uri": uris, "x": pd.Series(values, dtype=object)})
        given = {uri: str(value) for uri, value in zip(uris, values, strict=True) if value is not None}
        if len({type(value) for value in values if value is not None}) > 1:  # a column of several kinds is one of text
            table["x"] = [given.get(uri) for uri in uris]
        assert self.catalog.add(table) == 0
        self.n_corrected += sum(self.known.get(uri) != text for uri, text in given.items())
        self.known |= given
        self.removed -= set(uris)

    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        uris = data.draw(st.lists(st.sampled_from(self.uris), min_size=1, max_size=4, unique=True))
        assert self.catalog.remove(uris) == len(set(uris) - self.removed)
        self.removed |= set(uris)

    @rule(data=st.data())
    def restore(self, data: st.DataObject) -> None:
        rows = data.draw(st.none() | st.lists(st.integers(0, len(self.uris) - 1), min_size=1, max_size=4))
        uris = self.removed if rows is None else {self.uris[row] for row in rows}
        assert self.catalog.restore(rows) == len(uris & self.removed)
        self.removed = self.removed - uris

    @rule(number=st.integers(0, 2), data=st.data())
    def claim(self, number: int, data: st.DataObject) -> None:
        """Of a block that nobody holds, or of one whose holder was taken for dead."""
        shape, block = self.some_block(data)
        key = (shape.number, block)
        expected = self.generations.get(key, -1) + 1
        claim = self.catalog.run_blocks(self.run_id).latest_claim(shape, block)
        assert (-1 if claim is None else claim.generation) == expected - 1
        owned = self.catalog.run_blocks(self.run_id).claim(shape, block, self.drivers[number].owner, expected)
        assert owned is not None
        self.generations[key] = expected
        self.drivers[number].holdings.append(Holding(shape, owned))

    @rule(data=st.data())
    def claim_too_late(self, data: st.DataObject) -> None:
        """Who wants a generation that somebody has gets nothing."""
        shape, block = self.some_block(data)
        newest = self.generations.get((shape.number, block))
        if newest is not None:
            generation = data.draw(st.integers(0, newest))
            assert self.catalog.run_blocks(self.run_id).claim(shape, block, Owner(), generation) is None

    @precondition(lambda self: any(driver.holdings for driver in self.drivers))
    @rule(data=st.data(), status=st.sampled_from([DONE, FAILED]), class_index=st.integers(0, len(CLASS_NAMES) - 1))
    def note(self, data: st.DataObject, status: int, class_index: int) -> None:
        """Also by a driver that was overtaken and does not know it yet."""
        holding = data.draw(st.sampled_from([held for driver in self.drivers for held in driver.holdings]))
        row = data.draw(st.integers(holding.owned.rows.start, holding.owned.rows.stop - 1))
        composition = np.eye(len(CLASS_NAMES), dtype=np.float32)[class_index]
        values = {"composition": composition, "confidence": 0.5} if status == DONE else {"error": 1}
        holding.owned.writer.set(row, status=status, attempts=1, height=2, width=3, **values)
        holding.noted[row] = (status, class_index)

    @rule(number=st.integers(0, 2))
    def flush(self, number: int) -> None:
        for holding in self.drivers[number].holdings:
            folder = holding.owned.labels
            holding.owned.writer.flush()
            for row, noted in holding.noted.items():
                self.written.setdefault((folder.table, row), {})[folder.generation] = noted
            newest = self.generations[folder.table, folder.block]
            assert holding.owned.is_overtaken == (folder.generation < newest)

    @rule(number=st.integers(0, 2))
    def crash(self, number: int) -> None:
        """What was not flushed is gone; another driver takes the place."""
        self.drivers[number] = Driver()

    @rule()
    def reopen(self) -> None:
        self.catalog = Catalog.open(self.store)
        assert self.catalog.start_run(SETTINGS) == self.run_id

    @rule(repair=st.booleans())
    def verify(self, repair: bool) -> None:
        """Drivers here have no heartbeats, so they count as silent, and may write again; nothing of theirs is hurt."""
        found = self.catalog.verify(repair=repair)
        assert not {problem.kind for problem in found} - {"labels_orphaned", "note"}, found  # failures are not logged

    @invariant()
    def the_table_is_that_of_the_model(self) -> None:
        table = self.catalog.to_xarray(self.run_id)
        shown = [row for row, uri in enumerate(self.uris) if uri not in self.removed]
        assert table.image.values.tolist() == shown
        assert table.uri.values.tolist() == [self.uris[row] for row in shown]
        assert len(self.catalog) == len(shown)
        if self.known:
            texts = self.catalog.as_written("x").tolist()
            assert texts == [self.known.get(self.uris[row], "") for row in shown]
        assert len(self.catalog.history()) == self.n_corrected
        places = [(shape.number, row) for shape in self.catalog.image_tables() for row in range(shape.n_images)]
        places = [places[row] for row in shown]
        expected = [self.result(place) for place in places]
        assert table.status.values.tolist() == [STATUS_NAMES[status] for status, _ in expected]
        for index, (status, class_index) in enumerate(expected):
            composition = table.composition.values[index]
            if status == DONE:
                assert composition.argmax() == class_index
                assert composition.sum() == 1
            else:
                assert np.isnan(composition).all()

    def result(self, place: Place) -> tuple[int, int]:
        """The newest that is done, else the newest that failed, else nothing."""
        by_generation = self.written.get(place, {})
        for wanted in (DONE, FAILED):
            of_status = [generation for generation, (status, _) in by_generation.items() if status == wanted]
            if of_status:
                return by_generation[max(of_status)]
        return 0, -1

    def some_block(self, data: st.DataObject) -> tuple[ImageTable, int]:
        shape = data.draw(st.sampled_from(self.catalog.image_tables()))
        return shape, data.draw(st.integers(0, shape.n_blocks - 1))


TestCatalogMachine = CatalogMachine.TestCase
TestCatalogMachine.settings = settings(max_examples=25, stateful_step_count=25, deadline=None, derandomize=True)
