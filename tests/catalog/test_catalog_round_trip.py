"""What is published comes back as it went out, read with nothing but pandas and xarray."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from claiming import claim_next
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from zarr.storage import MemoryStore

from toolkit.catalog import DONE, FAILED, Catalog, RunSettings

ODD = [
    *("a\rb", "a\nb", "a\r\nb", "\r", "\n", "a\r", "\n\rz", 'say "no"', '"', '""', "a,b", ";", "a\tb", "\t", "'"),
    *("\\", "=1+1", "+49 30", "-", "@x", "#", "#N/A", "NA", "nan", "None", "null", "NaN", "inf", "True", "007", "1e5"),
    *("61e4567", "2024-01-01", " ", " a ", "\ufeff", "ß 日本", "e\u0301", "\u2028", "\x1a", "\x0b", "\x85", "𝄞"),
    *("a" * 2000, "%00", "\x00", "a\x00", "a\x00b"),
]
CLASS_NAMES = ("sky", 'a "tree", or\rtwo', "lat")

texts = st.one_of(st.sampled_from(ODD), st.text(st.characters(exclude_categories=["Cs"]), max_size=6))
times = st.datetimes(pd.Timestamp("1700-01-01").to_pydatetime(), pd.Timestamp("2200-01-01").to_pydatetime())
rows = st.fixed_dictionaries(
    {
        "text": st.none() | texts,
        "time": st.none() | times,
        "number": st.none() | st.floats(),
        "whole": st.integers(-(2**63), 2**63 - 1),
        "whole_or_none": st.none() | st.integers(-(2**63), 2**63 - 1),
        "boolean": st.booleans(),
        "boolean_or_none": st.none() | st.booleans(),
    }
)
TYPES = {
    **{"text": "str", "time": "datetime64[us]", "number": "float64", "whole": "int64", "whole_or_none": "Int64"},
    **{"boolean": "bool", "boolean_or_none": "boolean"},
}


def catalog_of(known: list[dict[str, object]]) -> Catalog:
    """A catalog in which every second image is done, and every fourth failed."""
    uris = [f"https://host/photos/{number}.jpg" for number in range(len(known))]
    columns = {name: pd.Series([row[name] for row in known], dtype=dtype) for name, dtype in TYPES.items()}
    catalog = Catalog.create(MemoryStore(), uris, covariates=pd.DataFrame({"uri": uris, **columns}))
    catalog.start_run(RunSettings("m", "0" * 64, CLASS_NAMES, {"scales": [1]}, 1, ((1, 2, 3),) * 3))
    (table,) = catalog.image_tables()
    owned = claim_next(catalog, catalog.runs().index[0], table, 0)
    random = np.random.default_rng(0)
    for row in range(min(len(known), table.block_size)):
        if row % 4 == 0:
            owned.writer.set(row, status=FAILED, error=1, attempts=1)
        elif row % 2 == 0:
            owned.writer.set(row, status=DONE, composition=random.dirichlet(np.ones(3)), confidence=random.random())
    owned.writer.flush()
    return catalog


def columns_of_dataset(dataset: xr.Dataset) -> pd.DataFrame:
    """What a table has, of a dataset."""
    noticed = ["valid_fraction", "blank", "duplicate_of", "near_duplicate_of"]
    names = ["uri", *sorted(TYPES), "status", "error", "confidence", *noticed]
    columns = {name: dataset[name].values for name in names}
    classes = {name: dataset.composition.values[:, index] for index, name in enumerate(CLASS_NAMES)}
    return pd.DataFrame({**columns, **classes})


def read_zarr(path: Path) -> pd.DataFrame:
    with xr.open_dataset(path, engine="zarr") as published:
        return columns_of_dataset(published.load())


def read_icechunk(path: Path) -> pd.DataFrame:
    import icechunk

    repository = icechunk.Repository.open(icechunk.local_filesystem_storage(str(path)))
    with xr.open_zarr(repository.readonly_session("main").store, consolidated=False) as published:
        return columns_of_dataset(published.load())


def read_csv(path: Path) -> pd.DataFrame:
    about = json.loads(path.with_name(path.name + ".json").read_text(encoding="utf-8"))
    return pd.read_csv(path, **about["read_csv"])


READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    "zarr": read_zarr,
    "icechunk": read_icechunk,
    "parquet": pd.read_parquet,
    "csv": read_csv,
}


@pytest.mark.parametrize("format", READERS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(known=st.lists(rows, min_size=1, max_size=6))
@example(known=[dict.fromkeys(TYPES) | {"text": text, "whole": 2**63 - 1, "boolean": True} for text in ODD])
@example(known=[dict.fromkeys(TYPES) | {"text": text, "whole": 1, "boolean": False} for text in ("", "", None)])
def test_a_publication_comes_back(
    format: str, known: list[dict[str, object]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    catalog = catalog_of(known)
    path = tmp_path_factory.mktemp("published") / f"run.{format}"
    catalog.publish(None, path, partial=True)
    expected, found = columns_of_dataset(catalog.to_xarray()), READERS[format](path)
    expected["duplicate_of"] = expected["near_duplicate_of"] = ""  # in a publication the URI, and nobody looked
    assert found.columns.tolist() == expected.columns.tolist()
    for name in expected:
        if expected[name].dtype.kind == "M":
            found[name] = found[name].astype(expected[name].dtype)
        np.testing.assert_array_equal(found[name].to_numpy(), expected[name].to_numpy(), err_msg=name)
        assert found[name].dtype.kind == expected[name].dtype.kind, name
