"""The engines: processes that run tasks, one at a time."""

from toolkit.engines.inside import configure_engine

configure_engine(get_config())  # noqa: F821  given by ipyparallel
