"""Copies of the profiles that came with the toolkit, adapted as a site would, for tests that cannot wait for long."""

from pathlib import Path

from toolkit.paths import clusters


def adapted(name: str, folder: Path, changes: dict[str, str], engine: str = "") -> Path:
    """A profile directory.

    Parameters
    ----------
    name : str
        The profile.
    folder : Path
        Where the copy lies.
    changes : dict
        New values of settings, as Python, by name.
    engine : str
        Lines to add to what every engine does when it starts.
    """
    target = folder / name
    target.mkdir(parents=True)
    left = dict(changes)
    for settings in (clusters() / name).glob("*.py"):
        lines = settings.read_text().splitlines()
        for number, line in enumerate(lines):
            setting = line.partition(" = ")[0]
            if setting in changes:
                lines[number] = f"{setting} = {changes[setting]}"
                left.pop(setting, None)
        if settings.name == "ipengine_config.py":
            lines.append(engine)
        (target / settings.name).write_text("\n".join(lines) + "\n")
    assert not left, f"no such settings: {left}"
    return target
