"""forewarn finds the first signs of a crisis in text.

In: logs, feeds, news, reports, events. Out: alerts, each with its evidence. The public API: what a command can do, a
script can. Nothing heavy is imported before it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forewarn.alerts import Alert, EarlyWarning, Incident, read_alerts
    from forewarn.drift import find_drift
    from forewarn.embeddings import CaseBase, load_encoder
    from forewarn.errors import ForewarnError
    from forewarn.fitting import FitOptions, fit
    from forewarn.model import Model, load_model, save_model
    from forewarn.options import Options
    from forewarn.pipeline import Scan, scan
    from forewarn.rules import load_rules
    from forewarn.similar_cases import SimilarCase, similar
    from forewarn.updating import update

_WHERE = {
    "Alert": "alerts",
    "CaseBase": "embeddings",
    "FitOptions": "fitting",
    "EarlyWarning": "alerts",
    "ForewarnError": "errors",
    "Incident": "alerts",
    "Model": "model",
    "Options": "options",
    "Scan": "pipeline",
    "SimilarCase": "similar_cases",
    "find_drift": "drift",
    "fit": "fitting",
    "load_encoder": "embeddings",
    "load_model": "model",
    "load_rules": "rules",
    "read_alerts": "alerts",
    "save_model": "model",
    "scan": "pipeline",
    "similar": "similar_cases",
    "update": "updating",
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
