"""What qpareto does, as functions: every command calls one of these, and so may a script."""

from ..run.progress import Progress, Watch, WorkerSign
from ..show.dashboard.server import Address
from ..study.opening import devices_of_study
from .candidate import build_candidate, measure_candidate, measure_graph, profile_candidate
from .draft import draft_study
from .fleet import Fleet, launch_study
from .layers import labelled_sensitivity_of_study, layers_of_study_or_model, sensitivity_of_study
from .machine import engines_here, self_test_of_engines
from .seeing import OpenedStudy, answer_of_view, dashboard_of_study, open_for_reading, view_of_spec, write_report
from .shipping import export_from_study, verify_folder
from .storage import move_study, serve_proxy
from .study import (
    confirm_study,
    join_study,
    progress_of_study,
    results,
    run_study,
    view_of_this_device,
)

__all__ = [
    "Address",
    "Fleet",
    "OpenedStudy",
    "Progress",
    "Watch",
    "WorkerSign",
    "answer_of_view",
    "build_candidate",
    "confirm_study",
    "dashboard_of_study",
    "devices_of_study",
    "draft_study",
    "engines_here",
    "export_from_study",
    "join_study",
    "labelled_sensitivity_of_study",
    "launch_study",
    "layers_of_study_or_model",
    "measure_candidate",
    "measure_graph",
    "move_study",
    "open_for_reading",
    "profile_candidate",
    "progress_of_study",
    "results",
    "run_study",
    "self_test_of_engines",
    "sensitivity_of_study",
    "serve_proxy",
    "verify_folder",
    "view_of_spec",
    "view_of_this_device",
    "write_report",
]
