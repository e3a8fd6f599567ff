"""The controller: passes tasks to engines and notices which engines are alive."""

from toolkit.engines.controller import configure_controller

# ---- what a site may change ----------------------------------------------------------------------------------------
IP = "*"  # where to listen: on all networks; or the address of this machine in the one that the nodes are in
# --------------------------------------------------------------------------------------------------------------------

configure_controller(get_config(), IP)  # noqa: F821  given by ipyparallel
