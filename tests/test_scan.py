"""`forewarn scan` from end to end: real components, small inputs, values that can be checked by hand."""

from __future__ import annotations

import gzip
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from forewarn.errors import InputError, ModelError
from forewarn.findings import Alert, json_schema, read_alerts
from forewarn.frames import SIGNALS
from forewarn.options import Options
from forewarn.pipeline import scan
from forewarn.resident import Resident, score
from forewarn.scoring.model_folder import save_model
from forewarn.training.baseline import fit_baseline
from forewarn.training.fit_options import FitOptions
from forewarn.training.fitting import baseline_model

Run = Callable[..., object]

QUIET = [
    f"2024-05-01 09:{n // 60:02}:{n % 60:02} INFO worker-{n % 4} finished job {n} in {n % 90 + 10} ms"
    for n in range(300)
]
LOUD = [
    "2024-05-01 09:04:10 ERROR settle: connection pool exhausted, 0 of 64 free",
    "2024-05-01 09:04:40 ERROR settle: connection pool exhausted, 0 of 128 free",
    "2024-05-01 09:04:55 FATAL kernel panic: out of memory",
]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    file = tmp_path / "app.log"
    file.write_text("\n".join([*QUIET[:240], *LOUD, *QUIET[240:]]) + "\n")
    return file


def alerts_of(out: str) -> list[dict[str, object]]:
    return [found for found in map(json.loads, out.splitlines()) if found["kind"] == "alert"]


def test_the_failing_lines_are_the_alerts(forewarn: Run, log: Path) -> None:
    ran = forewarn("scan", log, "--budget", "2", "--format", "jsonl")
    assert ran.status == 1
    texts = {alert["text"] for alert in alerts_of(ran.out)}
    assert texts == {LOUD[0], LOUD[2]}


def test_an_alert_says_how_often_and_where(forewarn: Run, log: Path) -> None:
    alerts = alerts_of(forewarn("scan", log, "--budget", "2", "--format", "jsonl").out)
    pool = next(alert for alert in alerts if "pool" in alert["text"])
    assert pool["count"] == 2
    assert pool["first"] == {"source": str(log), "line": 241, "time": "2024-05-01T09:04:10Z"}
    assert pool["last"]["line"] == 242
    assert pool["kind"] == "alert"


def test_the_evidence_adds_up_down_to_each_rule(forewarn: Run, log: Path) -> None:
    with_rules = 0
    for alert in alerts_of(forewarn("scan", log, "--budget", "5", "--format", "jsonl").out):
        parts = {item["signal"]: item["log_odds"] for item in alert["evidence"]}
        assert sum(parts.values()) == pytest.approx(alert["log_odds"], abs=1e-9)
        assert alert["score"] == pytest.approx(1 / (1 + math.exp(-alert["log_odds"])))
        for rules in (item for item in alert["evidence"] if item["signal"] == "rules"):
            with_rules += 1
            assert sum(why["log_odds"] for why in rules["why"]) == pytest.approx(parts["rules"])
            for why in rules["why"]:
                assert all(0 <= start < end <= len(alert["text"]) for start, end in why["spans"])
    assert with_rules


def test_a_quiet_log_raises_nothing(forewarn: Run, tmp_path: Path) -> None:
    (tmp_path / "quiet.log").write_text("\n".join(QUIET))
    ran = forewarn("scan", tmp_path / "quiet.log")
    assert (ran.status, ran.out, "Nothing alarming" in ran.err) == (0, "", True)


def test_where_nothing_is_raised_what_came_nearest_is_named(forewarn: Run, tmp_path: Path) -> None:
    lines = [f"INFO order {number} found" for number in range(400)] + ["ERROR payment 7 failed: connection refused"]
    (tmp_path / "orders.log").write_text("\n".join(lines))
    ran = forewarn("scan", tmp_path / "orders.log", "--threshold", "0.95")
    assert (ran.status, ran.out) == (0, "")
    assert "Nothing alarming" not in ran.err
    assert "orders.log:401  ERROR payment 7 failed" in ran.err
    assert "--budget 2 shows" in ran.err


@pytest.mark.parametrize("number", [7, 42, 90210, 999999])
def test_the_number_in_an_error_does_not_move_its_score(forewarn: Run, tmp_path: Path, number: int) -> None:
    scores = []
    for name, one in (("a", number), ("b", 700001)):
        lines = [f"INFO order {order} found" for order in range(400)]
        lines.append(f"ERROR payment request {one} failed: connection refused")
        (tmp_path / f"{name}.log").write_text("\n".join(lines))
        ran = forewarn("scan", tmp_path / f"{name}.log", "--budget", "1", "--format", "jsonl")
        scores += [json.loads(ran.out.splitlines()[0])["score"]]
    assert scores[0] == pytest.approx(scores[1], abs=0.02)


def test_a_quiet_sign_is_raised_by_what_it_means_alone() -> None:
    quiet = "Third pharmacy in our street that has no fever medicine left, and the wholesaler stopped answering"
    found = scan(texts=[quiet, "The shop is closed for the holiday", "Great pasta, lovely staff"], promise=None)
    assert [alert.text for alert in found.alerts] == [quiet]
    told = {item.signal: item for item in found.alerts[0].evidence}
    assert "rules" not in told
    assert told["classifier"].log_odds > 1
    assert told["classifier"].why[0].note.startswith("reads like ")


def test_a_line_of_a_log_is_not_asked_how_people_tell_of_a_crisis() -> None:
    line = "2026-11-29 20:04:00,123 INFO [worker-3] c.acme.pay.Ledger - bank halts withdrawals"
    told = {item.signal for item in score(line).evidence}
    assert not told & {"classifier", "cases"}
    assert "classifier" in {item.signal for item in score("Bank halts withdrawals").evidence}


def test_a_stated_share_is_met_by_the_probabilities() -> None:
    texts = [f"{said} {place}" for said in ("Flood in", "Fire in", "Lunch in", "Concert in") for place in PLACES]
    for share in (0.05, 0.4):
        found = scan(texts=texts, promise=None, prior=share)
        assert found.scores.array("probability").mean() == pytest.approx(share, abs=0.03)


def test_score_says_of_one_text_what_an_alert_would(forewarn: Run) -> None:
    ran = forewarn("score", "小学门口有人持刀砍人", "--json")
    (alert,) = (json.loads(line) for line in ran.out.splitlines())
    assert (ran.status, alert["level"] in ("high", "critical"), alert["p_value"]) == (0, True, None)
    shown = forewarn("score", "The shop is closed for the holiday").out
    assert "probability = 1 / (1 + exp(" in shown


PLACES = [
    "Lomza",
    "Bergen",
    "Nantes",
    "Cadiz",
    "Urumqi",
    "Salta",
    "Perth",
    "Tromso",
    "Varna",
    "Izmir",
    "Osaka",
    "Pusan",
]


def test_the_output_file_holds_what_is_printed(forewarn: Run, log: Path, tmp_path: Path) -> None:
    output = tmp_path / "alerts.jsonl"
    ran = forewarn("scan", log, "--budget", "3", "--format", "jsonl", "-o", output)
    assert output.read_text() == ran.out
    assert [type(alert) for alert in read_alerts(output)] == [Alert] * len(alerts_of(ran.out))


def test_every_line_gets_a_row_of_scores(forewarn: Run, log: Path, tmp_path: Path) -> None:
    file = tmp_path / "scores.parquet"
    forewarn("scan", log, "--scores", file)
    scores = pl.read_parquet(file)
    assert scores.columns == ["source", "line", "text_id", *SIGNALS, "log_odds", "probability"]
    assert scores["line"].to_list() == list(range(1, 304))
    assert scores["classifier"].null_count() == 303
    assert scores["rules"][0] is None
    loud = scores.filter(pl.col("line").is_between(241, 243))
    assert loud["log_odds"].min() > scores.filter(~pl.col("line").is_between(241, 243))["log_odds"].max()
    assert loud["text_id"].n_unique() == 2


def test_one_or_two_threads_and_a_second_time_give_the_same_bytes(log: Path, tmp_path: Path) -> None:
    outputs = []
    for run, threads in enumerate(["1", "2", "2"]):
        output, scores = tmp_path / f"{run}.jsonl", tmp_path / f"{run}.parquet"
        names = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        command = [
            sys.executable,
            "-m",
            "forewarn",
            "scan",
            str(log),
            "--budget",
            "20",
            "-o",
            str(output),
            "--scores",
            str(scores),
        ]
        subprocess.run(command, env={**os.environ, **dict.fromkeys(names, threads)}, capture_output=True, check=False)
        outputs.append((output.read_bytes(), pl.read_parquet(scores).to_dicts()))
    assert outputs[0] == outputs[1] == outputs[2]


def test_a_folder_is_scanned_whatever_its_files_are(forewarn: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("\n".join(QUIET))
    (tmp_path / "b.jsonl").write_text(
        json.dumps({"time": "2024-05-01T09:00:00Z", "text": "储户在银行门口排队，银行发生挤兑"}, ensure_ascii=False)
    )
    with gzip.open(tmp_path / "c.csv.gz", "wt") as file:
        file.write("time,text\n2024-05-01 10:00,the dam has burst and people are trapped on their roofs\n")
    alerts = alerts_of(forewarn("scan", tmp_path, "--budget", "2", "--format", "jsonl").out)
    assert {alert["category"] for alert in alerts} == {"finance", "disaster"}


def test_standard_input_is_scanned(log: Path) -> None:
    command = [sys.executable, "-m", "forewarn", "scan", "-", "--format", "jsonl", "--budget", "1"]
    ran = subprocess.run(command, input=log.read_bytes(), capture_output=True, check=False)
    assert (ran.returncode, json.loads(ran.stdout)["first"]["source"]) == (1, "-")


def test_explain_shows_the_sum(forewarn: Run, log: Path, tmp_path: Path) -> None:
    output = tmp_path / "alerts.jsonl"
    forewarn("scan", log, "-o", output, "--budget", "1")
    alert = read_alerts(output)[0]
    ran = forewarn("explain", alert.id[:6], output)
    assert ran.status == 0
    assert f"{alert.log_odds:+.3f}" in ran.out
    assert alert.evidence[0].signal in ran.out
    assert forewarn("explain", "1", output).out == ran.out


def test_explaining_an_unknown_alert_names_those_there_are(forewarn: Run, log: Path, tmp_path: Path) -> None:
    output = tmp_path / "alerts.jsonl"
    forewarn("scan", log, "-o", output, "--budget", "1")
    ran = forewarn("explain", "fw-nothing", output)
    assert ran.status == 2
    assert read_alerts(output)[0].id in ran.err


def test_doctor_finds_a_working_installation(forewarn: Run) -> None:
    ran = forewarn("doctor")
    assert ran.status == 0
    for word in ("encoder", "cases", "rules", "device"):
        assert word in ran.out


HELP = """
import sys
from forewarn.cli import cli
try:
    cli.main(["--help"])
except SystemExit:
    pass
heavy = {"polars", "numpy", "torch", "sklearn", "pyod", "faiss", "sigma"} & set(sys.modules)
assert not heavy, heavy
"""


def test_help_imports_nothing_heavy() -> None:
    subprocess.run([sys.executable, "-c", HELP], check=True, capture_output=True)


def test_every_command_shows_two_examples(forewarn: Run) -> None:
    from forewarn.cli import COMMANDS

    for command in COMMANDS:
        ran = forewarn(command, "--help")
        assert ran.status == 0
        assert ran.out.count(f"forewarn {command}") >= 2, command


def test_the_json_schema_describes_an_alert() -> None:
    schema = json_schema()
    assert {"id", "score", "evidence", "first", "last"} <= set(schema["$defs"]["Alert"]["properties"])


def test_timings_and_summary_say_where_time_and_memory_went(forewarn: Run, tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text("connection pool exhausted\nall is well\nall is well\n")
    ran = forewarn("scan", tmp_path / "app.log", "--timings", "--summary", tmp_path / "summary.json")
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["files"], summary["lines"], summary["texts"]) == (1, 3, 2)
    stages = {stage["stage"]: stage for stage in summary["stages"]}
    assert stages["read"]["rows"] == 3
    assert stages["read"]["bytes"] == len("connection pool exhaustedall is wellall is well")
    assert stages["embed"]["rows"] == 2
    assert all(stage["seconds"] >= 0 for stage in stages.values())
    peaks = [stage["peak_bytes"] for stage in summary["stages"]]
    assert peaks == sorted(peaks)
    assert "match rules" in ran.err
    assert summary["seconds"] == pytest.approx(sum(stage["seconds"] for stage in stages.values()))


def test_unusual_ranks_what_is_strange_and_not_what_is_alarming(forewarn: Run, tmp_path: Path) -> None:
    streets = ("Mill Lane", "Church Road", "Station Road", "High Street", "Park Avenue", "Bridge Street")
    usual = [
        f"Fire reported on {street}, {number} people injured, brigade on the way"
        for street in streets
        for number in ("two", "three", "four", "five", "six", "seven", "eight", "nine")
    ]
    strange = "Sourdough needs flour, water, salt and a patient baker who folds it twice before noon"
    file = tmp_path / "calls.csv"
    pl.DataFrame({"text": [*usual, strange]}).write_csv(file)

    def first(*given: str) -> dict[str, object]:
        return alerts_of(forewarn("scan", file, "--budget", "1", "--format", "jsonl", *given).out)[0]

    assert first()["text"] != strange
    found = first("--unusual")
    assert found["text"] == strange
    assert found["origin"] == "ranked by how unusual each text is"
    assert {item["signal"] for item in found["evidence"] if item["log_odds"]} == {"prior", "outliers"}


def test_unusual_and_a_model_cannot_both_be_asked_for(tmp_path: Path) -> None:
    quiet, model = tmp_path / "quiet.log", tmp_path / "model"
    quiet.write_text("\n".join(QUIET))
    save_model(baseline_model(fit_baseline([quiet]), FitOptions()), model, "")
    with pytest.raises(ModelError, match="--unusual"):
        scan([quiet], Options(model=model, unusual=True))


def test_a_text_is_judged_alone_whatever_stands_beside_it() -> None:
    texts = [
        "Bank halts withdrawals",
        "小学门口有人持刀砍人",
        "a quiet afternoon at the lake",
        "Train 7 derails",
        "Train 8 derails",
    ]
    resident = Resident()
    together = resident.score(texts)
    assert [one.text for one in together] == texts
    assert [one.first.line for one in together] == [1, 2, 3, 4, 5]
    for text, beside in zip(texts, together, strict=True):
        alone = score(text)
        assert beside.log_odds == pytest.approx(alone.log_odds, abs=1e-3)  # float32
        assert [item.signal for item in beside.evidence] == [item.signal for item in alone.evidence]
        assert sum(item.log_odds for item in beside.evidence) == pytest.approx(beside.log_odds, abs=1e-9)
        assert "outliers" not in {item.signal for item in beside.evidence if item.log_odds}
        assert beside.p_value is None
    assert resident.score([]) == []
    with pytest.raises(InputError, match="text 2 is blank"):
        resident.score(["something", "  "])
