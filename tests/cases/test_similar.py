"""`forewarn similar` and `forewarn cases` from end to end: the shipped base, the bundled encoder, two languages."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import forewarn as package
from forewarn.alerting.evidence import ALIKE, nearest_crises
from forewarn.cases.importing import CaseColumns, read_cases
from forewarn.cases.similar import READ, similar
from forewarn.embeddings import CaseBase, load_encoder
from forewarn.embeddings.cases import shipped, whole
from forewarn.errors import CaseBaseError, InputError
from forewarn.runtime.atomic import checksum

Run = Callable[..., Any]

QUEUE = "Savers queue outside the bank since dawn to take their money out"
QUEUE_ZH = "储户天不亮就在银行门口排队取款"

INCIDENTS = """id,date,headline,body,category,outcome
i-1,3 May 2019,Payments down,Card payments failed at all tills for three hours,operations,Refunded
i-2,2019-05-04,Payments down again,Card payments failed at all tills for three hours today,operations,
i-3,2021-11,Flooded archive,Water from a burst pipe flooded the archive in the basement,facilities,Dried
i-4,,Ammonia leak,Ammonia leaked in the cold store and four workers were taken to hospital,safety,Fined
"""


@pytest.fixture(scope="module")
def encoder() -> Any:
    return load_encoder("bundled")


@pytest.fixture
def incidents(tmp_path: Path) -> Path:
    file = tmp_path / "incidents.csv"
    file.write_text(INCIDENTS)
    return file


@pytest.fixture
def base(forewarn: Run, incidents: Path, tmp_path: Path) -> Path:
    ran = forewarn("cases", "build", incidents, "-o", tmp_path / "base", "--with", "nothing")
    assert (ran.status, ran.err) == (0, "")
    return tmp_path / "base"


def found(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


# Looking up.


def test_an_english_text_finds_chinese_cases_and_the_other_way_round(encoder: Any) -> None:
    from forewarn.embeddings.cases import complete

    texts = {"en": [QUEUE, "The dam broke after days of rain", "Fish died in the river below the paint factory"]}
    texts["zh"] = [QUEUE_ZH, "连日降雨后大坝溃决", "油漆厂下游河里的鱼大量死亡"]
    bases = {}
    for language, each in texts.items():
        bases[language] = CaseBase.of(complete(pl.DataFrame({"id": list("abc"), "text": each})), encoder)
    for asked, there in (("en", "zh"), ("zh", "en")):
        found = [similar(text, k=1, cases=bases[there], encoder=encoder)[0] for text in texts[asked]]
        assert [case.id for case in found] == list("abc")


def test_results_are_in_order_and_say_what_is_known(forewarn: Run) -> None:
    ran = forewarn("similar", QUEUE, "-k", "4", "--format", "jsonl")
    cases = found(ran.out)
    assert (ran.status, ran.err, len(cases)) == (0, "", 4)
    assert [case["rank"] for case in cases] == [1, 2, 3, 4]
    assert [case["similarity"] for case in cases] == sorted((case["similarity"] for case in cases), reverse=True)
    known = {row["id"]: row for row in shipped().iter_rows(named=True)}
    for case in cases:
        for name in ("time", "title", "title_zh", "category", "outcome", "source", "text"):
            assert case[name] == known[case["id"]][name]
        assert case["kind"] == "similar"


def test_the_words_that_match_are_words_of_the_text(encoder: Any) -> None:
    words = {word for case in similar(QUEUE, k=3, encoder=encoder) for word in case.words}
    assert "bank" in words
    assert words <= set(QUEUE.split())
    chinese = {word for case in similar(QUEUE_ZH, k=3, encoder=encoder) for word in case.words}
    assert "银行" in chinese
    assert all(word in QUEUE_ZH for word in chinese)


def test_filters_leave_out_what_does_not_fit(encoder: Any) -> None:
    some = [
        case
        for case in similar("an explosion at a chemical plant", k=400, after="2010", before="2015-06", encoder=encoder)
        if case.time
    ]
    assert some
    assert all("2010" <= case.time < "2015-06" for case in some if case.time)
    assert {case.category for case in similar(QUEUE, k=30, category="security", encoder=encoder)} == {"security"}
    assert all("WHO" in (case.source or "") for case in similar("fever", k=5, source="who ", encoder=encoder))
    every = shipped().filter((pl.col("label") == 1) & ~pl.col("sign"))
    assert len(similar(QUEUE, k=10_000, encoder=encoder)) == every.height
    wanted = every.filter((pl.col("time") >= "2010") & (pl.col("time") < "2015-06")).height
    assert len(similar(QUEUE, k=10_000, after="2010", before="2015-06", encoder=encoder)) == wanted


def test_spread_results_are_not_one_event_five_times(encoder: Any) -> None:
    event = [f"Card payments failed at the tills of shop {name} for three hours" for name in "abcdef"]
    others = ["A cash machine swallowed cards in the town", "The online bank was down on pay day"]
    rows = {"id": [str(n) for n in range(8)], "text": [*event, *others]}
    from forewarn.embeddings.cases import complete

    base = CaseBase.of(complete(pl.DataFrame(rows)), encoder)
    asked = "card payments failed at all tills"
    plain = [case.id for case in similar(asked, k=3, cases=base, encoder=encoder)]
    assert set(plain) <= set("012345")
    spread = [case.id for case in similar(asked, k=3, cases=base, mmr=0.5, encoder=encoder)]
    assert spread[0] == plain[0]
    assert set(spread) & {"6", "7"}
    assert [case.id for case in similar(asked, k=3, cases=base, mmr=0.0, encoder=encoder)] == plain


def test_spreading_is_maximal_marginal_relevance_by_its_definition(encoder: Any) -> None:
    base = CaseBase.open(None, encoder=encoder)
    query = encoder.encode([QUEUE])
    similarity, numbers = base.look_up(query, 120)
    pool = {int(number): float(near) for number, near in zip(numbers, similarity, strict=True)}
    vectors = {number: base._nearest.vectors(base._rows_of(np.array([number]))[0]) for number in pool}
    chosen: list[int] = []
    for _ in range(5):
        worth = {
            number: 0.6 * near
            - 0.4 * max((float((vectors[number] @ vectors[one].T).max()) for one in chosen), default=0)
            for number, near in pool.items()
            if number not in chosen
        }
        chosen.append(max(worth, key=lambda number: worth[number]))
    assert base.look_up(query, 5, mmr=0.4)[1].tolist() == chosen


def test_a_title_and_a_body_count_each(encoder: Any) -> None:
    base = CaseBase.open(None, encoder=encoder)
    title, body = "Bank closed", "The tanker broke in two and oil reached the beaches of the bay within hours"
    whole = {case.id: case.similarity for case in similar(f"{title}\n\n{body}", k=300, cases=base, encoder=encoder)}
    each = [
        {case.id: case.similarity for case in similar(part, k=400, cases=base, encoder=encoder)}
        for part in (title, body)
    ]
    for name, similarity in whole.items():
        assert similarity == pytest.approx((each[0][name] + each[1][name]) / 2, abs=2e-4)


@pytest.mark.parametrize("text", ["", "  \n\t", "\u3000"])
def test_an_empty_text_is_an_error(forewarn: Run, text: str) -> None:
    ran = forewarn("similar", text)
    assert (ran.status, ran.out) == (2, "")
    assert "the text is empty" in ran.err


def test_a_text_of_a_megabyte_is_cut_and_said_so(forewarn: Run, tmp_path: Path) -> None:
    file = tmp_path / "long.txt"
    file.write_text(f"{QUEUE}. " * 16_000)
    ran = forewarn("similar", "-f", file, "-k", "2", "--format", "jsonl")
    assert ran.status == 0
    assert len(found(ran.out)) == 2
    assert f"first {READ:,} characters" in ran.err
    assert max(map(len, found(ran.out)[0]["words"])) < 100


def test_more_than_there_are_gives_all_and_says_so(forewarn: Run, base: Path) -> None:
    ran = forewarn("similar", QUEUE, "-k", "50", "--cases", base, "--format", "jsonl")
    assert (ran.status, len(found(ran.out))) == (0, 3)
    assert "50 cases were asked for, 3" in ran.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["x", "-k", "0"], "-k 0"),
        (["x", "--mmr", "3"], "--mmr"),
        (["x", "--before", "yesterday"], "--before 'yesterday' is no date"),
        (["x", "--category", "weather"], "no case is of the category 'weather'"),
        (["x", "--cases", "/no/such/cases"], "/no/such/cases: is no case base"),
        (["x", "--encoder", "/no/such/model"], "/no/such/model"),
        (["-f", "/no/such/file"], "/no/such/file: cannot be read"),
        ([], "TEXT"),
        (["x", "-f", "y"], "TEXT"),
    ],
)
def test_what_cannot_be_looked_up_is_one_sentence_and_status_2(forewarn: Run, arguments: list[str], said: str) -> None:
    ran = forewarn("similar", *arguments)
    assert (ran.status, ran.out) == (2, "")
    assert said in ran.err
    assert "Traceback" not in ran.err


def test_a_base_of_another_encoder_is_refused(forewarn: Run, base: Path, tmp_path: Path) -> None:
    manifest = json.loads((base / "manifest.json").read_text())
    (base / "manifest.json").write_text(json.dumps({**manifest, "encoder_checksum": "0" * 64}))
    for command in (["similar", QUEUE, "--cases", base], ["cases", "add", tmp_path / "incidents.csv", "--cases", base]):
        ran = forewarn(*command)
        assert ran.status == 2
        assert "was built with the encoder bundled" in ran.err


def test_standard_input_and_a_file_are_read(forewarn: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "query.txt").write_bytes(QUEUE_ZH.encode("gb18030"))
    from_file = forewarn("similar", "-f", tmp_path / "query.txt", "--format", "jsonl").out
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(QUEUE_ZH.encode())))
    assert forewarn("similar", "-", "--format", "jsonl").out == from_file
    assert forewarn("similar", QUEUE_ZH, "--format", "jsonl").out == from_file


def test_the_table_cannot_be_steered_by_a_case(forewarn: Run, tmp_path: Path) -> None:
    rows = [{"id": "e\x1b[2J", "title": "red \x1b[31m", "text": "an evil case", "outcome": "\x1b]0;x\x07"}]
    (tmp_path / "evil.jsonl").write_text("\n".join(map(json.dumps, rows)))
    forewarn("cases", "build", tmp_path / "evil.jsonl", "-o", tmp_path / "evil", "--with", "nothing")
    for command in (["similar", "evil"], ["cases", "list"], ["cases", "show", "e\x1b[2J"]):
        ran = forewarn(*command, "--cases", tmp_path / "evil")
        assert ran.status == 0
        assert "\x1b[31m" not in ran.out
        assert "\x1b[2J" not in ran.out
        assert "\\x1b" in ran.out


# The base.


def test_a_csv_becomes_a_base_with_times_titles_and_joined_twins(forewarn: Run, base: Path) -> None:
    rows = {
        row["id"]: row
        for row in found(forewarn("cases", "show", "i-1", "i-3", "i-4", "--cases", base, "--format", "jsonl").out)
    }
    assert rows["i-1"]["time"] == "2019-05-03"
    assert (rows["i-1"]["title"], rows["i-1"]["outcome"], rows["i-1"]["count"]) == ("Payments down", "Refunded", 2)
    assert rows["i-1"]["joined"] == ["i-2"]
    assert (rows["i-3"]["time"], rows["i-4"]["time"]) == ("2021-11", None)
    assert rows["i-4"]["source"] == "incidents.csv"


def test_a_list_can_be_built_from_again(forewarn: Run, base: Path, tmp_path: Path) -> None:
    listed = forewarn("cases", "list", "--cases", base, "--all", "--format", "jsonl").out
    (tmp_path / "list.jsonl").write_text(listed)
    forewarn("cases", "build", tmp_path / "list.jsonl", "-o", tmp_path / "again", "--with", "nothing")
    assert forewarn("cases", "list", "--cases", tmp_path / "again", "--all", "--format", "jsonl").out == listed


def test_cases_are_added_removed_and_merged(forewarn: Run, base: Path, incidents: Path, tmp_path: Path) -> None:
    ran = forewarn("cases", "add", incidents, "--cases", base)
    assert (ran.status, ran.out) == (0, f"4 there already; {base} has 3 past crises\n")
    more = tmp_path / "more.jsonl"
    more.write_text(
        json.dumps({"title": "Lift stuck", "text": "The lift stopped between floors with six people in it"})
    )
    assert "1 added" in forewarn("cases", "add", more, "--cases", base, "--outcome", "Freed after an hour").out
    lift = found(
        forewarn("similar", "people caught in an elevator", "-k", "1", "--cases", base, "--format", "jsonl").out
    )
    assert (lift[0]["title"], lift[0]["outcome"]) == ("Lift stuck", "Freed after an hour")
    assert "1 removed" in forewarn("cases", "remove", "i-3", "--cases", base).out
    assert "i-3" not in forewarn("cases", "list", "--cases", base).out
    forewarn("cases", "build", more, "-o", tmp_path / "other", "--with", "nothing")
    ran = forewarn("cases", "merge", base, tmp_path / "other", "-o", tmp_path / "all")
    assert "1 there already" in ran.out
    assert len(forewarn("cases", "list", "--cases", tmp_path / "all", "--format", "jsonl").out.splitlines()) == 3


def test_confirmed_alerts_become_cases_that_the_next_scan_shows(forewarn: Run, tmp_path: Path) -> None:
    log = tmp_path / "pay.log"
    lines = [f"2024-05-01 09:{n:02}:00 INFO worker finished job in {n} ms" for n in range(40)]
    log.write_text("\n".join([*lines, "2024-05-01 09:40:10 ERROR settle: connection pool exhausted, 0 of 64 free"]))
    alerts = tmp_path / "alerts.jsonl"
    assert forewarn("scan", log, "--budget", "1", "-o", alerts).status == 1
    (tmp_path / "old.jsonl").write_text(json.dumps({"text": "The ferry sank in the harbour at night", "id": "ferry"}))
    base = tmp_path / "base"
    forewarn("cases", "build", tmp_path / "old.jsonl", "-o", base)
    ran = forewarn("cases", "add", alerts, "--only", "1", "--cases", base, "--outcome", "Two hours without payments")
    assert "1 added" in ran.out
    log.write_text(
        "\n".join([*lines, "2024-06-01 11:00:00 FATAL settle: all 64 connections of the pool are exhausted"])
    )
    ran = forewarn("scan", log, "--cases", base, "--budget", "1", "--format", "jsonl")
    evidence = {item["signal"]: item for item in found(ran.out)[0]["evidence"]}
    like = evidence["cases"]["why"][0]
    assert like["outcome"] == "Two hours without payments"
    assert like["date"] == "2024-05-01T09:40:10+00:00"
    assert like["title"].startswith("2024-05-01 09:40:10 ERROR settle")
    assert evidence["cases"]["score"] > 0


def test_a_base_of_crises_alone_gets_ordinary_texts_for_contrast(
    forewarn: Run, incidents: Path, tmp_path: Path
) -> None:
    forewarn("cases", "build", incidents, "-o", tmp_path / "contrast")
    rows = found(forewarn("cases", "list", "--cases", tmp_path / "contrast", "--all", "--format", "jsonl").out)
    assert sum(row["label"] == 0 for row in rows) == shipped().filter(pl.col("label") == 0).height
    assert {row["id"] for row in rows if row["label"] == 1 and not row["sign"]} == {"i-1", "i-3", "i-4"}
    forewarn("cases", "build", incidents, "-o", tmp_path / "shipped", "--with", "shipped")
    assert "svb-2023" in forewarn("cases", "list", "--cases", tmp_path / "shipped").out


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("text,label\nfire,maybe\n", "label 'maybe'"),
        ("a,b\n1,2\n", "no column of texts"),
        ("text,label\nfire,1\n,0\n", "in.csv:3"),
        ("id,text\na,fire\na,flood\n", "'a' stands for different cases"),
    ],
)
def test_a_file_that_cannot_become_cases_is_named(forewarn: Run, tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "in.csv").write_text(content)
    ran = forewarn("cases", "build", tmp_path / "in.csv", "-o", tmp_path / "base")
    assert ran.status == 2
    assert said in ran.err
    assert not (tmp_path / "base" / "manifest.json").exists()


def test_labels_and_columns_are_taken_as_named(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("what,kind\nthe dam broke,on-topic\nlunch,off-topic\n")
    with pytest.raises(InputError, match="no column of texts"):
        read_cases([tmp_path / "in.csv"])
    with pytest.raises(InputError, match="no column 'wat'"):
        read_cases([tmp_path / "in.csv"], CaseColumns({"text": "wat"}))
    read = read_cases([tmp_path / "in.csv"], CaseColumns({"text": "what", "label": "kind"}, ("on-topic",)))
    assert read["label"].to_list() == [1, 0]
    assert read["id"].n_unique() == 2
    assert (
        read["id"].to_list()
        == read_cases([tmp_path / "in.csv"], CaseColumns({"text": "what", "label": "kind"}, ("on-topic",)))[
            "id"
        ].to_list()
    )


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2008", "2008"),
        ("2008-05", "2008-05"),
        ("2008-05-12", "2008-05-12"),
        ("28 March 2025", "2025-03-28"),
        ("2007-7-26", "2007-07-26"),
        ("2008年4月5日", "2008-04-05"),
        ("2008-05-12 14:28:04", "2008-05-12T14:28:04Z"),
        ("some day", None),
    ],
)
def test_times_become_iso_8601(tmp_path: Path, written: str, read: str | None) -> None:
    (tmp_path / "in.jsonl").write_text(json.dumps({"text": "x", "time": written}))
    assert read_cases([tmp_path / "in.jsonl"])["time"].to_list() == [read]


def test_what_the_command_can_do_a_script_can() -> None:
    first = package.similar(QUEUE, k=1)[0]
    assert first.category == "finance"
    with pytest.raises(CaseBaseError):
        package.similar(QUEUE, cases=Path("/no/such/base"))


# The shipped base.


def test_the_shipped_base_covers_every_domain_in_two_languages() -> None:
    cases = shipped()
    past = cases.filter((pl.col("label") == 1) & ~pl.col("sign"))
    assert past.height >= 300
    assert cases.filter(pl.col("label") == 0).height >= 300
    assert cases["id"].n_unique() == cases.height
    counts = dict(past["category"].value_counts().iter_rows())
    assert len(counts) >= 8
    assert min(counts.values()) >= 10
    for name in ("title", "title_zh", "text", "category", "source"):
        assert past[name].null_count() == 0, name
    # Events have a date and an outcome; kinds of failure in systems never happened.
    dated = past.filter(~pl.col("example"))
    assert dated.height >= 300
    assert dated["outcome"].null_count() == dated["time"].null_count() == 0
    assert past.filter("example").select(pl.col("outcome", "time").count()).row(0) == (0, 0)
    assert not cases.filter((pl.col("label") == 0) | pl.col("sign"))["example"].any()
    assert dated["time"].str.contains(r"^[12][0-9]{3}(-[01][0-9](-[0-3][0-9])?)?$").all()
    assert past["title_zh"].str.contains(r"[\u4e00-\u9fff]").all()


def test_the_partner_in_the_other_language_comes_first(encoder: Any) -> None:
    file = Path(__file__).parents[2] / "benchmarks" / "data" / "pairs_en_zh.jsonl"
    pairs = pl.read_ndjson(file)
    cosine = encoder.encode(pairs["en"].to_list()) @ encoder.encode(pairs["zh"].to_list()).T
    partner = np.arange(pairs.height)
    assert pairs.height == 100
    assert (cosine.argmax(axis=1) == partner).sum() >= 90
    assert (cosine.argmax(axis=0) == partner).sum() >= 90


def test_the_texts_of_a_scan_are_looked_up(tmp_path: Path, forewarn: Run) -> None:
    log = tmp_path / "pool.log"
    lines = [
        "ERROR connection pool exhausted",
        "INFO user logged in",
        "INFO user logged out",
        "WARN disk is filling up",
    ]
    log.write_text("\n".join(f"2024-05-01 10:00:{second:02} {line}" for second, line in enumerate(lines * 3)))
    for _ in range(2):
        forewarn("scan", log, "--index", tmp_path / "texts")
    ran = forewarn(
        "similar", "no free connection in the pool", "--in", tmp_path / "texts", "-k", "4", "--format", "jsonl"
    )
    first, *others = found(ran.out)
    assert (first["id"], first["time"], first["count"]) == (f"{log}:1", "2024-05-01T10:00:00Z", 3)
    assert first["text"].endswith("connection pool exhausted")
    assert len(others) == 3

    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    refused = forewarn("scan", log, "--index", tmp_path / "mine")
    assert refused.status == 2
    assert "holds other files (notes.txt)" in refused.err


def test_every_count_of_the_cases_is_the_same(forewarn: Run, tmp_path: Path) -> None:
    past, everything = "323 past crises, 40 written examples", "67 first signs, 315 ordinary texts"
    assert past in forewarn("cases", "list").err
    assert f"{past}, {everything}" in forewarn("cases", "list", "--all").err
    assert f"{past}, {everything}" in forewarn("doctor").out
    folder = Path(__file__).parents[2]
    readme, page = ((folder / name).read_text() for name in ("README.md", "docs/cases.md"))
    assert "323 past crises, 40 written examples and 67 first signs, and 315 ordinary texts" in readme
    assert "323 past crises" in page
    assert shipped().height == 323 + 40 + 67 + 315
    (tmp_path / "own.csv").write_text("text\nThe dam failed at night\nA bridge fell\nThe bank is closed\n")
    ran = forewarn("cases", "build", tmp_path / "own.csv", "-o", tmp_path / "base")
    assert f"3 past crises, {everything}" in ran.out
    assert "3 past crises" in forewarn("cases", "list", "--cases", tmp_path / "base").err


def test_a_written_example_has_no_outcome_wherever_it_is_shown(forewarn: Run) -> None:
    ran = forewarn("similar", "could not obtain connection from pool, 0 idle 64 active", "-k", "1")
    assert "written example" in ran.out
    assert len(ran.out.splitlines()) == 2
    assert "outcome" not in forewarn("cases", "show", "op-pool-exhausted").out


def test_a_base_from_before_there_were_examples_is_read(base: Path) -> None:
    (file,) = base.glob("cases-*.parquet")
    rows = pl.read_parquet(file)
    manifest = json.loads((base / "manifest.json").read_text())
    rows.drop("example").write_parquet(file)
    manifest["files"]["cases"] = {"size": file.stat().st_size, "sha256": checksum(file)}
    (base / "manifest.json").write_text(json.dumps(manifest))
    assert whole(base)["example"].sum() == 0
    assert whole(base).drop("example").equals(rows.drop("example", "parts"))
    assert package.similar(QUEUE, k=1, cases=base)


def test_what_is_like_no_past_crisis_is_given_none(encoder: Any) -> None:
    cases = CaseBase.open(None, encoder=encoder)
    texts = [QUEUE, "The quarterly newsletter has a recipe for plum cake", "qzx 17 vv"]
    like = nearest_crises(cases, encoder.encode(texts))
    assert [len(one) for one in like[1:]] == [0, 0]
    assert like[0]
    assert all((reason.similarity or 0) >= ALIKE for reason in like[0])
