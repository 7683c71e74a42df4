"""After the first model: which texts to label next, what new labels bring, whether the input has moved away."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forewarn.detectors import two_sample_test
from forewarn.errors import OutputError
from forewarn.findings import read_alerts
from forewarn.options import Options
from forewarn.pipeline import scan
from forewarn.reading.labelled import in_cells, read_labelled
from forewarn.scoring.fusion import monotone_p_values
from forewarn.scoring.model_folder import load_model, save_model
from forewarn.training.active_learning import most_useful, write_sheet
from forewarn.training.fit_options import FitOptions
from forewarn.training.fitting import fit
from forewarn.training.model_card import model_card

CRISIS = ["the ferry is sinking", "smoke above the harbour", "people in the river", "sirens all night"]
ORDINARY = ["a new cake recipe", "the match ended well", "lunch with my sister", "a walk in the park"]
WORDS = ["today", "again", "right now", "this week", "near us", "he said", "so they say", "once more", "as ever"]
Run = Callable[..., Any]


def _labelled(number: int, crisis: list[str], ordinary: list[str], seed: int = 0) -> pl.DataFrame:
    chance = np.random.default_rng(seed)
    rows = [
        (f"{chance.choice(own)} {' '.join(chance.choice(WORDS, 3))} {chr(97 + at // 26)}{chr(97 + at % 26)}q", label)
        for at in range(number)
        for own, label in ((crisis, "1"), (ordinary, "0"))
    ]
    return pl.DataFrame(rows, schema=["text", "label"], orient="row")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = fit(_labelled(60, CRISIS, ORDINARY))
    where = tmp_path_factory.mktemp("learning") / "model"
    save_model(made, where, model_card(made))
    return where


def test_texts_to_label_are_unsure_diverse_and_frequent(tmp_path: Path, folder: Path) -> None:
    odd = ["smoke after lunch in the park, he said"] * 30
    lines = ["the ferry is sinking today again", *odd, "smoke after lunch in the park, so they say", "a walk, again"]
    (tmp_path / "new.txt").write_text("\n".join(lines))
    found = scan([tmp_path / "new.txt"], Options(model=folder))
    chosen = most_useful(found, 10)
    assert chosen.height == 4
    assert chosen["text"][0] == odd[0]
    assert chosen["count"][0] == 30
    # Its near copy is as unsure and comes last but for what is sure.
    assert chosen["text"].to_list().index("smoke after lunch in the park, so they say") >= 1
    assert most_useful(found, 2).height == 2
    assert odd[0] not in most_useful(found, 10, pl.Series([odd[0]]))["text"].to_list()


def test_a_sheet_is_filled_in_and_fitted(tmp_path: Path, forewarn: Run) -> None:
    (tmp_path / "new.txt").write_text("\n".join(_labelled(12, CRISIS, ORDINARY)["text"]))
    sheet = tmp_path / "to-label.csv"
    ran = forewarn("label", tmp_path / "new.txt", "-n", "16", "-o", sheet)
    assert ran.status == 0
    assert "forewarn fit" in ran.out
    assert forewarn("label", tmp_path / "new.txt", "-o", sheet).status == 2
    assert forewarn("fit", sheet, "-o", tmp_path / "model").status == 2
    rows = list(csv.DictReader(sheet.read_text("utf-8").splitlines()))
    assert len(rows) == 16
    for row in rows:
        row["label"] = "1" if any(row["text"].startswith(begin) for begin in CRISIS) else "0"
    with sheet.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    assert forewarn("fit", sheet, "-o", tmp_path / "model").status == 0
    again = forewarn("label", tmp_path / "model", tmp_path / "new.txt", "-n", "50", "-o", tmp_path / "more.csv")
    assert "forewarn update" in again.out
    more = {row["text"] for row in csv.DictReader((tmp_path / "more.csv").read_text("utf-8").splitlines())}
    assert more
    assert not more & {row["text"] for row in rows}


def test_a_sheet_with_labels_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "sheet.csv").write_text("label,text\n1,fire\n")
    with pytest.raises(OutputError, match="is there already"):
        write_sheet(pl.DataFrame({"label": ["0"]}), tmp_path / "sheet.csv")


NEW_CRISIS = ["the dam has burst", "gas in the school", "the train left the rails", "a crowd is crushed"]
NEW_ORDINARY = ["knitting for beginners", "my exam went fine", "the shop has new shoes", "rain on the roof"]


def test_an_update_knows_the_new_and_has_not_forgotten_the_old(tmp_path: Path, folder: Path, forewarn: Run) -> None:
    new = tmp_path / "new.csv"
    _labelled(40, NEW_CRISIS, NEW_ORDINARY, seed=1).write_csv(new)
    made = forewarn("update", folder, new, "-o", tmp_path / "model2")
    assert made.status == 0
    after = load_model(tmp_path / "model2")
    rows = {(row["test part"], row["model"]): row for row in after.report["update"]}
    assert rows["new", "new"]["auroc"] > rows["new", "old"]["auroc"]
    assert rows["old", "new"]["auroc"] > 0.95
    assert rows["new", "new"]["log_loss"] < rows["new", "old"]["log_loss"]
    assert "goes on from" in (tmp_path / "model2" / "MODEL_CARD.md").read_text()
    old_test = load_model(folder).training.filter(pl.col("part") == "test")["text"]
    assert set(old_test) <= set(after.training.filter(pl.col("part") == "test")["text"])


def test_a_better_model_is_not_replaced_unless_told(tmp_path: Path, folder: Path, forewarn: Run) -> None:
    wrong = tmp_path / "wrong.csv"
    _labelled(60, ORDINARY, CRISIS, seed=2).with_columns(
        part=pl.when(pl.int_range(pl.len()) % 5 == 0).then(pl.lit("a")).otherwise(pl.lit("b"))
    ).with_columns(
        label=pl.when(pl.col("part") == "a").then(1 - pl.col("label").cast(int)).otherwise(pl.col("label").cast(int))
    ).write_csv(wrong)
    refused = forewarn("update", folder, wrong, "-o", tmp_path / "model2", "--test", "0")
    assert refused.status == 1
    assert "The old model is better" in refused.out
    assert not (tmp_path / "model2").exists()
    assert forewarn("update", folder, wrong, "-o", tmp_path / "model2", "--test", "0", "--force").status == 0
    assert load_model(tmp_path / "model2").training.height > load_model(folder).training.height


def test_a_new_label_of_an_old_text_replaces_the_old_one(tmp_path: Path, folder: Path, forewarn: Run) -> None:
    corrected = load_model(folder).training.filter(pl.col("part") == "train").head(6)
    turned = corrected.select("text", label=(1 - pl.col("label").cast(int)).cast(str))
    turned.write_csv(tmp_path / "turned.csv")
    assert forewarn("update", folder, tmp_path / "turned.csv", "-o", tmp_path / "m", "--force").status == 0
    training = load_model(tmp_path / "m").training
    assert training["text"].is_duplicated().sum() == 0
    assert training.join(turned, on="text").select((pl.col("label") == pl.col("label_right")).all()).item()


def test_drift_is_seen_where_there_is_some(tmp_path: Path, folder: Path, forewarn: Run) -> None:
    (tmp_path / "same.txt").write_text("\n".join(_labelled(60, CRISIS, ORDINARY, seed=3)["text"]))
    other = _labelled(60, NEW_CRISIS, NEW_ORDINARY, seed=4)
    (tmp_path / "other.txt").write_text("\n".join(other["text"]))
    other.write_csv(tmp_path / "other.csv")
    same = forewarn("drift", folder, tmp_path / "same.txt")
    assert (same.status, "no refit is due" in same.out) == (0, True)
    found = forewarn("drift", folder, tmp_path / "other.txt", "--labelled", tmp_path / "other.csv", "--format", "jsonl")
    assert found.status == 1
    told = json.loads(found.out)
    assert told["told_apart"] > 0.9
    assert told["p_value"] < 1e-6
    assert told["unseen"] > 2 * told["usual"]
    assert told["worth"]["auroc"] < told["before"]["auroc"]
    assert len(told["reasons"]) >= 2


def test_the_two_sample_test_keeps_its_promise_on_samples_that_are_alike() -> None:
    chance = np.random.default_rng(0)
    p_values = [two_sample_test(*(chance.normal(size=(2, 60, 8)).astype(np.float32)), seed=at)[1] for at in range(100)]
    assert np.mean(np.array(p_values) < 0.05) <= 0.12
    moved = chance.normal(size=(60, 8)).astype(np.float32) + 1
    assert two_sample_test(chance.normal(size=(60, 8)).astype(np.float32), moved)[1] < 1e-6
    assert two_sample_test(moved[:3], moved) == (0.5, 1.0)


@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(0.001, 1)), min_size=1, max_size=30))
def test_p_values_are_handed_out_in_the_order_of_the_scores(pairs: list[tuple[float, float]]) -> None:
    scores, p_values = (np.array(column) for column in zip(*pairs, strict=True))
    handed = monotone_p_values(scores, p_values)
    assert sorted(handed) == sorted(p_values)
    order = np.argsort(-scores, kind="stable")
    assert all(
        handed[first] <= handed[second] or scores[first] == scores[second]
        for first, second in itertools.pairwise(order)
    )


def test_adaptation_steps_back_on_texts_like_those_of_the_labels(folder: Path) -> None:
    from forewarn.embeddings import load_encoder

    model, encode = load_model(folder), load_encoder().encode
    assert model.novelty(encode(_labelled(60, CRISIS, ORDINARY, seed=5)["text"].to_list())) == 0.0
    assert model.novelty(encode(_labelled(60, NEW_CRISIS, NEW_ORDINARY, seed=5)["text"].to_list())) == 1.0
    assert fit(_labelled(12, CRISIS, ORDINARY), FitOptions()).sample.shape[0] == 24


@given(st.lists(st.text(alphabet="'=+-@\t ab,\"", min_size=1).filter(str.strip), min_size=1, max_size=8))
def test_no_text_is_a_formula_in_a_spreadsheet_and_all_come_back(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    file = tmp_path_factory.mktemp("sheet") / "sheet.csv"
    in_cells(pl.DataFrame({"text": texts, "label": "1"})).write_csv(file)
    assert not any(
        cell["text"].startswith(tuple("=+-@\t"))
        for cell in csv.DictReader(io.StringIO(file.read_text("utf-8"), newline=""))
    )
    assert read_labelled([file])["text"].to_list() == texts


def test_answers_on_alerts_are_kept_and_fitted(tmp_path: Path, forewarn: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("new.txt").write_text("\n".join(["=1 fire in the school", *_labelled(12, CRISIS, ORDINARY)["text"]]))
    assert forewarn("scan", "new.txt", "--budget", "12", "-o", "alerts.jsonl").status == 1
    alerts = read_alerts(Path("alerts.jsonl"))
    crisis = [any(begin in alert.text for begin in [*CRISIS, "=1"]) for alert in alerts]
    for number, right in enumerate(crisis, 1):
        assert forewarn("feedback", str(number), "yes" if right else "no").status == 0
    turned = forewarn("feedback", alerts[0].id, "no")
    assert f"{len(alerts)} answers, {sum(crisis) - crisis[0]} yes" in turned.out
    assert "once there are 3 of each" in turned.out
    assert forewarn("feedback", alerts[0].id, "yes" if crisis[0] else "no").status == 0
    kept = dict(read_labelled([tmp_path / "feedback.csv"]).select("text", "label").rows())
    assert kept == {alert.text: str(int(right)) for alert, right in zip(alerts, crisis, strict=True)}

    assert forewarn("feedback", "fw-nothing", "yes").status == 2
    Path("mine.csv").write_text("label,text\n1,fire\n")
    refused = forewarn("feedback", "1", "yes", "-o", "mine.csv")
    assert refused.status == 2
    assert "mine.csv: has the columns label, text" in refused.err
    assert Path("mine.csv").read_text() == "label,text\n1,fire\n"
    assert forewarn("feedback", "1", "yes", "-o", "mine.csv/feedback.csv").status == 2
