"""The grammar of model names: ``provider:name?key=value&key=value``."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import quote, unquote

from toolkit.models.errors import ModelOptionError, alternatives

_FLAGS = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True)
class ModelName:
    """A model's name, taken apart.

    Values may hold ``%26`` for ``&``, ``%3F`` for ``?``, ``%25`` for ``%`` and so on, as in a URL.

    Examples
    --------
    >>> ModelName.parse("smp:PSPNet/resnet50?classes=150").count("classes")
    150
    """

    provider: str
    """What stands before the colon; empty: networks of the toolkit itself."""
    name: str
    """What the provider calls the network."""
    options: Mapping[str, str] = field(default_factory=dict)
    """What follows the question mark, by key."""

    @classmethod
    def parse(cls, text: str) -> "ModelName":
        """Take a name apart.

        Raises
        ------
        ModelOptionError
            A part after the question mark is not ``key=value``, or a key stands there twice.
        """
        stem, _, query = text.partition("?")
        provider, colon, name = stem.partition(":")
        options: dict[str, str] = {}
        for part in filter(None, query.split("&")):
            key, equals, value = part.partition("=")
            if not key or not equals:
                raise ModelOptionError(f"model {text!r}: {part!r} is not of the form key=value")
            if key in options:
                raise ModelOptionError(f"model {text!r}: {key} is given twice")
            options[key] = unquote(value)
        return cls(provider if colon else "", name if colon else stem, options)

    def __str__(self) -> str:
        query = "&".join(f"{key}={quote(value, safe='/:,~ ')}" for key, value in self.options.items())
        return self.stem + ("?" + query if query else "")

    @property
    def stem(self) -> str:
        """The name without its options."""
        return f"{self.provider}:{self.name}" if self.provider else self.name

    def with_option(self, key: str, value: str) -> "ModelName":
        """The same name with another value of an option."""
        return replace(self, options={**self.options, key: value})

    def check_options(self, allowed: Collection[str]) -> None:
        """Refuse options that are not among those allowed."""
        for key in self.options:
            if key not in allowed:
                raise ModelOptionError(
                    f"model {str(self)!r}: unknown option {key!r}; {self.stem} takes {alternatives(key, allowed)}"
                )

    def count(self, key: str, default: int = 0, *, least: int = 1) -> int:
        """A whole number of at least ``least``, or the default where the option is not given."""
        value = self.options.get(key)
        if value is None:
            return default
        if not (value.isascii() and value.isdecimal() and len(value) < 10 and int(value) >= least):
            raise self.refusal(key, f"a whole number of at least {least}")
        return int(value)

    def flag(self, key: str, default: bool = False) -> bool:
        """True or false."""
        value = self.options.get(key)
        if value is None:
            return default
        if value.lower() not in _FLAGS:
            raise self.refusal(key, "true or false")
        return _FLAGS[value.lower()]

    def number(self, key: str, default: float = 0.0) -> float:
        """A finite number."""
        values = self.numbers(key, 1)
        return values[0] if values else default

    def numbers(self, key: str, n: int) -> tuple[float, ...]:
        """``n`` finite numbers between commas; none where the option is not given."""
        if key not in self.options:
            return ()
        words = self.options[key].split(",")
        try:
            values = tuple(map(float, words))
        except ValueError:
            values = ()
        if len(values) != n or not all(map(math.isfinite, values)):
            raise self.refusal(key, "a number" if n == 1 else f"{n} numbers with commas between them")
        return values

    def refusal(self, key: str, allowed: str) -> ModelOptionError:
        """The error for an option whose value is not what it must be."""
        return ModelOptionError(f"model {self.stem!r}: {key} must be {allowed}, not {self.options[key]!r}")
