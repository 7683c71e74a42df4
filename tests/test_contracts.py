"""What CONTRIBUTING asks of every signal, encoder, detector, reader and output; each is found, none is listed here."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forewarn.cli import cli
from forewarn.cli.configuration import commands_of
from forewarn.detectors import fit_outliers
from forewarn.embeddings import load_encoder
from forewarn.errors import ForewarnError
from forewarn.frames import RECORDS, SIGNAL_FRAME, SIGNALS
from forewarn.reading.explained import explain_reading
from forewarn.reading.formats.examples import EXAMPLES
from forewarn.reading.formats.page import formats_page
from forewarn.reading.formats.registry import FORMATS
from forewarn.reading.levels import of_words
from forewarn.reading.lines import MAX_TEXT
from forewarn.reading.records import read
from forewarn.scoring import fusion
from tests.evtx_file import event, evtx_file

SIGNAL = pytest.mark.parametrize("signal", SIGNALS)
PRIORS = pytest.mark.parametrize("unusual", [False, True])
SENTENCES = ["", "All services are well", "储户排队取款", "Depositors queue all night outside the bank", "x" * 5_000]


def _signals(**given: float | None) -> pl.DataFrame:
    row = {"text_id": 0} | {name: given.get(name) for name in SIGNALS}
    return pl.DataFrame([row], schema=SIGNAL_FRAME)


@SIGNAL
@PRIORS
@given(quiet=st.floats(-30, 30), more=st.floats(0, 30), others=st.floats(-5, 5))
def test_a_louder_signal_never_lowers_the_score(
    signal: str, unusual: bool, quiet: float, more: float, others: float
) -> None:
    numbers = fusion.prior(unusual=unusual)
    rest = dict.fromkeys(SIGNALS, others)
    low, high = (numbers.fuse(_signals(**(rest | {signal: score})))["log_odds"][0] for score in (quiet, quiet + more))
    # The bend above what is held rounds in the last digit.
    assert high >= low - 1e-9


@SIGNAL
@PRIORS
def test_a_signal_without_opinion_adds_nothing(signal: str, unusual: bool) -> None:
    scores = fusion.prior(unusual=unusual).fuse(_signals())
    assert scores[f"{signal}_log_odds"][0] == 0.0


@PRIORS
@given(values=st.lists(st.one_of(st.none(), st.floats(-20, 20)), min_size=len(SIGNALS), max_size=len(SIGNALS)))
def test_a_score_is_the_sum_of_what_is_shown(unusual: bool, values: list[float | None]) -> None:
    scores = fusion.prior(unusual=unusual).fuse(_signals(**dict(zip(SIGNALS, values, strict=True))))
    parts = [f"{name}_log_odds" for name in SIGNALS]
    parts += ["base", "calibration_log_odds", "held_log_odds"]
    total = sum(scores[part][0] for part in parts)
    assert scores["log_odds"][0] == pytest.approx(total, abs=1e-6)


@pytest.mark.parametrize("name", ["bundled", "bundled-bf16"])
def test_an_encoder_gives_unit_vectors_of_its_dimension(name: str) -> None:
    encoder = load_encoder(name, device="cpu")
    vectors = encoder.encode(SENTENCES)
    assert (vectors.dtype, vectors.shape) == (np.float32, (len(SENTENCES), encoder.dimension))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-3)
    assert encoder.encode([]).shape == (0, encoder.dimension)
    assert encoder.checksum
    np.testing.assert_allclose(encoder.encode(SENTENCES[::-1])[::-1], vectors, atol=2e-2)


@pytest.mark.parametrize("detector", ["KNN", "ECOD", "IForest", "LOF", "HBOS"])
def test_a_detector_gives_tail_probabilities_and_the_same_ones_again(detector: str) -> None:
    draw = np.random.default_rng(0)
    vectors = draw.normal(size=(200, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    texts = pl.Series([f"line {number}" for number in range(200)])
    counts = np.ones(200, dtype=np.int64)
    first, again = (
        fit_outliers(vectors, texts, counts, detectors=(detector,), seed=0).score(vectors, texts, in_sample=True)
        for _ in range(2)
    )
    assert first.shape == (200,)
    assert ((first >= 0) & (first <= 1)).all()
    np.testing.assert_array_equal(first, again)


def _parquet(path: Path) -> None:
    rows = [("2026-11-29T08:04:00Z", "pump stopped"), ("2026-11-29T08:05:00Z", "pump started")]
    pl.DataFrame(rows, schema=["time", "message"], orient="row").write_parquet(path)


def _evtx(path: Path) -> None:
    times = ("2026-11-29T08:04:00Z", "2026-11-29T08:05:00Z")
    events = [event(1, {"Note": "pump"}, time=time, provider="Works", channel="Pumps") for time in times]
    path.write_bytes(evtx_file([events[:1], events[1:]]))


def _written(name: str, path: Path, times: int = 1) -> Path:
    """A file of a format: its example, `times` over."""
    if name in _BINARY:
        _BINARY[name](path)
        return path
    lines = EXAMPLES[name].lines
    if name == "json_document":
        lines = lines.replace("[\n", "[\n" + (lines.split("[\n")[1].removesuffix("\n]}}\n") + ",\n") * (times - 1))
    elif name in ("declared_fields", "delimited"):
        head = lines[: lines.index("08:04") if name == "declared_fields" else lines.index("2026")]
        lines = head + lines.removeprefix(head) * times
    else:
        lines = lines * times
    path.write_text(lines)
    os.utime(path, (1_795_939_500, 1_795_939_500))
    return path


_BINARY = {"parquet": _parquet, "evtx": _evtx}
READERS = [*_BINARY, *(one.name for one in FORMATS)]


def test_every_format_has_an_example() -> None:
    assert [one.name for one in FORMATS] == list(EXAMPLES)


def _read(path: Path, block_bytes: int = 1 << 20) -> tuple[pl.DataFrame, list[ForewarnError]]:
    problems: list[ForewarnError] = []
    blocks = list(read(path, block_bytes=block_bytes, problems=problems))
    return (pl.concat(blocks) if blocks else pl.DataFrame(schema=RECORDS)), problems


def test_the_page_of_formats_is_the_one_that_the_registry_makes() -> None:
    page = Path(__file__).resolve().parents[1] / "docs" / "formats.md"
    assert page.read_text("utf-8") == formats_page(), "make formats writes it anew"


@pytest.mark.parametrize("name", list(EXAMPLES))
def test_an_example_becomes_what_the_page_of_formats_says(name: str, tmp_path: Path) -> None:
    records, problems = _read(_written(name, tmp_path / "a"))
    example = EXAMPLES[name]
    assert explain_reading(tmp_path / "a").format == name
    assert (records.height, problems) == (2, [])
    assert records["text"][0] == example.gives
    assert records.select(pl.coalesce("level", of_words(pl.col("text")))).to_series()[0] == example.level
    times = [datetime(2026, 11, 29, 8, minute, tzinfo=UTC) for minute in (4, 5)]
    assert [time.replace(microsecond=0) for time in records["time"]] == times
    raw = records["raw"][0]
    assert (raw is None) == (example.fields == "none")
    assert raw is None or isinstance(json.loads(raw), dict)


@pytest.mark.parametrize("name", READERS)
def test_a_reader_gives_the_same_records_for_any_block_size(name: str, tmp_path: Path) -> None:
    whole, problems = _read(_written(name, tmp_path / "a", 30))
    assert (whole.schema, problems) == (pl.Schema(RECORDS), [])
    assert whole.height == (2 if name in _BINARY else 60)
    assert whole["time"].null_count() == 0
    for size in (1, 100, 1_000):
        assert _read(tmp_path / "a", size)[0].equals(whole)


@pytest.mark.parametrize("name", READERS)
def test_half_a_file_gives_what_is_whole_and_never_a_fault(name: str, tmp_path: Path) -> None:
    whole, _ = _read(_written(name, tmp_path / "a", 30))
    content = (tmp_path / "a").read_bytes()
    (tmp_path / "a").write_bytes(content[: len(content) // 2])
    records, problems = _read(tmp_path / "a")
    if name == "json_document":
        # What stands around the list is no event, and the document that holds it is not whole.
        records = records.filter(pl.col("raw").is_not_null())
    assert set(whole["text"]) >= set(records["text"].to_list()[:-1])
    assert records.height or problems


@pytest.mark.parametrize("name", READERS)
def test_a_wrong_encoding_is_never_a_fault(name: str, tmp_path: Path) -> None:
    _written(name, tmp_path / "a", 30)
    content = (tmp_path / "a").read_bytes().replace(b"stopped", b"st\xe9pped\xff")
    (tmp_path / "a").write_bytes(content)
    records, problems = _read(tmp_path / "a")
    assert records.height or problems


@pytest.mark.parametrize("name", list(EXAMPLES))
def test_a_huge_field_and_a_deep_one_leave_the_rest(name: str, tmp_path: Path) -> None:
    for odd in ("x" * 3_000_000, '{"a":' * 10_000 + "1" + "}" * 10_000, "[" * 10_000):
        _written(name, tmp_path / "a", 30)
        content = (tmp_path / "a").read_text()
        (tmp_path / "a").write_text(
            content + "\n" + content.splitlines()[-1].replace("started", odd) + "\n" + odd + "\n"
        )
        records, _ = _read(tmp_path / "a")
        assert records.height >= 59
        assert records["text"].str.len_chars().max() <= MAX_TEXT  # type: ignore[operator]


def _commands(command: click.Command, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], click.Command]]:
    if isinstance(command, click.Group):
        return [found for name, below in commands_of(command).items() for found in _commands(below, (*path, name))]
    return [(path, command)]


@pytest.mark.parametrize(
    ("path", "command"), _commands(cli), ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_every_command_shows_examples_and_explains_every_option(path: tuple[str, ...], command: Any) -> None:
    assert len(command.examples) >= 1, "a command shows how it is typed"
    assert all(line.strip().startswith(("forewarn", "journalctl", "tail", "#", "cat")) for line in command.examples)
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, f"{option.name} of {' '.join(path)} is not explained"
