"""The way in from Python: what goes into `scan` and `fit`, what comes out, and the public names."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import forewarn
from forewarn.errors import ForewarnError, InputError
from forewarn.options import Options, with_settings
from forewarn.pipeline import scan
from forewarn.reading.dataframes import frame_of, texts_of
from forewarn.reading.labelled import labelled_frame
from forewarn.scan_result import Scan
from forewarn.scoring.model import Model

QUEUE = "Depositors queue outside the bank since dawn"
POSTS = [QUEUE, "the match ended well", "lunch with my sister"]
CRISIS = ["the ferry is sinking", "smoke above the harbour", "people in the river", "sirens all night"]
ORDINARY = ["a new cake recipe", "the match ended well", "a walk in the park", "my cat sleeps"]
WORDS = ["today", "again", "near us", "he said", "so they say"]
TEXTS = [f"{text} {word}" for word in WORDS for pair in zip(CRISIS, ORDINARY, strict=True) for text in pair]
TRUTH = [at % 2 == 0 for at in range(len(TEXTS))]


def test_every_public_name_is_there_is_no_module_and_is_explained_by_help() -> None:
    script = (
        "import types, forewarn\n"
        "for name in dir(forewarn):\n"
        "    assert not isinstance(getattr(forewarn, name), types.ModuleType), name\n"
        "    assert f'* `{name}`: ' in forewarn.__doc__, name\n"
        "print(len(dir(forewarn)))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(ran.stdout) == len(forewarn.__all__) >= 45


def test_the_import_loads_nothing_heavy() -> None:
    script = "import forewarn, sys; print([n for n in ('polars', 'numpy', 'sklearn', 'torch') if n in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def _scan(*given: Any, **settings: Any) -> Scan:
    return scan(*given, budget=1, false_warnings=None, cases=None, **settings)


def test_a_path_may_be_a_string_a_path_or_several(tmp_path: Path) -> None:
    file = tmp_path / "posts.txt"
    file.write_text("\n".join(POSTS))
    for paths in (file, str(file), [file], (str(file),)):
        assert [(alert.text, alert.first.source) for alert in _scan(paths).alerts] == [(QUEUE, str(file))]


@pytest.mark.parametrize(
    ("settings", "source"),
    [
        ({"texts": POSTS}, "texts"),
        ({"texts": pl.Series(POSTS)}, "texts"),
        ({"texts": pl.DataFrame({"message": POSTS})}, "frame"),
        ({"paths": pd.Series(POSTS)}, "texts"),
        ({"paths": pl.DataFrame({"n": [1, 2, 3], "text": POSTS})}, "frame"),
        ({"paths": pl.LazyFrame({"text": POSTS})}, "frame"),
        ({"paths": pd.DataFrame({"words": POSTS}), "text_column": "words"}, "frame"),
    ],
)
def test_texts_and_frames_are_scanned_like_a_file(settings: dict[str, Any], source: str) -> None:
    found = _scan(**settings)
    assert [(alert.text, alert.first.source, alert.first.line) for alert in found.alerts] == [(QUEUE, source, 1)]
    assert found.lines == 3


def test_a_text_keeps_its_line_ends_its_number_and_its_time() -> None:
    found = _scan(texts=["", "2026-03-12T09:17:28Z fine", "2026-03-12T09:18:00Z Depositors queue\noutside the bank"])
    alert = found.alerts[0]
    assert alert.text.endswith("queue\noutside the bank")
    assert (alert.first.line, str(alert.first.time)) == (3, "2026-03-12 09:18:00+00:00")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: scan(), "either paths or texts"),
        (lambda: scan("a", texts=["b"]), "either paths or texts"),
        (lambda: scan(texts="one text"), "list"),
        (lambda: scan(texts=["a", 3]), "at 1 is no text but int 3"),
        (lambda: scan([3]), r"texts=\["),
        (lambda: scan(texts=["", " "]), "no text to read"),
        (lambda: scan(["no such text", "nor this"]), r"texts=\["),
        (lambda: scan(pl.DataFrame({"a": ["x"]}), text_column="b"), "The columns are a"),
        (lambda: scan(texts=["a"], budget=0), "--budget"),
        (lambda: scan(texts=["a"], budget=2, fdr=0.1), "each decide alone"),
        (lambda: Options(policy={"budget": 3}), "no Policy"),  # type: ignore[arg-type]
    ],
)
def test_a_wrong_call_is_an_error_with_a_remedy(call: Callable[[], object], said: str) -> None:
    with pytest.raises(ForewarnError, match=said) as met:
        call()
    assert met.value.remedy


def test_a_keyword_that_is_none_is_named_with_the_one_that_was_meant() -> None:
    with pytest.raises(TypeError, match="did you mean budget"):
        scan(texts=["a"], bugdet=3)


def test_keywords_are_fields_of_options_and_what_the_command_line_says() -> None:
    options = with_settings(Options(seed=3), {"budget": "5/hour", "late": "30s", "detectors": "ECOD, KNN"})
    assert (options.policy.budget, options.policy.per_hours, options.seed) == (5.0, 1.0, 3)
    assert (options.late.total_seconds(), options.detectors) == (30.0, ("ECOD", "KNN"))
    assert with_settings(None, {"cost": "20:1"}).policy.threshold == pytest.approx(1 / 21)
    assert repr(Options(seed=3)) == "Options(seed=3)"


def test_what_was_found_is_a_frame_and_one_line() -> None:
    found = _scan(texts=POSTS)
    frame = found.to_polars()
    assert frame.height == 1
    assert "Bank run under way" in frame["rules"][0]
    added = sum(frame[name][0] for name in frame.columns if name.endswith("_log_odds"))
    assert added == pytest.approx(frame["log_odds"][0])
    assert found.to_polars("warnings").height == found.to_polars("incidents").height == 0
    assert repr(found).startswith("<Scan of 3 records, 3 distinct texts: 1 alerts")
    assert "Depositors" in found._repr_html_()


@pytest.fixture(scope="module")
def model() -> Model:
    return forewarn.fit(pl.DataFrame({"text": TEXTS, "label": [int(crisis) for crisis in TRUTH]}))


@pytest.mark.parametrize(
    "frame",
    [
        pl.DataFrame({"message": TEXTS, "label": TRUTH}),
        pd.DataFrame({"text": TEXTS, "label": [float(crisis) for crisis in TRUTH]}),
        pd.DataFrame({"text": TEXTS, "label": TRUTH}),
        pl.DataFrame({"text": TEXTS, "label": ["1" if crisis else "0" for crisis in TRUTH]}),
    ],
)
def test_labels_are_numbers_truth_values_or_words(frame: Any) -> None:
    assert labelled_frame(frame)["label"].to_list() == ["1" if crisis else "0" for crisis in TRUTH]


def test_a_frame_that_cannot_teach_is_an_error_with_a_remedy() -> None:
    for frame, said in (
        (pl.DataFrame({"text": ["a"], "lable": [1]}), "Did you mean 'lable'"),
        (pl.DataFrame({"a": [1], "label": [1]}), "text_column="),
        (pd.DataFrame({"text": ["a", None], "label": [1, 0]}), "no text, the first at 1"),
        (pd.DataFrame({"text": ["a", "b"], "label": [1, None]}), "no label, the first at 1"),
        (pl.DataFrame({"text": ["a", "b"], "label": [1, 1]}), "one class"),
    ):
        with pytest.raises(ForewarnError, match=said) as met:
            forewarn.fit(frame)
        assert met.value.remedy


def test_a_model_scores_texts_and_what_it_adds_up_is_the_score(model: Model) -> None:
    scores = model.score(["the ferry is sinking in the harbour", "a new cake"])
    assert scores["probability"][0] > 0.5 > scores["probability"][1]
    parts = [name for name in scores.columns if name.endswith("_log_odds")]
    np.testing.assert_allclose(scores.select(pl.sum_horizontal("base", *parts)).to_series(), scores["log_odds"])
    probabilities = model.predict_proba(["a new cake"])
    assert (probabilities.shape, probabilities.dtype) == ((1, 2), np.float64)
    assert model.score([]).height == 0
    assert repr(model).startswith("<Model: model fitted on ")


def test_a_model_that_was_written_and_read_scores_the_same(model: Model, tmp_path: Path) -> None:
    forewarn.save_model(model, str(tmp_path / "model"))
    read = forewarn.load_model(str(tmp_path / "model"))
    assert read.score(TEXTS[:4]).equals(model.score(TEXTS[:4]))
    assert read.card == model.card != ""
    assert [alert.text for alert in _scan(texts=POSTS, model=read).alerts] == [
        alert.text for alert in _scan(texts=POSTS, model=tmp_path / "model").alerts
    ]


@given(st.lists(st.none() | st.text(max_size=5), min_size=1, max_size=8))
def test_a_pandas_frame_goes_over_value_by_value(values: list[str | None]) -> None:
    frame = frame_of(pd.DataFrame({"text": pd.Series(values, dtype=object)}))
    assert frame["text"].to_list() == values
    if all(value is not None for value in values):
        assert texts_of(values).to_list() == values  # type: ignore[arg-type]
    else:
        with pytest.raises(InputError, match="no text but missing"):
            texts_of(values)  # type: ignore[arg-type]
