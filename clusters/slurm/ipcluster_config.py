"""Engines by Slurm: `toolkit.Cluster.start("slurm", n=8)`, or `ipcluster start --profile-dir=clusters/slurm -n 8`.

The controller runs where that is called, say on a login node; the engines are jobs. This folder must lie on a file
system that the nodes see, under the same path: engines find the controller, and the keys for it, in ``security/``. What
they print is in ``log/``. See docs/clusters/schedulers.md.
"""

# ---- what a site must change ----------------------------------------------------------------------------------------
PARTITION = ""  # as `sinfo` lists them; "": the default one
ACCOUNT = ""  # whom the hours are charged to; "": the default one
WALLTIME = "04:00:00"  # an engine that runs into it loses at most its batch; jobs of shorter time begin sooner
CPUS_PER_ENGINE = 4
MEMORY_PER_ENGINE = "8G"  # "": the site's default
GPUS_PER_ENGINE = 0  # 1 where there are GPUs; an engine uses one
OPTIONS = []  # further options of sbatch, such as ["--constraint=a100", "--qos=long"]
ACTIVATE = ""  # lines of shell before an engine starts, such as "module load cuda\nsource ~/.venv/bin/activate"
ARRAY = True  # a job per engine, each of which begins as soon as there is room; False: one job for all of them
ENGINES = None  # how many, where neither `-n` nor `Cluster.start(n=…)` says; None: one
# ---------------------------------------------------------------------------------------------------------------------

from toolkit.engines.site import EngineJob, configure_jobs, slurm_script  # noqa: E402

c = get_config()  # noqa: F821  given by ipyparallel
job = EngineJob(
    queue=PARTITION,
    account=ACCOUNT,
    walltime=WALLTIME,
    cpus=CPUS_PER_ENGINE,
    memory=MEMORY_PER_ENGINE,
    gpus=GPUS_PER_ENGINE,
    options=OPTIONS,
    activate=ACTIVATE,
)
configure_jobs(c, __file__, "Slurm", slurm_script(job, array=ARRAY), ENGINES)
