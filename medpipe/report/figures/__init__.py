"""The figures of a report. Each answers one question, in its caption's first sentence."""

from medpipe.report.figures.backend_plot import deployment_figures
from medpipe.report.figures.confusion import confusion_matrix, reliability
from medpipe.report.figures.curves import evidence_keys, learning_curves
from medpipe.report.figures.gradient_plot import gradient_flow
from medpipe.report.figures.heat_map import grid_figures, grid_members
from medpipe.report.figures.interval_plot import interval_figures
from medpipe.report.figures.prediction_gallery import gallery_figures
from medpipe.report.figures.sheets import sheet_figures
from medpipe.report.figures.sizes import size_figures, size_members
from medpipe.report.figures.svg import Figure
from medpipe.report.figures.synthesis import synthesis_figures

__all__ = [
    "Figure",
    "confusion_matrix",
    "deployment_figures",
    "evidence_keys",
    "gallery_figures",
    "gradient_flow",
    "grid_figures",
    "grid_members",
    "interval_figures",
    "learning_curves",
    "reliability",
    "sheet_figures",
    "size_figures",
    "size_members",
    "synthesis_figures",
]
