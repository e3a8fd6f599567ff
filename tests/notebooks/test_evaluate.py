"""The notebook that evaluates, cell by cell in this process: what it shows, and what it asks for."""

import ast
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from PIL import Image

import toolkit as tk
from toolkit.catalog import CatalogError
from toolkit.evaluation import EvaluationError
from toolkit.notebooks import parse_parameters, read_parameters

EVALUATE = Path(__file__).resolve().parents[2] / "notebooks" / "evaluate.ipynb"


def run_cells(**typed: object) -> list[Any]:
    """The values of the cells, as shown; parameters as a person would type them."""
    values = parse_parameters(read_parameters(EVALUATE), [(name, str(value)) for name, value in typed.items()])
    names: dict[str, Any] = {}
    shown = []
    for cell in nbformat.read(EVALUATE, as_version=4).cells:
        if cell.cell_type != "code":
            continue
        program = ast.parse(re.sub(r"^%.*$", "", cell.source, flags=re.MULTILINE))
        last = program.body.pop() if isinstance(program.body[-1], ast.Expr) else None
        exec(compile(program, EVALUATE.name, "exec"), names)
        if "parameters" in cell.metadata.get("tags", ()):
            names.update(values)
        elif last is not None:
            shown.append(eval(compile(ast.Expression(last.value), EVALUATE.name, "eval"), names))
    return shown


@pytest.fixture
def segmented(small_photos: list[Path], model: tk.Model, small_protocol: tk.Protocol, tmp_path: Path) -> tk.Catalog:
    """Photos, segmented twice, and masks that are the label maps of the first run."""
    catalog = tk.Catalog.create(tmp_path / "demo.zarr", small_photos)
    tk.segment(catalog, model, small_protocol).wait()
    (tmp_path / "masks").mkdir()
    for row, photo in enumerate(small_photos):
        Image.fromarray(catalog.labels(None, row).astype(np.uint8)).save(tmp_path / "masks" / f"{photo.stem}.png")
    return catalog


def test_one_run_with_the_other_defaults(segmented: tk.Catalog, tmp_path: Path) -> None:
    of_run, of_classes, difference = run_cells(catalog=tmp_path / "demo.zarr", targets=tmp_path / "masks")
    assert of_run.index.tolist() == segmented.runs().index.tolist()
    assert of_run[["aAcc", "mIoU", "evaluated"]].values.tolist() == [[1.0, 1.0, len(segmented.images().image)]]
    assert "(mean)" in of_classes.to_html()
    assert difference is None


def test_two_runs(segmented: tk.Catalog, model: tk.Model, small_protocol: tk.Protocol, tmp_path: Path) -> None:
    tk.segment(segmented, model, replace(small_protocol, flip=not small_protocol.flip)).wait()
    runs = segmented.runs().index.tolist()
    of_run, _, difference = run_cells(
        catalog=tmp_path / "demo.zarr", targets=tmp_path / "masks", runs=repr(runs), border_width=2
    )
    assert of_run.index.tolist() == difference.index.tolist() == runs
    assert {"border_error", "scored_fraction"} <= set(of_run.columns)


def test_without_targets_it_says_what_to_give(segmented: tk.Catalog, tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"targets: is empty; give a directory or glob pattern of masks"):
        run_cells(catalog=tmp_path / "demo.zarr")


def test_without_runs_too(small_photos: list[Path], tmp_path: Path) -> None:
    tk.Catalog.create(tmp_path / "demo.zarr", small_photos)
    with pytest.raises(CatalogError, match="has no runs yet"):
        run_cells(catalog=tmp_path / "demo.zarr", targets=tmp_path)
