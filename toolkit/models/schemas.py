"""Documents that people write, checked by the JSON schemas of the data catalog."""

import functools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from toolkit.models.errors import ModelError, shortened

# A document may lie in a folder of the user's; the schema that it is checked by is always the one of this version.
from toolkit.paths import shared_folder

if TYPE_CHECKING:
    from jsonschema import ValidationError


def check(document: object, schema: Literal["bundle", "dataset", "model"], path: Path, error: type[ModelError]) -> None:
    """Refuse a document that is not what its schema says.

    On a bare GPU machine, which lacks jsonschema, documents are taken as they are.

    Parameters
    ----------
    document : object
        What was read from a file.
    schema : str
        Name of the schema.
    path : pathlib.Path
        The file, for the message, which also names the place in it, the value, and what is allowed there.
    error : type
        What to raise.
    """
    if _is_valid(document, schema):
        return
    try:
        from jsonschema import Draft202012Validator  # says well what is wrong, and takes a second to import
        from jsonschema.exceptions import best_match
    except ImportError:
        return
    first = best_match(Draft202012Validator(_read(schema)).iter_errors(document))
    if first is not None:
        raise error(f"{path}: {_place(first.absolute_path)}: {_explanation(first)}")


def _is_valid(document: object, schema: str) -> bool:
    """Whether it is certainly what its schema says."""
    try:
        import fastjsonschema
    except ImportError:
        return False
    try:
        _compiled(schema)(document)
    except fastjsonschema.JsonSchemaValueException:
        return False
    return True


@functools.cache
def _compiled(schema: str) -> Any:
    import fastjsonschema

    # It knows earlier drafts only, which say the same in all that is used here.
    definition = {key: value for key, value in _read(schema).items() if key != "$schema"}
    return fastjsonschema.compile(definition, use_default=False)


@functools.cache
def _read(schema: str) -> Any:
    return json.loads((shared_folder("data_catalog") / f"{schema}.schema.json").read_text(encoding="utf-8"))


def _place(steps: Iterable[str | int]) -> str:
    """Write a path inside a document: ``classes[3].color``."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return text.lstrip(".") or "document"


def _explanation(error: "ValidationError") -> str:
    schema = error.schema if isinstance(error.schema, dict) else {}
    message = error.message.replace(repr(error.instance), shortened(error.instance), 1)
    if "properties" in schema:
        allowed, required = (", ".join(map(repr, schema[key])) for key in ("properties", "required"))
        return f"{message} (allowed: {allowed}; required: {required})"
    return f"{message} ({schema['description']})" if "description" in schema else message
