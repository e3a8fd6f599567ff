"""Engines on this machine: `toolkit.Cluster.start("local")`, or `ipcluster start --profile-dir=clusters/local -n 2`."""

# ---- what a site may change ----------------------------------------------------------------------------------------
ENGINES = None  # how many, where neither `-n` nor `Cluster.start(n=…)` says; None: one per core
ENVIRONMENT = {}  # variables of every engine, e.g. {"OMP_NUM_THREADS": "4"}; they win over those of the toolkit
# --------------------------------------------------------------------------------------------------------------------

c = get_config()  # noqa: F821  given by ipyparallel

if ENGINES is not None:
    c.Cluster.n = ENGINES
c.EngineLauncher.environment = ENVIRONMENT
# Adds the numbers of threads that let the engines share the cores, and settings of the memory allocator.
c.Cluster.engine_launcher_class = "toolkit.engines.site.LocalEngines"
# Engines learn from the launcher where the controller listens, so they need not wait a second for it.
c.Cluster.delay = 0
