"""Fitting: labels make a model that beats its start, is honest about it, and survives being written and read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forewarn.calibration import Calibration, fit_calibration, venn_abers
from forewarn.errors import ForewarnError, ModelError
from forewarn.fit import FitOptions, fit
from forewarn.model import Model, load_model, save_model
from forewarn.report import model_card

CRISIS = [
    "the ferry is sinking",
    "water in the hall",
    "smoke above the harbour",
    "people in the river",
    "sirens all night",
]
ORDINARY = ["a new cake recipe", "the match ended well", "lunch with my sister", "a walk in the park", "my cat sleeps"]


def _texts(number: int = 60) -> pl.DataFrame:
    chance = np.random.default_rng(0)
    words = ["today", "again", "right now", "this week", "near us", "he said", "so they say"]
    rows = [
        (f"{chance.choice(CRISIS if crisis else ORDINARY)} {chance.choice(words)} {chance.choice(words)} x{at}", crisis)
        for at in range(number)
        for crisis in (True, False)
    ]
    return pl.DataFrame(
        {"text": [text for text, _ in rows], "label": ["yes" if crisis else "no" for _, crisis in rows]}
    ).with_columns(
        group=pl.Series([str(at // 2 % 6) for at in range(len(rows))]),
        time=pl.Series([f"{at:05}" for at in range(len(rows))]),
    )


@pytest.fixture(scope="module")
def model() -> Model:
    return fit(_texts(), FitOptions(positive=("yes",)))


@pytest.fixture
def folder(model: Model, tmp_path: Path) -> Path:
    save_model(model, tmp_path / "model", model_card(model))
    return tmp_path / "model"


def test_the_report_is_of_texts_that_were_kept_apart(model: Model) -> None:
    report = model.report
    assert report["texts"] + report["test_texts"] == 120
    assert report["scores"]["fused"]["auroc"] >= report["scores"]["before (no labels)"]["auroc"]
    assert report["scores"]["fused"]["auroc"] > 0.95
    assert sum(report["confusion"].values()) == report["test_texts"]
    assert all(weight >= 0 for weight in report["weights"].values())


def test_a_group_is_never_parted() -> None:
    made = fit(_texts(), FitOptions(positive=("yes",), split="group", test=0.34))
    assert made.training["group"].n_unique() == 4
    assert made.training.height == 80


def test_a_split_by_time_tests_on_the_latest() -> None:
    made = fit(_texts(), FitOptions(positive=("yes",), split="time", test=0.25))
    assert made.training["time"].max() == "00089"


def test_a_model_is_read_as_it_was_written(model: Model, folder: Path) -> None:
    read = load_model(folder)
    scores = pl.DataFrame({"text_id": [0, 1], "rules": [2.0, None], "classifier": [3.0, -2.0], "outliers": [1.0, 0.0]})
    scores = scores.with_columns(cases=pl.lit(0.2), adapted=pl.lit(None, pl.Float64))
    assert read.fusion.fuse(scores).equals(model.fusion.fuse(scores))
    assert read.classifier.words("smoke above the harbour") == model.classifier.words("smoke above the harbour")
    assert read.report == model.report
    assert read.training.equals(model.training)


@pytest.mark.parametrize("name", ["tensors.safetensors", "training.parquet", "MODEL_CARD.md"])
def test_a_flipped_byte_is_named(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(ModelError, match=f"{name} is not as it was written"):
        load_model(folder)


def test_a_missing_file_a_cut_one_and_a_newer_schema_are_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is no model folder"):
        load_model(tmp_path)
    written = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**written, "schema": 99}))
    with pytest.raises(ModelError, match="has schema 99"):
        load_model(folder)
    (folder / "model.json").write_text(json.dumps(written)[:200])
    with pytest.raises(ModelError, match="cannot be read"):
        load_model(folder)
    (folder / "model.json").write_text(json.dumps(written))
    (folder / "tensors.safetensors").unlink()
    with pytest.raises(ModelError, match=r"lacks tensors\.safetensors"):
        load_model(folder)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["yes"] * 40, "all of one class"),
        (["yes"] * 3 + ["no"] * 37, "rarer class has 3"),
        (["no"] * 40, "no text has the label"),
    ],
)
def test_labels_that_cannot_teach_are_refused(labels: list[str], said: str) -> None:
    with pytest.raises(ForewarnError, match=said):
        fit(_texts(20).with_columns(label=pl.Series(labels)), FitOptions(positive=("yes",)))


def test_fit_and_scan_from_the_command_line(tmp_path: Path, forewarn: Callable[..., Any]) -> None:
    labelled, log, out = tmp_path / "labelled.csv", tmp_path / "new.txt", tmp_path / "alerts.jsonl"
    _texts().write_csv(labelled)
    made = forewarn("fit", labelled, "-o", tmp_path / "model", "--positive", "yes")
    assert made.status == 0
    assert "| fused |" in made.out
    log.write_text("smoke above the harbour again\nlunch with my sister today\n", "utf-8")
    found = forewarn("scan", log, "--model", tmp_path / "model", "-o", out)
    assert found.status == 1
    alerts = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert [alert["text"] for alert in alerts] == ["smoke above the harbour again"]
    assert sum(item["log_odds"] for item in alerts[0]["evidence"]) == pytest.approx(alerts[0]["log_odds"], abs=1e-3)
    assert 0 <= alerts[0]["low"] <= alerts[0]["high"] <= 1
    assert "model fitted on" in alerts[0]["origin"]
    rare = forewarn(
        "scan", log, "--model", tmp_path / "model", "--prior", "0.001", "--threshold", "0", "--format", "jsonl"
    )
    moved = {found["text"]: found["log_odds"] for found in map(json.loads, rare.out.splitlines())}
    share = load_model(tmp_path / "model").share
    expected = np.log(0.001 / 0.999) - np.log(share / (1 - share))
    assert moved[alerts[0]["text"]] - alerts[0]["log_odds"] == pytest.approx(expected, abs=1e-3)
    assert forewarn("scan", log, "--model", tmp_path).status == 2
    assert forewarn("scan", log, "--prior", "2").status == 2
    assert forewarn("fit", labelled, "-o", tmp_path / "m", "--positive", "yes", "--label-column", "lable").status == 2


def _noisy(scale: float) -> Calibration:
    chance = np.random.default_rng(0)
    seen = chance.normal(0, 2, 400)
    return fit_calibration(seen, chance.random(400) < 1 / (1 + np.exp(-scale * seen)))


CALIBRATIONS = [_noisy(scale) for scale in (0.3, 1.0, 3.0)]


@given(st.lists(st.floats(-30, 30), min_size=2, max_size=40), st.sampled_from(CALIBRATIONS))
def test_a_calibration_never_turns_two_scores_round(asked: list[float], calibration: Calibration) -> None:
    assert (np.diff(calibration(np.sort(asked))) >= -1e-9).all()


def test_too_sure_scores_are_calmed() -> None:
    chance = np.random.default_rng(0)
    right = chance.normal(0, 2, 3_000)
    crisis = chance.random(3_000) < 1 / (1 + np.exp(-right))
    calibration = fit_calibration(4 * right, crisis)
    assert calibration.kind != "none"
    assert np.abs(calibration(np.array([-8.0, 0.0, 8.0])) - np.array([-2.0, 0.0, 2.0])).max() < 0.5
    assert fit_calibration(right, crisis)(np.array([1.0]))[0] == pytest.approx(1.0, abs=0.35)


def test_another_base_rate_moves_every_score_alike() -> None:
    calibration = Calibration("none", np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    assert calibration.shifted(-2.0)(np.array([-5.0, 0.5, 9.0])).tolist() == [-7.0, -1.5, 7.0]


def test_the_interval_holds_what_is_true_and_narrows_with_more_texts() -> None:
    chance = np.random.default_rng(0)
    widths = []
    for number in (50, 3_000):
        seen = chance.normal(0, 2, number)
        low, high = venn_abers(seen, chance.random(number) < 1 / (1 + np.exp(-seen)), np.array([-1.0, 1.0]))
        assert (low <= high).all()
        widths.append((high - low).mean())
    assert widths[1] < widths[0]
    assert low[1] - 0.08 < 1 / (1 + np.exp(-1.0)) < high[1] + 0.08
