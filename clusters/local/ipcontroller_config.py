"""The controller: passes tasks to engines and notices which engines are alive."""

from toolkit.engines.lifetime import exit_with_parent

# ---- what a site may change ----------------------------------------------------------------------------------------
IP = "127.0.0.1"  # where to listen; any other address lets engines on other machines join, encrypted
# --------------------------------------------------------------------------------------------------------------------

c = get_config()  # noqa: F821  given by ipyparallel

c.IPController.ip = IP
if IP != "127.0.0.1":
    c.IPController.enable_curve = True
# The catalog is the record of what was done; the controller would keep every result in memory.
c.IPController.db_class = "NoDB"
# One task per engine at a time, so that an engine that dies takes no other task along.
c.TaskScheduler.hwm = 1
# An engine joins at its first heartbeat (ms), and counts as dead after 30 s without one. Of an engine that dies on a
# machine that lives, the controller hears at once.
c.HeartMonitor.period = 1000
c.HeartMonitor.max_heartmonitor_misses = 30

exit_with_parent()
