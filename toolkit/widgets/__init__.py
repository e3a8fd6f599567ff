"""What a person sees: compositions as tables and bars, how they go with covariates, label maps over photos."""

from toolkit.widgets.colors import class_colors
from toolkit.widgets.composition import composition_table, leave_out, plot_composition, summarize_composition
from toolkit.widgets.covariates import correlate_composition, group_composition, plot_correlation
from toolkit.widgets.names import short_names
from toolkit.widgets.overlay import overlay, overlay_sheet

__all__ = [
    "class_colors",
    "composition_table",
    "correlate_composition",
    "group_composition",
    "leave_out",
    "overlay",
    "overlay_sheet",
    "plot_composition",
    "plot_correlation",
    "short_names",
    "summarize_composition",
]
