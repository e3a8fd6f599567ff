"""The engines: processes that run tasks, one at a time, each on a GPU of its own."""

from toolkit.engines.site import check_pinned, configure_engine

configure_engine(get_config())  # noqa: F821  given by ipyparallel
check_pinned()
