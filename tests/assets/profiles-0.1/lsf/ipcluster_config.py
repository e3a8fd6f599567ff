"""Engines by LSF: `toolkit.Cluster.start("lsf", n=8)`, or `ipcluster start --profile-dir=clusters/lsf -n 8`.

The controller runs where that is called, say on a login node; the engines are jobs. This folder must lie on a file
system that the nodes see, under the same path: engines find the controller, and the keys for it, in ``security/``. What
they print is in ``log/``. See docs/clusters/schedulers.md.
"""

# ---- what a site must change ----------------------------------------------------------------------------------------
QUEUE = ""  # as `bqueues` lists them; "": the default one
PROJECT = ""  # whom the hours are charged to; "": the default one
WALLTIME = "04:00:00"  # an engine that runs into it loses at most its batch; jobs of shorter time begin sooner
CPUS_PER_ENGINE = 4
MEMORY_PER_ENGINE = "8G"  # "": the site's default
GPUS_PER_ENGINE = 0  # 1 where there are GPUs; an engine uses one
OPTIONS = []  # further options of bsub, such as ["-m gpunodes"]
ACTIVATE = ""  # lines of shell before an engine starts, such as "module load cuda\nsource ~/.venv/bin/activate"
ENGINES = None  # how many, where neither `-n` nor `Cluster.start(n=…)` says; None: one
# ---------------------------------------------------------------------------------------------------------------------

from toolkit.engines.batch import EngineJob, lsf_script, script_path  # noqa: E402

c = get_config()  # noqa: F821  given by ipyparallel

c.Cluster.n = ENGINES or 1
c.Cluster.engine_launcher_class = "lsf"
c.Cluster.delay = 0
c.BatchSystemLauncher.batch_file_name = script_path(__file__)
job = EngineJob(
    queue=QUEUE,
    account=PROJECT,
    walltime=WALLTIME,
    cpus=CPUS_PER_ENGINE,
    memory=MEMORY_PER_ENGINE,
    gpus=GPUS_PER_ENGINE,
    options=OPTIONS,
    activate=ACTIVATE,
)
c.LSFEngineSetLauncher.batch_template = lsf_script(job)
