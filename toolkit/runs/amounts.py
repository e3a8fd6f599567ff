"""Times and sizes as people say them."""

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_UNITS = ((_DAY, 2 * _DAY, "day"), (_HOUR, 2 * _HOUR, "hour"), (_MINUTE, 2 * _MINUTE, "min"), (1, 0, "s"))


def duration(seconds: float) -> str:
    """A time that passes: ``"45 s"``, ``"4 min 05 s"``, ``"2 h 01 min"``, ``"3 days 4 h"``."""
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02d} s"
    if whole < 2 * _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02d} min"
    return f"{whole // _DAY} days {whole % _DAY // _HOUR} h"


def span(low: float, high: float) -> str:
    """A time that is not known exactly, in seconds: ``"4 to 9 min"``, ``"about 2 days"``.

    Examples
    --------
    >>> span(230, 540)
    '4 to 9 min'
    """
    unit, _, name = next(each for each in _UNITS if high >= each[1])
    first, last = (about(n if n < 3 else round(n)) for n in (low / unit, high / unit))
    if name in ("day", "hour"):
        name += "s" * (last != "1")
    return f"about {last} {name}" if first == last else f"{first} to {last} {name}"


def about(number: float) -> str:
    """A number in two digits: ``"0.25"``, ``"3.4"``, ``"12"``, ``"1,200"``."""
    if number >= 10:
        digits = max(len(str(round(number))) - 2, 0)
        return f"{round(number / 10**digits) * 10**digits:,}"
    return f"{number:.2g}"


def size(n_bytes: float) -> str:
    """Bytes: ``"850 bytes"``, ``"12 MB"``, ``"1.3 GB"``."""
    if n_bytes < 1000:
        return f"{round(n_bytes)} bytes"
    power = 1 if n_bytes < 999_500 else 2 if n_bytes < 999.5e6 else 3 if n_bytes < 999.5e9 else 4
    n, unit = n_bytes / 1000**power, ("kB", "MB", "GB", "TB")[power - 1]
    return f"{n:.1f} {unit}" if n < 9.95 else f"{n:,.0f} {unit}"


def count(n: int, noun: str) -> str:
    """``"1 image"``, ``"1,200 images"``."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
