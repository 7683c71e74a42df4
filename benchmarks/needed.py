"""What was to be reached: a figure of a benchmark's tables, and the least or the most that it may be.

In: tables as they are kept. Out: each figure, and whether it is met: `RESULTS.md` opens with the list. Measures
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.benchmark import Table


@dataclass(frozen=True)
class Needed:
    """One figure: `what` it is called, and where it is found: the words that its table's title and its row hold, and
    its column. `way` is "≥" or "≤".
    """

    benchmark: str
    what: str
    table: str
    row: tuple[str | float, ...]
    column: str
    way: str
    bar: float

    def measured(self, tables: list[Table]) -> float | None:
        """The figure; None where the tables have none."""
        for table in tables:
            if self.table in table.title and self.column in table.columns:
                for row in table.rows:
                    value = row[table.columns.index(self.column)]
                    if all(part in row for part in self.row) and isinstance(value, int | float):
                        return float(value)
        return None

    def met(self, measured: float) -> bool:
        """Whether that is enough."""
        return measured >= self.bar if self.way == "≥" else measured <= self.bar


def _crisislex(labels: str, row: str, **bars: float) -> list[Needed]:
    names = {"auroc": "AUROC", "ap": "AP", "recall": "recall at 1 % FPR", "ece": "ECE"}
    return [
        Needed(
            "crisislex",
            f"{labels}: {names[name]}",
            "No label of the event",
            (row,),
            names[name],
            "≤" if name == "ece" else "≥",
            bar,
        )
        for name, bar in bars.items()
    ]


_CAUGHT = "caught of 143"
_BEFORE, _WARNED = "Three sudden crises", ("e-detector", "five other events")
_TAD = "Label-free scores beside"
_OWN, _RANKED, _T26 = "Raised at the default", "Held-out situations, AUROC", "eight languages"
_CORDON = "Alert lines of BGL, whole processes"

NEEDED = [
    Needed("bgl", "no labels: alert lines of 143 among 200", "Alert lines", ("fused",), _CAUGHT, "≥", 130),
    Needed("bgl", "no labels: among the best 143", "Alert lines", ("fused",), "in the best 143", "≥", 105),
    *(
        Needed("decisions", f"{row}: share raised at the default", _OWN, (row,), "share raised", way, bar)
        for row, way, bar in (
            ("first_report", "≥", 0.92),
            ("quiet_sign", "≥", 0.70),
            ("harmless", "≤", 0.05),
            ("ordinary, genres not taught", "≤", 0.005),
        )
    ),
    *(
        Needed("decisions", f"{row}: AUROC", _RANKED, (row,), "fused", "≥", bar)
        for row, bar in (("quiet_sign against harmless", 0.95), ("quiet_sign against neighbour", 0.93))
    ),
    Needed("decisions", "T26, no labels: AUROC", _T26, ("mean",), "AUROC", "≥", 0.85),
    Needed("decisions", "T26, a stated share: ECE", _T26, ("mean",), "ECE, share stated", "≤", 0.15),
    *(
        Needed("decisions", f"{log}, level cut out: AUROC", "level cut out", (log,), "AUROC", "≥", bar)
        for log, bar in (("Android", 0.8), ("OpenStack", 0.8), ("HDFS", 0.99), ("Hadoop", 0.99), ("Zookeeper", 0.99))
    ),
    Needed("bgl", "with twenty labels", "labels that", (20,), _CAUGHT, "≥", 135),
    *_crisislex("no labels", "fused and adapted, no labels", auroc=0.975, ap=0.975),
    *_crisislex(
        "labels of other events",
        "fused and adapted, labels of five other events",
        auroc=0.981,
        ap=0.981,
        recall=0.65,
        ece=0.04,
    ),
    Needed("fin_news", "fused: AUROC", "taught by what came before", ("fused",), "AUROC", "≥", 0.955),
    Needed("http_params", "labels: AUROC", "the given halves", ("fused",), "AUROC", "≥", 0.9999),
    Needed("http_params", "labels: recall", "the given halves", ("fused",), "recall at 0.1% FPR", "≥", 0.999),
    Needed("http_params", "ordinary values alone: AUROC", "ordinary values", ("fused",), "AUROC", "≥", 0.98),
    Needed("rules", "attacks found by rules alone", "web_attacks alone", ("test", "all attacks"), "recall", "≥", 0.95),
    Needed(
        "rules",
        "false positives of them",
        "web_attacks alone",
        ("test", "all attacks"),
        "false-positive rate",
        "≤",
        0.001,
    ),
    Needed("sigma", "rules refused", "SigmaHQ's rules", ("rules refused",), "figure", "≤", 5),
    Needed("sigma", "seconds to load, cold cache", "SigmaHQ's rules", ("load, cold cache, s",), "figure", "≤", 12),
    Needed("sigma", "seconds to load, warm cache", "SigmaHQ's rules", ("load, warm cache, s",), "figure", "≤", 2),
    Needed(
        "sigma",
        "named rules that do not fire",
        "SigmaHQ's rules",
        ("records whose named rule does not",),
        "figure",
        "≤",
        0,
    ),
    *(
        Needed(
            "sigma",
            f"million events: events/s, {cores}",
            "All rules over many events",
            ("all different", 1_000_000, cores),
            "events/s",
            "≥",
            bar,
        )
        for cores, bar in (("one core", 20_000), ("two cores", 35_000))
    ),
    Needed(
        "cases",
        "million vectors: recall@10",
        "large base",
        ("clustered", "recall@10 against brute force"),
        "reached",
        "≥",
        0.98,
    ),
    Needed(
        "cases",
        "million vectors: ms a query",
        "large base",
        ("clustered", "ms a query alone, one core, median"),
        "reached",
        "≤",
        2,
    ),
    Needed(
        "cases",
        "million vectors: MiB on disk",
        "large base",
        ("clustered", "MiB on disk, cases and all"),
        "reached",
        "≤",
        1024,
    ),
    Needed("cases", "emergencies: right category first", "right one", ("precision@1",), "reached", "≥", 0.98),
    Needed("cases", "emergencies: among five", "right one", ("precision@5",), "reached", "≥", 0.97),
    *(
        Needed(
            "cases",
            f"partner first, asked in {language}",
            "right one",
            (f"100 pairs, asked in {language}",),
            "reached",
            "≥",
            0.9,
        )
        for language in ("en", "zh")
    ),
    Needed("scale", "million lines: seconds", "Whole processes", ("forewarn scan", 1_000_000), "s", "≤", 12),
    Needed("scale", "million lines: peak MiB", "Whole processes", ("forewarn scan", 1_000_000), "peak MiB", "≤", 1024),
    Needed(
        "scale",
        "200,000 different tweets: texts/s",
        "Whole",
        ("forewarn scan, different tweets", 200_000),
        "lines/s",
        "≥",
        1500,
    ),
    *(
        Needed("scale", what, "Ratios", (what,), "ratio", "≤", bar)
        for what, bar in (
            ("ten times the lines: seconds", 10.5),
            ("ten times the lines: peak", 1.1),
            ("the scan to polars and the encoder: seconds", 4),
            ("four times the different tweets: peak", 1.1),
        )
    ),
    Needed("scale", "100 lines: seconds", "To start", ("forewarn scan, 100 lines, warm caches",), "s", "≤", 3),
    *(
        Needed("early_warning", f"{said}, 1/{rate:,}: {what}", _BEFORE, ("e-detector", labels, rate), column, "≤", bar)
        for said, labels, rate, bars in (
            ("a model", "five other events", 100_000, (0, 4, 15)),
            ("a model", "five other events", 10_000, (1, 2, 8)),
            ("no labels", "none", 100_000, (0, 6, 22)),
        )
        for what, column, bar in zip(
            ("false before", "on-topic tweets", "minutes"),
            ("false before", "tweets, mean", "minutes, mean"),
            bars,
            strict=True,
        )
    ),
    *(
        Needed("early_warning", f"off-topic tweets, {said}, most", "Off-topic", (labels, 10_000), column, "≤", 2)
        for labels, said, column in (
            ("five other events", "a model, random order", "most"),
            ("none", "no labels, random order", "most"),
            ("five other events", "a model, in order of time", "warnings in order of time"),
            ("none", "no labels, in order of time", "warnings in order of time"),
        )
    ),
    Needed("watch", "20,000 lines/s on one core: lag, 95 %, s", "How far", (20_000, "its own"), "lag, 95 % s", "≤", 2),
    Needed("tad_bench", "label-free, mean of six", _TAD, ("scan --unusual",), "mean", "≥", 0.755),
    Needed("tad_bench", "the same, hoped for", _TAD, ("scan --unusual",), "mean", "≥", 0.80),
    Needed("tad_bench", "sets above the published best", _TAD, ("scan --unusual",), "sets above", "≥", 3),
    *(
        Needed(
            "tad_bench",
            f"{name} as published, to",
            "measured again",
            (name, "measured"),
            "largest difference",
            "≤",
            bar,
        )
        for name, bar in {
            "KNN": 0.015,
            "IForest": 0.035,
            "INNE": 0.035,
            **dict.fromkeys(("OCSVM", "LOF", "ECOD", "HBOS", "COPOD"), 0.003),
        }.items()
    ),
    Needed("nlp_adbench", "EmailSpam, best published", "Fitted on 70 %", ("outliers",), "EmailSpam", "≥", 0.9697),
    Needed("nlp_adbench", "SMSSpam, best published", "Fitted on 70 %", ("outliers",), "SMSSpam", "≥", 0.9398),
    *(
        Needed("robustness", f"tweets, {way}: kept", "Tweets", (way, 1.0), "fused kept", "≥", 0.97)
        for way in ("typos", "homoglyphs", "zero-width characters", "spacing", "case", "leetspeak", "synonyms")
    ),
    *(
        Needed("robustness", f"news, {way}: kept", "Chinese", (way, 1.0), "fused kept", "≥", 0.97)
        for way in ("traditional characters", "zero-width characters", "spacing", "same sound")
    ),
    Needed("peers", "Cordon's time on 2,000 lines, in ours", _CORDON, ("cordon at its defaults",), "× our s", "≥", 100),
    Needed("peers", "Cordon's memory, in ours", _CORDON, ("cordon at its defaults",), "× our MiB", "≥", 2),
    Needed(
        "peers",
        "our lines/s on a million lines, in Cordon's",
        "A million lines",
        ("forewarn scan",),
        "× Cordon's",
        "≥",
        1000,
    ),
]
