"""What a scheduler says of the jobs in which engines run, or are to run."""

import getpass
import re
import subprocess
from collections import Counter

# A line for each engine: the number of its job, and for Slurm how many engines are in that job. Jobs that have ended
# are not listed. HTCondor and LSF list those of whoever asks.
COMMANDS = {
    "slurm": "squeue --noheader --array --user={user} --Format=ArrayJobID,NumTasks",
    "pbs": "qstat -t -u {user}",
    "sge": "qstat -g d -u {user}",
    "lsf": "bjobs -noheader -o jobid",
    "htcondor": "condor_q -af ClusterId",
}
_SECONDS = 20.0


def count_engines(launcher: type) -> Counter[str]:
    """How many engines run or wait in each job of this user, by the number of the job.

    Parameters
    ----------
    launcher : type
        ipyparallel's class for a scheduler, such as ``SlurmEngineSetLauncher``.

    Raises
    ------
    OSError, KeyError, subprocess.SubprocessError
        The scheduler does not say, or this user has no name.
    """
    names = [kind.__name__.removesuffix("Launcher").removesuffix("EngineSet").lower() for kind in launcher.__mro__]
    known = [COMMANDS[name] for name in names if name in COMMANDS]
    if not known:
        raise OSError(f"no command is known that lists the jobs of {launcher.__name__}")
    command = known[0].format(user=getpass.getuser()).split()
    return parse(subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=True).stdout)


def parse(answer: str) -> Counter[str]:
    """The same, of what was printed."""
    engines: Counter[str] = Counter()
    for line in answer.splitlines():
        # PBS lists an array beside its parts ([]), and for a while what has ended (X, C, F, E).
        found = re.match(r"\s*(?P<job>\d++)(?!\[\])(?:\s+(?P<n>\d+)\s*$)?(?!.*\s[XCFE]\s+\S+\s*$)", line)
        if found:
            engines[found["job"]] += int(found["n"] or 1)
    return engines
