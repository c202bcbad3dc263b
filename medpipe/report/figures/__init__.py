"""The figures of a report. Each answers one question, in its caption's first sentence."""

from medpipe.report.figures.classification import confusion_matrix, reliability
from medpipe.report.figures.curves import evidence_keys, learning_curves
from medpipe.report.figures.deployment import deployment_figures
from medpipe.report.figures.gallery import gallery_figures
from medpipe.report.figures.gradients import gradient_flow
from medpipe.report.figures.grid import grid_figures, grid_members
from medpipe.report.figures.intervals import interval_figures
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
