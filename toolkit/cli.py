"""The command ``segscape``: run a notebook, look at a catalog, check and publish it; check the installation."""

import itertools
import os
import platform
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

import toolkit
from toolkit.interrupts import INTERRUPTED

if TYPE_CHECKING:
    import pandas as pd

    from toolkit.catalog import Catalog


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(toolkit.__version__, prog_name="segscape")
def main() -> None:
    """Segment images on engines, and explore what they are made of."""


class _WithPairs(click.Command):
    """A command whose ``-p NAME VALUE`` is explained where somebody writes it otherwise."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        for option, name, value in itertools.zip_longest(args, args[1:], args[2:]):
            if option not in ("-p", "--parameter") or name is None:
                continue
            if "=" in name:
                apart = " ".join(name.split("=", 1))
                raise click.UsageError(f"{option} {name}: write name and value apart, {option} {apart}", ctx)
            if value is None:
                raise click.UsageError(f"{option} {name}: the value is missing, {option} NAME VALUE", ctx)
        return super().parse_args(ctx, args)


@main.command(cls=_WithPairs, short_help="Run a notebook with parameters.")
@click.argument("notebook", required=False)
@click.option("-p", "--parameter", "given", nargs=2, multiple=True, metavar="NAME VALUE", help="Set a parameter.")
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="The executed notebook [output/NOTEBOOK].")
@click.option("--html", type=click.Path(dir_okay=False), help="Also write it as a page, without its code.")
@click.option("--help-notebook", is_flag=True, help="Only list the notebook's parameters.")
def run(
    notebook: str | None, given: tuple[tuple[str, str], ...], output: str | None, html: str | None, help_notebook: bool
) -> None:
    """Run NOTEBOOK through papermill: segment, explore or evaluate, or the path of any other.

    A parameter that the notebook does not have, or a value of another type, is refused before anything runs. Paths are
    relative to the working directory.
    """
    from toolkit.notebooks import (
        NotebookError,
        ParameterError,
        find_notebook,
        notebook_names,
        parse_parameters,
        read_parameters,
        run_notebook,
    )

    if notebook is None:
        names = ", ".join(notebook_names())
        raise click.UsageError(f"which notebook? Give one of {names}, or a path; --help-notebook lists its parameters")
    try:
        found = find_notebook(notebook)
        parameters = read_parameters(found)
        values = parse_parameters(parameters, given)
    except (FileNotFoundError, ParameterError) as error:
        raise click.UsageError(str(error)) from error
    if help_notebook:
        for parameter in parameters:
            click.echo(f"{parameter.name}: {parameter.type_name} = {parameter.default}")
            click.echo(f"    {parameter.help}")
        return
    output = output or str(Path("output") / found.name)
    try:
        run_notebook(found, output, values, html)
    except NotebookError as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt as error:
        click.echo(f"{error}\nWhat was finished is kept; the same command goes on from there.".lstrip(), err=True)
        raise SystemExit(INTERRUPTED) from None
    click.echo(f"executed notebook: {output}" + (f"\npage: {html}" if html else ""))


@main.command(short_help="Open the notebooks in JupyterLab.", context_settings={"ignore_unknown_options": True})
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def lab(options: tuple[str, ...]) -> None:
    """Open JupyterLab here, on copies of the notebooks in my_notebooks/; OPTIONS are JupyterLab's own.

    Paths in any notebook are relative to the working directory, as they are for this command. Copies that you changed
    are kept.
    """
    from toolkit.paths import WORKING_COPIES, is_wheel

    if find_spec("jupyterlab") is None:
        how = "pip install 'segscape[lab]'" if is_wheel() else "make lab, or pip install -e '.[lab]' in the project"
        raise click.ClickException(f"JupyterLab is not installed: {how}")
    from toolkit.lab import copy_notebooks, lab_command

    folder = Path.cwd()
    for name in copy_notebooks(folder / WORKING_COPIES):
        click.echo(
            f"{WORKING_COPIES}/{name} is kept as you changed it; rename it to get the newer one at the next start"
        )
    command = lab_command(folder, f"{WORKING_COPIES}/segment.ipynb", options)
    os.execv(command[0], command)


@main.command(short_help="What a catalog holds.")
@click.argument("catalog", type=click.Path())
@click.option("--images", is_flag=True, help="Also the composition of every image.")
def status(catalog: str, images: bool) -> None:
    """Print the runs of CATALOG, and the images that failed in the newest."""
    from toolkit.catalog import Catalog, CatalogError

    try:
        cat = Catalog.open(catalog)
    except CatalogError as error:
        raise click.ClickException(str(error)) from error
    runs = cat.runs()
    click.echo(f"{catalog}: {len(cat):,} images, {len(runs)} run{'' if len(runs) == 1 else 's'}")
    if runs.empty:
        return
    usual = ["model", "images", "done", "failed", "pending", "last_write"]
    differing = [name for name in cat.settings_that_differ() if name not in usual]
    click.echo(runs[[*usual, *differing]].to_string(na_rep=""))
    _echo_activity(cat, runs)
    flags = cat.flags()
    if not flags.empty:
        copies = flags["duplicate_of"] >= 0
        near = (flags["near_duplicate_of"] >= 0) & ~copies
        click.echo(
            f"\nnoticed: {flags['blank'].sum()} blank, {copies.sum()} with the same pixels as another, {near.sum()} "
            "nearly the same; all are counted, Catalog.flags() lists them"
        )
    errors = cat.errors()
    if not errors.empty:
        click.echo("\nfailed:\n" + "\n".join(f"  {message}" for message in errors["message"]))
        click.echo("the same command with `-p retry_failed true`, or retry='failed' in Python, tries them again")
    if images:
        from toolkit.widgets import composition_table

        table = composition_table(cat.to_xarray())
        click.echo("\n" + table.to_string(float_format=lambda fraction: f"{fraction:.1%}" if fraction else "·"))


def _echo_activity(cat: "Catalog", runs: "pd.DataFrame") -> None:
    """Say of each run that is not through whether anybody works on it, how fast, and how long it will take."""
    from toolkit.runs.amounts import count, duration

    at_work = cat.activity()
    for run_id in dict.fromkeys([*runs.index[runs["pending"] > 0], *at_work["run_id"]]):
        drivers = at_work[at_work["run_id"] == run_id]
        if drivers.empty:
            pending = count(int(runs["pending"][run_id]), "image")
            click.echo(f"run {run_id}: {pending} pending, nobody works on it; the same command goes on")
            continue
        names = [f"{each.host}:{each.pid} since {each.since:%Y-%m-%d %H:%M} UTC" for each in drivers.itertuples()]
        first = drivers.iloc[0]
        pace = f"; {first.images_per_second:.2f}/s" if first.images_per_second > 0 else ""
        left = f", {duration(first.seconds_left)} left" if first.pending and pace else ""
        click.echo(f"run {run_id}: at work {', '.join(names)}{pace}{left}")


@main.command(short_help="Check what a catalog stores, and mend it.")
@click.argument("catalog", type=click.Path())
@click.option("--repair", is_flag=True, help="Mend what can be mended; damaged images become pending again.")
@click.option("--labels", is_flag=True, help="Also read every label map.")
def verify(catalog: str, repair: bool, labels: bool) -> None:
    """Look for what disks, power cuts and people damaged in CATALOG, and for what processes left when they died.

    Exit status 1 if anything is damaged.
    """
    from toolkit.catalog import Catalog, CatalogError

    try:
        found = Catalog.open(catalog).verify(repair=repair, labels=labels)
    except (CatalogError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(found)
    if not found.clean and not repair:
        click.echo("segscape verify --repair mends what can be mended, and removes what is left over")
    if not found.whole:
        raise SystemExit(1)


@main.command(short_help="Take images out of a catalog, or show them again.")
@click.argument("catalog", type=click.Path())
@click.argument("images", nargs=-1, required=True)
@click.option("--restore", is_flag=True, help="Show them again.")
def remove(catalog: str, images: tuple[str, ...], restore: bool) -> None:
    """Take IMAGES (files, folders, tables, URIs) out of CATALOG: they are no longer shown or counted.

    Nothing is erased; --restore shows them again, with their results.
    """
    from toolkit.catalog import Catalog, CatalogError

    try:
        cat = Catalog.open(catalog)
        change = cat.restore if restore else cat.remove
        n = sum(change(one) for one in images)
    except (CatalogError, OSError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    except KeyError as error:
        raise click.ClickException(str(error.args[0])) from error
    click.echo(
        f"{n:,} image{'' if n == 1 else 's'} {'shown again' if restore else 'taken out'}; {len(cat):,} are shown"
    )


@main.command(short_help="Write a run as one file or store of its own.")
@click.argument("catalog", type=click.Path())
@click.argument("target", type=click.Path())
@click.option("--run-id", metavar="ID", help="The run [the newest].")
@click.option("--overwrite", is_flag=True, help="Replace what was published there before.")
@click.option("--partial", is_flag=True, help="Publish though images are pending.")
def publish(catalog: str, target: str, run_id: str | None, overwrite: bool, partial: bool) -> None:
    """Write the results of a run of CATALOG to TARGET, whose ending is .zarr, .parquet, .csv or .icechunk."""
    from toolkit.catalog import Catalog, CatalogError

    try:
        cat = Catalog.open(catalog)
        cat.publish(run_id, target, overwrite=overwrite, partial=partial)
        published = cat.run_results(run_id)
    except (CatalogError, OSError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    pending, done, failed = published.counts()[:3].tolist()
    options = ", ".join(f"{name} {value}" for name, value in published.settings.options.items())
    click.echo(
        f"published: {target}, run {published.run_id} of {published.settings.model}{options and ', ' + options}: "
        f"{done:,} images done, {failed:,} failed, {pending:,} pending"
    )


@main.command(short_help="What segmenting images will take.")
@click.argument("images", type=click.Path())
@click.option("--model", "name", help="The model [the first of the data catalog].")
@click.option("--preset", default="default", show_default=True, help="A published procedure.")
@click.option("--scales", default="0.5,0.75,1,1.25", show_default=True, help="Each image is segmented at these.")
@click.option("--flip/--no-flip", default=True, show_default=True, help="Whether everything is also seen mirrored.")
@click.option("--crop-size", type=int, help="Side of the tiles, pixels [the preset's].")
@click.option("--stride", type=int, help="Pixels between neighbouring tiles [the preset's].")
@click.option("--area", help="Which pixels count, such as circle or '{bottom: 0.1}' [all].")
@click.option("--projection", help="equirectangular for 360° panoramas.")
@click.option("--max-megapixels", type=float, help="Larger images are left out.")
@click.option("--max-megabytes", type=float, help="Larger files are left out.")
@click.option("--engines", default=1, show_default=True, help="How many engines there will be.")
@click.option("--seconds", default=30.0, show_default=True, help="How long it may take to find out.")
@click.option("--sample", default=20, show_default=True, help="How many images are looked at, if there is time.")
def estimate(
    images: str,
    name: str | None,
    preset: str,
    scales: str,
    flip: bool,
    crop_size: int | None,
    stride: int | None,
    area: str | None,
    projection: str | None,
    max_megapixels: float | None,
    max_megabytes: float | None,
    engines: int,
    seconds: float,
    sample: int,
) -> None:
    """Try a few of IMAGES, and print how long all will take and how much disk. Nothing is written.

    IMAGES is a catalog, or a directory, glob or table of images that will make one. The defaults are those of
    the notebook segment.
    """
    import torch
    from zarr.storage import MemoryStore

    from toolkit.catalog import Catalog, CatalogError
    from toolkit.models import list_models, load_model
    from toolkit.paths import data_catalog, expand
    from toolkit.runs import estimate
    from toolkit.segmentation import Protocol
    from toolkit.sources import ReadLimits

    sides = {key: side for key, side in {"crop_size": crop_size, "stride": stride}.items() if side is not None}
    try:
        if name is None and not list_models():
            raise ValueError(f"{data_catalog()} holds no models; is SEGSCAPE_DATA_CATALOG right? Or give --model")
        factors = tuple(float(scale) for scale in scales.split(","))
        protocol = Protocol.preset(preset, scales=factors, flip=flip, **sides)
        click.echo("looking at the images, loading the model", err=True)
        is_catalog = "://" in images or (Path(expand(images)) / "zarr.json").exists()
        cat = Catalog.open(images) if is_catalog else Catalog.create(MemoryStore(), images)
        model = load_model(name or list_models()[0])
        model.network.to("cuda" if torch.cuda.is_available() else "cpu")
        limits = ReadLimits.of(max_megapixels=max_megapixels, max_megabytes=max_megabytes)
        found = estimate(
            cat,
            model,
            protocol,
            engines=engines,
            seconds=seconds,
            sample=sample,
            area=area,
            projection=projection,
            limits=limits,
        )
        click.echo(found)
    except (CatalogError, ImportError, OSError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        click.echo("\ninterrupted; nothing was written", err=True)
        raise SystemExit(INTERRUPTED) from None


@main.command(short_help="Check the installation.")
def doctor() -> None:
    """Print what is installed and what is found, and segment one photo."""
    import torch

    from toolkit.models import list_models, load_model
    from toolkit.paths import clusters, data_catalog
    from toolkit.segmentation import Protocol, segment_image

    click.echo(f"segscape {toolkit.__version__}, Python {platform.python_version()}, {os.cpu_count()} cores")
    click.echo(", ".join(f"{name} {version(name)}" for name in ("torch", "zarr", "xarray", "ipyparallel", "papermill")))
    click.echo(f"device: {torch.cuda.get_device_name() if torch.cuda.is_available() else 'cpu'}")
    click.echo(f"data catalog: {data_catalog()} (models: {', '.join(list_models())})")
    click.echo(f"cluster profiles: {clusters()}")
    if not list_models():
        raise click.ClickException(f"{data_catalog()} holds no models; is SEGSCAPE_DATA_CATALOG right?")
    model = load_model(list_models()[0])
    photo = sorted((data_catalog() / "samples").glob("*.jpg"))[0]
    result = segment_image(photo, model, Protocol())
    height, width = result.labels.shape
    click.echo(f"segmented {photo.name} with {model.name}: {height} × {width} pixels. All well.")
