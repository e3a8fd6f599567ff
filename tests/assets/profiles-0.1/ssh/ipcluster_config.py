"""Engines on other machines, by SSH: `toolkit.Cluster.start("ssh")`, or `ipcluster start --profile-dir=clusters/ssh`.

The file `hosts` beside this one names the machines. Each must be known to `ssh` (its host key, and a key or an agent
that lets you in without a password), and have the project installed. See docs/clusters/ssh.md.
"""

# ---- what a site must change ----------------------------------------------------------------------------------------
HOSTS = "hosts"  # the file that names the machines; a relative path is beside this file
PYTHON = ".venv/bin/python"  # where the project is installed, on the machines; relative to the home directory there
FOLDER = ".segscape/ssh"  # where engines keep settings and logs, on the machines; relative to the home directory there
SSH_OPTIONS = []  # further options of ssh and scp, such as ["-i", "/home/me/.ssh/cluster_key"]
ENVIRONMENT = {}  # variables of every engine, e.g. {"SEGSCAPE_SSH_CONFIG": "…"}
# ---------------------------------------------------------------------------------------------------------------------

from pathlib import Path  # noqa: E402

from toolkit.engines.ssh import read_hosts  # noqa: E402

c = get_config()  # noqa: F821  given by ipyparallel

hosts = read_hosts(Path(__file__).parent / HOSTS)
c.Cluster.n = sum(host.engines for host in hosts)
c.Cluster.engine_launcher_class = "toolkit.engines.ssh.SshEngines"
c.Cluster.delay = 0
c.EngineLauncher.environment = ENVIRONMENT
c.SshEngines.hosts = hosts
c.SSHLauncher.remote_python = PYTHON
c.SSHLauncher.remote_profile_dir = FOLDER
c.SSHLauncher.ssh_args = SSH_OPTIONS
c.SSHLauncher.scp_args = SSH_OPTIONS
