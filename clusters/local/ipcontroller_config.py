"""The controller: passes tasks to engines and notices which engines are alive."""

from toolkit.engines.site import configure_controller

# ---- what a site may change ----------------------------------------------------------------------------------------
IP = "127.0.0.1"  # where to listen; any other address lets engines on other machines join, encrypted
SILENT_SECONDS = 30  # an engine that gives no sign of life for so long counts as dead
# --------------------------------------------------------------------------------------------------------------------

configure_controller(get_config(), IP, SILENT_SECONDS)  # noqa: F821  given by ipyparallel
