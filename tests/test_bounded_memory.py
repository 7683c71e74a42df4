"""More texts than memory holds: blocks on disk, a sample to learn from, and the same alerts."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forewarn import embeddings
from forewarn.alerting.selection import decide, decide_blocks
from forewarn.errors import OutputError
from forewarn.frames import RECORDS, SCORED, TEXTS
from forewarn.grouping import text_table
from forewarn.grouping.deobfuscation import plain
from forewarn.grouping.templates import group, keyed
from forewarn.grouping.text_table import TextNumbers, TextTable
from forewarn.options import Options, Policy
from forewarn.pipeline import scan
from forewarn.runtime import chunked_frame as block_frame
from forewarn.runtime.chunked_frame import ChunkedFrame
from forewarn.scoring import scorer as scoring
from forewarn.scoring.scorer import sample_of
from forewarn.warning import timeline
from forewarn.warning.timeline import Clocks, Timeline, scored
from tests.tiny_encoder import TinyEncoder

Run = Callable[..., object]
WORDS = ["backup", "settle", "login", "queue", "cache", "index", "mirror", "probe", "lease", "shard"]


def ordinary(number: int) -> str:
    """One of ten thousand different lines of ordinary words."""
    return " ".join(WORDS[number // 10**place % 10] for place in range(4)) + " finished"


@st.composite
def parted(draw: st.DrawFn) -> list[pl.DataFrame]:
    sizes = draw(st.lists(st.integers(1, 30), min_size=1, max_size=5))
    texts = draw(st.lists(st.text(max_size=5) | st.none(), min_size=sum(sizes), max_size=sum(sizes)))
    frame = pl.DataFrame({"text": texts, "number": range(len(texts))}, schema={"text": pl.String, "number": pl.UInt32})
    ends = np.cumsum([0, *sizes])
    return [frame[int(first) : int(last)] for first, last in itertools.pairwise(ends)]


@settings(deadline=None, max_examples=50)
@given(parted(), st.booleans(), st.data())
def test_rows_are_those_of_the_whole_frame(parts: list[pl.DataFrame], on_disk: bool, data: st.DataObject) -> None:
    blocks = ChunkedFrame(parts[0].schema, on_disk=on_disk)
    for part in parts:
        blocks.append(part)
    whole = pl.concat(parts)
    assert blocks.height == whole.height
    assert blocks.whole().equals(whole)
    assert [block.height for block in blocks.blocks()] == [part.height for part in parts]
    assert (blocks.array("twice", pl.col("number") * 2) == whole["number"].to_numpy() * 2).all()
    asked = data.draw(st.lists(st.integers(0, whole.height - 1), max_size=60))
    assert blocks.rows(np.array(asked, dtype=np.int64)).equals(whole[asked])


def test_the_files_go_with_the_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    blocks = ChunkedFrame({"number": pl.UInt32()}, on_disk=True)
    blocks.append(pl.DataFrame({"number": [1, 2]}))
    numbers = blocks.array("number")
    assert list(tmp_path.iterdir())
    del blocks
    assert not list(tmp_path.iterdir())
    assert numbers.tolist() == [1, 2]


def test_a_full_disk_is_an_error_with_a_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    blocks = ChunkedFrame({"number": pl.UInt32()}, on_disk=True)
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="No space left on device"):
        blocks.append(pl.DataFrame({"number": [1]}))


def partial_texts(lines: list[str], size: int) -> tuple[list[pl.DataFrame], list[pl.DataFrame]]:
    """Records in blocks of `size`, and their partial texts."""
    rows = pl.DataFrame({"text": lines, "line": range(1, len(lines) + 1)}).with_columns(
        source=pl.lit("a.log"), time=None, raw=None, level=None, status=None
    )
    records = rows.select(pl.col(name).cast(dtype) for name, dtype in RECORDS.items())
    blocks = [
        keyed(block := records[at : at + size], (block["line"] % 2).cast(pl.UInt32))
        for at in range(0, len(lines), size)
    ]
    return blocks, [group(block, at * size) for at, block in enumerate(blocks)]


def test_texts_on_disk_are_those_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_table, "BLOCK", 100)
    chance = np.random.default_rng(0)
    lines = [ordinary(int(number)) for number in chance.integers(0, 2_000, 6_000)]
    blocks, partial = partial_texts(lines, 250)
    with TextTable() as memory, TextTable(most=40_000) as disk:
        for part in partial:
            memory.add(part)
            disk.add(part)
        texts, spilled = memory.texts(), disk.texts()
    assert not texts.on_disk
    assert spilled.on_disk
    assert max(block.height for block in spilled.blocks()) <= 100
    assert spilled.whole()["text_id"].to_list() == list(range(texts.height))
    place = ["first_line", "rule_set"]
    assert spilled.whole().drop("text_id").sort(place).equals(texts.whole().drop("text_id").sort(place))
    for kept in (texts, spilled):
        numbers = TextNumbers(kept)
        for block in blocks:
            found = kept.rows(numbers.of(block["text_key"]))
            assert found.select("template", "rule_set").equals(block.select("template", "rule_set"))


def counted(counts: list[int]) -> ChunkedFrame:
    rows = pl.DataFrame({"text_id": range(len(counts)), "count": counts})
    empty = {name: pl.lit(None, dtype).alias(name) for name, dtype in TEXTS.items() if name not in rows.columns}
    return ChunkedFrame.of(rows.with_columns(**empty).select(pl.col(n).cast(t) for n, t in TEXTS.items()))


def test_all_of_few_texts_are_learnt_from() -> None:
    numbers, record_weights = sample_of(counted([3, 1, 2]))
    assert numbers.tolist() == [0, 1, 2]
    assert record_weights.tolist() == [3, 1, 2]


def test_of_many_texts_the_most_frequent_are_learnt_from_and_others_stand_for_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scoring, "HELD", 100)
    counts = [1] * 10_000
    frequent = list(range(7, 10_000, 500))
    for at in frequent:
        counts[at] = 1_000
    numbers, record_weights = sample_of(counted(counts))
    assert 90 < len(numbers) <= 100
    assert (np.diff(numbers) > 0).all()
    assert set(frequent) <= set(numbers.tolist())
    assert (record_weights[np.isin(numbers, frequent)] == 1_000).all()
    assert record_weights.sum() == pytest.approx(sum(counts), rel=0.01)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(-9, 9), st.integers(1, 5), st.integers(0, 2)), min_size=1, max_size=40),
    st.lists(st.integers(1, 15), min_size=1, max_size=4),
    st.sampled_from([Policy(budget=3), Policy(fdr=0.2), Policy(threshold=0.6)]),
)
def test_what_is_raised_does_not_depend_on_the_blocks(
    given_texts: list[tuple[int, int, int]], sizes: list[int], policy: Policy
) -> None:
    log_odds, counts, sets = (np.array(column) for column in zip(*given_texts, strict=True))
    last_words = [None, True, False]
    scores = pl.DataFrame(
        {name: np.zeros(len(log_odds)) for name in SCORED}
        | {
            "text_id": np.arange(len(log_odds)),
            "log_odds": log_odds,
            "probability": 1 / (1 + np.exp(-log_odds.astype(float))),
            "p_value": np.exp(-np.abs(log_odds + 9.0) / 4),
        }
    ).select(pl.col(name).cast(dtype) for name, dtype in SCORED.items())
    texts = counted(counts.tolist()).whole().with_columns(rule_set=pl.Series(sets, dtype=pl.UInt32))
    scored, blocks, first = ChunkedFrame(SCORED, on_disk=False), ChunkedFrame(TEXTS, on_disk=False), 0
    while first < texts.height:
        last = first + sizes[len(list(blocks.blocks())) % len(sizes)]
        scored.append(scores[first:last])
        blocks.append(texts[first:last])
        first = last
    expected = decide(
        scores, texts["count"], policy, None, pl.Series([last_words[number] for number in sets], dtype=pl.Boolean)
    )
    assert decide_blocks(scored, blocks, policy, last_words).to_list() == expected.to_list()


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 40)), min_size=1, max_size=60),
    st.lists(st.integers(1, 20), min_size=1, max_size=4),
)
def test_records_of_several_sources_are_put_in_order_a_stretch_at_a_time(
    said: list[tuple[str, int]], sizes: list[int]
) -> None:
    rows = pl.DataFrame(said, schema={"source": pl.String, "clock": pl.Int64}, orient="row").with_columns(
        line=pl.int_range(pl.len(), dtype=pl.UInt64),
        time=pl.lit(None, pl.Datetime("us", "UTC")),
        text_key=pl.int_range(pl.len(), dtype=pl.UInt64),
        key=pl.lit(0, pl.UInt64),
        kind=pl.lit(0, pl.UInt64),
        by=pl.lit(None, pl.String),
        record_text=pl.format("line {}", pl.int_range(pl.len())),
    )
    texts = pl.DataFrame({"text_key": rows["text_key"], "text": range(rows.height), "score": 0.5, "category": "x"})
    expected = scored(rows, texts, merge=True)

    class Same:
        def of(self, keys: pl.Series) -> np.ndarray:
            return keys.to_numpy().astype(np.int64)

    with pytest.MonkeyPatch.context() as patched, Timeline(Clocks()) as waiting:
        patched.setattr(timeline, "_EVERY", 1)
        patched.setattr(timeline, "_TOGETHER", 5)
        at = 0
        for size in itertools.cycle(sizes):
            if at >= rows.height:
                break
            waiting.keep(rows[at : at + size])
            at += size
        scores, sets = np.full(rows.height, 0.5), np.zeros(rows.height, dtype=np.uint32)
        frames = list(waiting.frames(Same(), scores, sets, pl.Series(["x"]), merge=True))  # type: ignore[arg-type]
    assert pl.concat(frames).equals(expected)
    assert all(frame.height for frame in frames)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """3,000 different ordinary lines, some of them often, and three that are not."""
    lines = [f"2024-05-01 09:{n // 60 % 60:02}:{n % 60:02} INFO {ordinary(n * 7)}" for n in range(3_000)]
    lines += [f"2024-05-01 09:50:{n % 60:02} INFO {ordinary(n * 7)}" for n in range(0, 400, 10) for _ in range(30)]
    lines[1_000] = "2024-05-01 09:16:40 ERROR settle: connection pool exhausted"
    lines[2_000] = "2024-05-01 09:33:20 FATAL kernel panic, out of memory"
    lines[2_500] = "2024-05-01 09:41:40 FATAL disk failure, data loss"
    file = tmp_path / "app.log"
    file.write_text("\n".join(lines) + "\n")
    return file


def bounded(monkeypatch: pytest.MonkeyPatch, *, spill: bool) -> None:
    """Learn from 500 texts, hold 700 of them together, and keep them on disk where `spill`."""
    monkeypatch.setattr(embeddings, "load_encoder", lambda *_, **__: TinyEncoder())
    monkeypatch.setattr(scoring, "HELD", 500)
    for module in (block_frame, text_table):
        monkeypatch.setattr(module, "BLOCK", 700)
    if spill:
        monkeypatch.setattr(text_table, "MOST_IN_MEMORY", 100_000)


@pytest.mark.parametrize("spill", [False, True])
def test_the_same_lines_are_raised_from_a_sample(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spill: bool
) -> None:
    monkeypatch.setattr(embeddings, "load_encoder", lambda *_, **__: TinyEncoder())
    options = Options(policy=Policy(budget=3), cache=False)
    whole = scan([log], options, line_scores=tmp_path / "whole.parquet")
    with monkeypatch.context() as patched:
        bounded(patched, spill=spill)
        found = scan([log], options, line_scores=tmp_path / "scores.parquet")
    assert found.texts.on_disk == spill
    assert found.texts.height == whole.texts.height > 2_900
    assert {alert.text for alert in found.alerts} == {alert.text for alert in whole.alerts}
    assert [alert.count for alert in found.alerts] == [1, 1, 1]
    for alert in found.alerts:
        assert sum(item.log_odds for item in alert.evidence) == pytest.approx(alert.log_odds, abs=1e-9)

    # Every line has the scores of its own text, and they hardly differ from those that all texts give.
    lines, before = (pl.read_parquet(tmp_path / name) for name in ("scores.parquet", "whole.parquet"))
    assert lines.select("source", "line").equals(before.select("source", "line"))
    scores = found.scores.rows(lines["text_id"].to_numpy())
    assert lines["log_odds"].equals(scores["log_odds"])
    for signal in ("rules", "cases"):
        assert np.allclose(lines[signal].to_numpy(), before[signal].to_numpy(), atol=1e-6, equal_nan=True)
    for signal in ("outliers", "log_odds"):
        # Without the heads of lines, which all have in common, texts are further apart and a sample's are fewer alike.
        assert np.corrcoef(lines[signal].to_numpy(), before[signal].to_numpy())[0, 1] > 0.75
    p_values = found.scores.array("p_value")
    assert 0 < p_values.min() <= p_values.max() <= 1


def test_vectors_are_made_anew_where_they_were_not_kept(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bounded(monkeypatch, spill=True)
    found = scan([log], Options(cache=False))
    numbers = np.array([5, 1_234, 2_345, 5])
    expected = TinyEncoder().encode(plain(found.texts.rows(numbers)["example"]).to_list())
    assert np.allclose(found.vectors(numbers), expected, atol=1e-6)
