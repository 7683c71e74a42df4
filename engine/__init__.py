"""forewarn finds the first signs of a crisis in text.

In: logs, feeds, news, reports, events. Out: alerts, each with its evidence. The public API: what a command can do, a
script can. Nothing heavy is imported before it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forewarn.cases.similar import SimilarCase, similar
    from forewarn.embeddings import CaseBase, load_encoder
    from forewarn.errors import ForewarnError
    from forewarn.findings import Alert, EarlyWarning, Incident, read_alerts
    from forewarn.options import Options
    from forewarn.pipeline import Scan, scan
    from forewarn.rules import load_rules
    from forewarn.scoring.model import Model, load_model, save_model
    from forewarn.training.drift import find_drift
    from forewarn.training.fitting import FitOptions, fit
    from forewarn.training.updating import update

_WHERE = {
    "Alert": "findings",
    "CaseBase": "embeddings",
    "FitOptions": "training.fitting",
    "EarlyWarning": "findings",
    "ForewarnError": "errors",
    "Incident": "findings",
    "Model": "scoring.model",
    "Options": "options",
    "Scan": "pipeline",
    "SimilarCase": "cases.similar",
    "find_drift": "training.drift",
    "fit": "training.fitting",
    "load_encoder": "embeddings",
    "load_model": "scoring.model",
    "load_rules": "rules",
    "read_alerts": "findings",
    "save_model": "scoring.model",
    "scan": "pipeline",
    "similar": "cases.similar",
    "update": "training.updating",
}

__all__ = [
    "Alert",
    "CaseBase",
    "EarlyWarning",
    "FitOptions",
    "ForewarnError",
    "Incident",
    "Model",
    "Options",
    "Scan",
    "SimilarCase",
    "find_drift",
    "fit",
    "load_encoder",
    "load_model",
    "load_rules",
    "read_alerts",
    "save_model",
    "scan",
    "similar",
    "update",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'forewarn' has no attribute {name!r}")
    globals()[name] = value = getattr(import_module(f"forewarn.{_WHERE[name]}"), name)
    return value
