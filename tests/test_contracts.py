"""What CONTRIBUTING asks of every signal, encoder, detector, reader and output; each is found, none is listed here."""

from __future__ import annotations

import json
from collections.abc import Callable
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
from forewarn.reading import formats
from forewarn.reading.records import read
from forewarn.scoring import fusion

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


ROWS = [("2026-03-01T08:00:00Z", f"pump {number} of the works reports pressure") for number in range(40)]


def _json(path: Path) -> None:
    path.write_text("".join(json.dumps({"time": time, "message": text}) + "\n" for time, text in ROWS))


def _csv(path: Path) -> None:
    path.write_text("time,message\n" + "".join(f"{time},{text}\n" for time, text in ROWS))


def _parquet(path: Path) -> None:
    pl.DataFrame(ROWS, schema=["time", "message"], orient="row").write_parquet(path)


WRITERS: dict[str, Callable[[Path], None]] = {"json_events": _json, "delimited": _csv, "parquet": _parquet}
READERS = sorted(path.stem for path in Path(str(formats.__path__[0])).glob("*.py") if path.stem != "__init__")


def test_every_reader_has_a_file_here() -> None:
    assert sorted(WRITERS) == READERS


def _read(path: Path, block_bytes: int = 1 << 20) -> tuple[pl.DataFrame, list[ForewarnError]]:
    problems: list[ForewarnError] = []
    blocks = list(read(path, block_bytes=block_bytes, problems=problems))
    return (pl.concat(blocks) if blocks else pl.DataFrame(schema=RECORDS)), problems


@pytest.mark.parametrize("reader", READERS)
def test_a_reader_gives_the_same_records_for_any_block_size(reader: str, tmp_path: Path) -> None:
    WRITERS[reader](tmp_path / "a")
    whole, problems = _read(tmp_path / "a")
    assert (whole.schema, whole.height, problems) == (pl.Schema(RECORDS), len(ROWS), [])
    assert whole["text"].to_list() == [text for _, text in ROWS]
    assert whole["time"].null_count() == 0
    for size in (1, 100, 1_000):
        assert _read(tmp_path / "a", size)[0].equals(whole)


@pytest.mark.parametrize("reader", READERS)
def test_half_a_file_gives_what_is_whole_and_never_a_fault(reader: str, tmp_path: Path) -> None:
    WRITERS[reader](tmp_path / "a")
    content = (tmp_path / "a").read_bytes()
    (tmp_path / "a").write_bytes(content[: len(content) // 2])
    records, problems = _read(tmp_path / "a")
    assert {text for _, text in ROWS} >= set(records["text"].to_list()[:-1])
    assert records.height or problems


@pytest.mark.parametrize("reader", READERS)
def test_a_wrong_encoding_is_never_a_fault(reader: str, tmp_path: Path) -> None:
    WRITERS[reader](tmp_path / "a")
    content = (tmp_path / "a").read_bytes().replace(b"pressure", b"pr\xe9ssion\xff")
    (tmp_path / "a").write_bytes(content)
    records, problems = _read(tmp_path / "a")
    assert records.height or problems


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
