"""What a service tells Prometheus of itself.

In: counts as they arise. Out: the text of `/metrics`; every name begins with `forewarn_`.
"""

from __future__ import annotations

from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """The numbers of one service."""

    def __init__(self, rules: int, encoder: str) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "forewarn_requests", "Requests by route and status.", ["route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "forewarn_request_seconds", "How long requests took.", ["route"], registry=self.registry, buckets=_SECONDS
        )
        self.texts = Counter("forewarn_texts", "Texts that were scored.", registry=self.registry)
        self.alerts = Counter(
            "forewarn_alerts", "Texts scored at the threshold or above, by level.", ["level"], registry=self.registry
        )
        self.feedback = Counter("forewarn_feedback", "Answers of people.", ["answer"], registry=self.registry)
        self.warnings = Counter("forewarn_warnings", "Early warnings that were raised.", registry=self.registry)
        self.promised = Gauge(
            "forewarn_warnings_promised", "False warnings that the promise allows so far.", registry=self.registry
        )
        self.lines = Gauge("forewarn_watched_lines", "Lines that the watch has read.", registry=self.registry)
        self.lag = Gauge("forewarn_watch_lag_seconds", "How long the last round took.", registry=self.registry)
        self.behind = Gauge("forewarn_watch_behind_bytes", "Bytes that wait to be read.", registry=self.registry)
        self.left_out = Gauge("forewarn_watch_late_records", "Records too late to be judged.", registry=self.registry)
        self.rules = Gauge("forewarn_rules", "Rules that are loaded.", registry=self.registry)
        self.rules.set(rules)
        about = Gauge("forewarn_build", "What runs.", ["version", "encoder"], registry=self.registry)
        about.labels(version("forewarn"), encoder).set(1)

    def text(self) -> bytes:
        """All numbers, in Prometheus' text format."""
        return generate_latest(self.registry)
