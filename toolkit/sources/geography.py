"""Tables of places: GeoJSON by itself, layers by geopandas; points become ``lat`` and ``lon`` in degrees (WGS 84)."""

from __future__ import annotations

import json
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_WGS84 = ("CRS84", "4326")
_NEEDED = "this needs geopandas: pip install 'segscape[tables]'; or save it as GeoJSON or CSV"


def read_json(text: str, key: str, *, lines: bool) -> tuple[list[dict[str, Any]], dict[str, list[str]]]:
    """Rows of a JSON file: a list of objects, a list of URIs, GeoJSON, or an object in each line.

    Returns
    -------
    rows : list of dict
        Each with what is known of one image.
    left_out : dict
        What is no part of them, by reason.

    Raises
    ------
    ValueError
        It is none of these; the message says where.
    """
    left_out: dict[str, list[str]] = {}
    if lines:
        values = [(f"line {n}", _parse(line, n)) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
    else:
        whole = _parse(text, None)
        if isinstance(whole, dict) and whole.get("type") == "FeatureCollection":
            _require_wgs84(whole)
            whole = whole.get("features")
        if not isinstance(whole, list):
            raise ValueError(
                f"it is neither GeoJSON nor a list; write [{{{key!r}: …}}, …] or a list of URIs, one for each image"
            )
        values = [(f"element {n} (counted from 0)", value) for n, value in enumerate(whole)]
    return [_row(value, where, key, left_out) for where, value in values], left_out


def _parse(text: str, line: int | None) -> Any:
    try:
        return json.loads(text, parse_constant=lambda word: None, object_pairs_hook=_without_repeats)
    except json.JSONDecodeError as error:
        raise ValueError(f"line {line or error.lineno}, column {error.colno}: {error.msg}; this is no JSON") from error


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"an object has {next(n for n in names if names.count(n) > 1)!r} twice; rename one")
    return found


def _row(value: Any, where: str, key: str, left_out: dict[str, list[str]]) -> dict[str, Any]:
    if isinstance(value, str):
        return {key: value}
    if not isinstance(value, dict):
        raise ValueError(f"{where} is {str(value)[:60]!r}; give an object with {key!r}, or a URI")  # noqa: TRY004
    if value.get("type") != "Feature":
        return value
    row = dict(value.get("properties") or {})
    geometry = value.get("geometry") or {}
    if geometry.get("type") == "Point":
        lon, lat = geometry["coordinates"][:2]
        return row | {name: number for name, number in (("lat", lat), ("lon", lon)) if name not in row}
    if geometry:
        left_out.setdefault(f"geometries that are no points ({geometry.get('type')})", []).append(where)
    return row


def _require_wgs84(collection: dict[str, Any]) -> None:
    name = str(((collection.get("crs") or {}).get("properties") or {}).get("name", _WGS84[0]))
    if not name.endswith(_WGS84):
        raise ValueError(f"its coordinates are in {name}; save it in degrees (EPSG:4326), as GeoJSON is (RFC 7946)")


def read_layer(path: str | None, content: bytes, name: str, key: str) -> tuple[Any, dict[str, list[str]]]:
    """The one layer, with a column of URIs, of a geographic file.

    Returns
    -------
    table : pyarrow.Table
        With ``lat`` and ``lon`` instead of points.
    left_out : dict
        What is no part of it, by reason.

    Raises
    ------
    ValueError
        geopandas is not installed, or it cannot be read.
    """
    try:
        import geopandas  # noqa: F401  # it comes with shapely
        import pyogrio
    except ImportError as error:
        raise ValueError(_NEEDED) from error
    if path is not None:
        return _read_layer(pyogrio, path, key)
    suffix = ".zip" if name.endswith(".zip.shp") else name[name.rindex(".") :]
    if suffix == ".shp":
        raise ValueError("a shapefile has files beside it; give it as .zip of all of them, or as GeoPackage")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"layer{suffix}"
        file.write_bytes(content)
        return _read_layer(pyogrio, str(file), key)


def _read_layer(pyogrio: Any, path: str, key: str) -> tuple[Any, dict[str, list[str]]]:
    try:
        layers = [str(layer) for layer, _ in pyogrio.list_layers(path)]
        chosen = [one for one in layers if key in pyogrio.read_info(path, layer=one)["fields"]] or layers[:1]
        if len(chosen) > 1:
            raise ValueError(f"layers {', '.join(map(repr, chosen))} all have a column {key!r}; save one as a file")
        meta, table = pyogrio.read_arrow(path, layer=chosen[0])
    except pyogrio.errors.DataSourceError as error:
        raise ValueError(str(error)) from error
    geometry = meta.get("geometry_name") or "wkb_geometry"
    if geometry not in table.column_names:
        return table, {}
    return _points_as_columns(table, geometry, meta.get("crs"))


def with_points(table: Any) -> tuple[Any, dict[str, list[str]]]:
    """A table of Parquet or Arrow with ``lat`` and ``lon`` where it says that a column holds places (GeoParquet)."""
    described = (table.schema.metadata or {}).get(b"geo")
    if described is None:
        return table, {}
    places = json.loads(described)
    name = places["primary_column"]
    column = places["columns"][name]
    if find_spec("geopandas") is None:
        return table.drop_columns([name]), {"columns of places, which need geopandas": [name]}
    if column.get("encoding") != "WKB":
        return table.drop_columns([name]), {"columns of places that are not stored as WKB": [name]}
    crs = json.dumps(column["crs"]) if column.get("crs") else "OGC:CRS84"
    return _points_as_columns(table, name, crs)


def _points_as_columns(table: Any, name: str, crs: str | None) -> tuple[Any, dict[str, list[str]]]:
    import geopandas
    import pyarrow as pa
    import shapely

    shapes = geopandas.GeoSeries(shapely.from_wkb(table[name].to_pylist()), crs=crs)
    table = table.drop_columns([name])
    if not len(shapes) or not (shapes.dropna().geom_type == "Point").all():
        kinds = ", ".join(sorted(set(shapes.dropna().geom_type)))
        return table, {f"columns of geometries that are no points ({kinds})": [name]}
    if crs is None:
        return table, {"columns of points without a coordinate reference system": [name]}
    points = shapes.to_crs(4326)
    for column, values in (("lat", points.y), ("lon", points.x)):
        if column not in table.column_names:
            table = table.append_column(column, pa.array(values, from_pandas=True))
    return table, {}
