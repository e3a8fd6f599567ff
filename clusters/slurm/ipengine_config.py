"""The engines: processes that run tasks, one at a time."""

from toolkit.engines.site import configure_engine

configure_engine(get_config())  # noqa: F821  given by ipyparallel
