"""What a person sees: compositions as tables and bars, label maps over photos."""

from toolkit.widgets.colors import class_colors
from toolkit.widgets.composition import composition_table, group_composition, plot_composition, summarize_composition
from toolkit.widgets.overlay import overlay, overlay_sheet

__all__ = [
    "class_colors",
    "composition_table",
    "group_composition",
    "overlay",
    "overlay_sheet",
    "plot_composition",
    "summarize_composition",
]
