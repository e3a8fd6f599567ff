"""Options as people write them: words, and mappings in YAML."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from toolkit import arguments


def mapping_of(name: str, text: str) -> Mapping[str, Any]:
    """A mapping that is written as YAML, such as ``{bottom: 0.1}``.

    Raises
    ------
    TypeError, ValueError
        The text is none.
    """
    import yaml

    try:
        _refuse_doubled(name, text, yaml.compose(text, yaml.SafeLoader))
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"{name}: {text!r} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise arguments.ArgumentTypeError(f"{name} must be a mapping such as {{key: value}}, not {text!r}")
    return found


def _refuse_doubled(name: str, text: str, node: Any) -> None:
    """YAML's reader takes the last of keys that are equal, and a decimal comma for the beginning of another key."""
    pairs = node.value if getattr(node, "id", "") == "mapping" else []
    keys = [str(key.value) for key, _ in pairs]
    for place, key in enumerate(keys):
        if key in keys[:place]:
            raise ValueError(f"{name}: {text!r} says {key!r} twice; say it once")
        if key.isdigit() and place and not pairs[place][1].value:
            raise ValueError(f"{name}: {text!r} has a number with a comma; decimals have a point, as in 0.1")
    for _, value in pairs:
        _refuse_doubled(name, text, value)


def refuse_unknown(name: str, given: object, known: Sequence[str], others: str = "") -> NoReturn:
    """Say what is allowed, and what of it may have been meant.

    Raises
    ------
    ValueError
        Always.
    """
    near = difflib.get_close_matches(given, known, n=1) if isinstance(given, str) else []
    hint = f"did you mean {near[0]!r}? " if near else ""
    allowed = ", ".join(map(repr, known)) + (f", {others}" if others else "")
    raise ValueError(f"{name} has no {given!r}; {hint}Allowed: {allowed}")
