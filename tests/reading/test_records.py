"""Whatever file a user has becomes records: the same lines, with their numbers, their times and their source."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import os
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

import polars as pl
import pytest
import zstandard
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from forewarn.errors import ForewarnError, InputError
from forewarn.frames import RECORDS
from forewarn.reading import decoding as decode
from forewarn.reading.decoding import MAX_LINE, TextBlock, look_at
from forewarn.reading.formats import delimited as tables
from forewarn.reading.formats import json_documents
from forewarn.reading.formats import json_events as events
from forewarn.reading.lines import MAX_TEXT
from forewarn.reading.problems import Problems
from forewarn.reading.records import read

COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "": lambda data: data,
    ".gz": lambda data: gzip.compress(data, mtime=0),
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.compress,
}


def table(paths: object, **options: object) -> tuple[pl.DataFrame, list[ForewarnError]]:
    """All records in one frame, and the problems."""
    problems: list[ForewarnError] = []
    frames = list(read(paths, problems=problems, **options))  # type: ignore[arg-type]
    for frame in frames:
        assert dict(frame.schema) == RECORDS
    return pl.concat(frames) if frames else pl.DataFrame(schema=RECORDS), problems


def lines_of(records: pl.DataFrame) -> list[tuple[int, str]]:
    return records.select("line", "text").rows()


def said(problems: list[ForewarnError]) -> list[tuple[str, int | None, str]]:
    return [(Path(problem.path or "").name, problem.line, problem.message) for problem in problems]


def good(path: Path, text: str = "2024-03-09 07:05:03 all is well\n") -> Path:
    path.write_text(text)
    return path


# Plain text


def test_each_line_is_a_record_with_its_number_time_and_source(tmp_path: Path) -> None:
    file = good(tmp_path / "gate.log", "2024-03-09 07:05:03 gate closed\n\n  \n2024-03-09 07:05:04 gate open\n")
    records, problems = table(file)
    assert records.rows() == [
        (str(file), 1, datetime(2024, 3, 9, 7, 5, 3, tzinfo=UTC), "2024-03-09 07:05:03 gate closed", None, None, None),
        (str(file), 4, datetime(2024, 3, 9, 7, 5, 4, tzinfo=UTC), "2024-03-09 07:05:04 gate open", None, None, None),
    ]
    assert problems == []


def test_line_ends_of_windows_are_no_part_of_the_text(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"one\r\n\r\nthree\r\nfour")
    assert lines_of(table(tmp_path / "a.log")[0]) == [(1, "one"), (3, "three"), (4, "four")]


def test_control_characters_in_a_line_are_kept_less_orders_to_a_terminal(tmp_path: Path) -> None:
    text = "a \x00 nul, \x07 bell and a \x0b tab\u2028 in one line of otherwise ordinary text"
    (tmp_path / "a.log").write_text(text + "\n\x1b[2J\x1b[1;31mred\x1b[0m \x1b]0;title\x07next\n")
    assert lines_of(table(tmp_path / "a.log")[0]) == [(1, text), (2, "red next")]


def test_runs_of_nuls_in_a_text_are_blanks(tmp_path: Path) -> None:
    for size in (64, 70_000, 2_500_000):
        for data, line in ((bytes(size) + b"gate shut\n", 1), (b"gate shut\n" + bytes(size), 1)):
            (tmp_path / "a.log").write_bytes(data)
            records, problems = table(tmp_path / "a.log")
            assert [(number, text.strip()) for number, text in lines_of(records)] == [(line, "gate shut")]
            assert not problems


def test_nothing_but_nuls_is_binary(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(bytes(3_000_000))
    assert "binary" in str(table(tmp_path / "a.log")[1][0])


def test_carriage_returns_alone_end_lines(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"gate shut\rgate open\r")
    assert lines_of(table(tmp_path / "a.log")[0]) == [(1, "gate shut"), (2, "gate open")]


def test_a_skippable_frame_may_come_first(tmp_path: Path) -> None:
    skipped = b"\x5a\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"index"
    (tmp_path / "a.zst").write_bytes(skipped * 2 + COMPRESSIONS[".zst"](b"gate shut\n"))
    assert lines_of(table(tmp_path / "a.zst")[0]) == [(1, "gate shut")]


def test_a_text_that_begins_like_bzip2_is_text(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("BZh9 gate shut\n")
    assert lines_of(table(tmp_path / "a.log")[0]) == [(1, "BZh9 gate shut")]


def test_a_time_without_a_year_is_dated_by_the_files_own_change(tmp_path: Path) -> None:
    file = good(tmp_path / "a.log", "Mar  9 07:05:03 host gate closed\n")
    moment = datetime(2019, 3, 10, tzinfo=UTC).timestamp()
    os.utime(file, (moment, moment))
    assert table(file)[0]["time"].to_list() == [datetime(2019, 3, 9, 7, 5, 3, tzinfo=UTC)]


def test_lines_that_talk_in_commas_are_no_table(tmp_path: Path) -> None:
    lines = ["2024-03-09 07:05:03, Info, gate, closed", "2024-03-09 07:05:04, Info, gate, open"]
    good(tmp_path / "a.log", "\n".join(lines))
    assert table(tmp_path / "a.log")[0]["text"].to_list() == lines


# Which files


def test_a_folder_is_read_in_the_order_of_names_without_hidden_files(tmp_path: Path) -> None:
    (tmp_path / "b" / "deep").mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    for name in ("b/deep/x.log", "b/a.log", "c.log", "a.log", ".hidden", ".git/config"):
        good(tmp_path / name, name + "\n")
    records, problems = table(tmp_path)
    assert records["text"].to_list() == ["a.log", "b/a.log", "b/deep/x.log", "c.log"]
    assert records["source"].to_list() == [str(tmp_path / name) for name in records["text"]]
    assert problems == []


def test_a_hidden_file_is_read_when_it_is_named(tmp_path: Path) -> None:
    assert table(good(tmp_path / ".hidden", "seen\n"))[0]["text"].to_list() == ["seen"]


def test_a_file_that_is_reached_twice_is_read_once(tmp_path: Path) -> None:
    file = good(tmp_path / "a.log", "once\n")
    (tmp_path / "current.log").symlink_to(file)
    assert table([file, tmp_path, file])[0]["text"].to_list() == ["once"]


def test_standard_input_is_read_where_a_dash_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Standard:
        buffer = io.BytesIO(gzip.compress(b"one\ntwo\n"))

    monkeypatch.setattr(sys, "stdin", Standard)
    records, _ = table([good(tmp_path / "a.log", "zero\n"), "-"])
    assert records.select("source", "line", "text").rows() == [
        (str(tmp_path / "a.log"), 1, "zero"),
        ("-", 1, "one"),
        ("-", 2, "two"),
    ]


def test_many_small_files_share_a_block_and_keep_their_own_numbers_and_times(tmp_path: Path) -> None:
    for number in range(40):
        start = "2024-03-09 07:05:03" if number % 2 else "[Sat Mar 09 07:05:03 2024]"
        good(tmp_path / f"{number:02}.log", f"{start} up\n\n{start} down {number}\n")
    frames = list(read(tmp_path))
    assert len(frames) == 1
    assert frames[0]["line"].to_list() == [1, 3] * 40
    assert frames[0]["time"].to_list() == [datetime(2024, 3, 9, 7, 5, 3, tzinfo=UTC)] * 80
    assert frames[0]["source"].to_list() == [str(tmp_path / f"{n:02}.log") for n in range(40) for _ in range(2)]


def test_blocks_are_bounded(tmp_path: Path) -> None:
    file = good(tmp_path / "a.log", "2024-03-09 07:05:03 a line of forty characters\n" * 5000)
    frames = list(read(file, block_bytes=10_000))
    assert len(frames) > 10
    assert max(frame["text"].str.len_bytes().sum() for frame in frames) < 21_000
    assert pl.concat(frames)["line"].to_list() == list(range(1, 5001))


# Compressions and encodings


@pytest.mark.parametrize("suffix", COMPRESSIONS)
def test_a_compressed_file_is_known_by_its_content(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "plain.txt").write_bytes(COMPRESSIONS[suffix](b"one\ntwo\n"))
    assert lines_of(table(tmp_path / "plain.txt")[0]) == [(1, "one"), (2, "two")]


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst"])
def test_several_compressed_members_are_one_text(tmp_path: Path, suffix: str) -> None:
    pack = COMPRESSIONS[suffix]
    (tmp_path / "a").write_bytes(pack(b"one\nt") + pack(b"wo\n") + (b"" if suffix == ".zst" else b"\0" * 8))
    records, problems = table(tmp_path / "a")
    assert lines_of(records) == [(1, "one"), (2, "two")]
    assert problems == []


CHINESE = "今天上午，多家银行的门前排起了长队，储户们要求取出自己的存款。\n监管部门表示正在了解情况\nATM error 51\n"


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "gb18030", "gbk"]
)
def test_chinese_text_is_read_in_the_encodings_of_chinese(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.txt").write_bytes(CHINESE.encode(encoding))
    records, problems = table(tmp_path / "a.txt")
    assert records["text"].to_list() == CHINESE.splitlines()
    assert problems == []


def test_a_gb18030_line_after_much_ascii_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"all is well\n" * 20_000 + CHINESE.encode("gb18030"))
    records, problems = table(tmp_path / "a.log", block_bytes=1 << 16)
    assert records["text"].to_list()[-3:] == CHINESE.splitlines()
    assert problems == []


def test_another_encoding_is_guessed_and_said(tmp_path: Path) -> None:
    text = "Сегодня утром у дверей нескольких банков выстроились очереди, вкладчики требуют свои деньги.\n" * 5
    (tmp_path / "a.txt").write_bytes(text.encode("koi8-r"))
    records, problems = table(tmp_path / "a.txt")
    assert records["text"].to_list() == text.splitlines()
    assert len(problems) == 1
    assert "likeliest" in problems[0].message


def test_korean_and_french_are_not_taken_for_chinese() -> None:
    korean = "오늘 아침 여러 은행 앞에 긴 줄이 생겼고 예금자들은 돈을 돌려달라고 요구했다\n" * 3
    french = "Les déposants réclament leur argent, la banque a fermé ses guichets dès lundi; été, déjà, élan.\n"
    assert look_at(korean.encode("euc-kr"), True).encoding != "gb18030"
    assert look_at(french.encode("latin-1"), True).encoding != "gb18030"


def test_invalid_utf8_is_replaced_and_the_first_bad_line_named(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"one\ntwo \xff\xfe\nthree\nfour \xe4\xb8\nfive\n")
    records, problems = table(tmp_path / "a.log")
    assert records["text"].to_list() == ["one", "two \ufffd\ufffd", "three", "four \ufffd", "five"]
    assert said(problems) == [("a.log", 2, problems[0].message)]
    assert "not valid UTF-8" in problems[0].message
    assert "1 more" in problems[0].message


def test_a_broken_pair_in_utf16_is_replaced_and_named(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes("\ufeffone\ntwo ".encode("utf-16-le") + b"\x00\xd8" + "x\n".encode("utf-16-le"))
    records, problems = table(tmp_path / "a.log")
    assert records["text"].to_list() == ["one", "two \ufffdx"]
    assert said(problems)[0][:2] == ("a.log", 2)


ANY_LINE = st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from("\t\x07\x00"), max_size=25).filter(
    lambda line: bytes(8).decode() not in line
)
CHINESE_LINE = st.text(st.sampled_from("银行今天关门储户排队取款的了是在不有和 abc,.，。019"), max_size=25)
ENCODED = st.one_of(
    st.tuples(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]), st.lists(ANY_LINE, max_size=12)),
    st.tuples(st.sampled_from(["utf-16-le", "utf-16-be", "gb18030"]), st.lists(CHINESE_LINE, max_size=12)),
)


def filled(lines: list[str]) -> list[tuple[int, str]]:
    """What plain reading means: every line that is not blank, numbered from 1."""
    return [(number, line) for number, line in enumerate(lines, 1) if line.strip()]


@settings(deadline=None, max_examples=150)
@given(
    ENCODED,
    st.sampled_from(sorted(COMPRESSIONS)),
    st.sampled_from([1, 7, 64, 1 << 20]),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_the_same_lines_come_back_from_any_encoding_compression_and_block_size(
    tmp_path_factory: pytest.TempPathFactory,
    encoded: tuple[str, list[str]],
    suffix: str,
    block_bytes: int,
    end: str,
    ended: bool,
) -> None:
    encoding, lines = encoded
    lines = ["第一行写着银行今天关门储户排队取款, first" if encoding[-1] in "eE0" else "the first line", *lines]
    text = end.join(lines) + (end if ended else "")
    file = tmp_path_factory.mktemp("any") / "a.txt"
    file.write_bytes(COMPRESSIONS[suffix](text.encode(encoding)))
    records, _ = table(file, block_bytes=block_bytes)
    assert lines_of(records) == filled(lines)


@settings(deadline=None, max_examples=60)
@given(
    st.binary(max_size=300)
    | st.lists(
        st.sampled_from([b'{"a":', b'"x"}', b"\n", b",", b"\xff", b'"', b"[", b"a,b\n", b"1", b"\0", b"\xc4\xe3"]),
        max_size=40,
    ).map(b"".join),
    st.sampled_from(["a.log", "a.csv"]),
    st.sampled_from([1, 1 << 20]),
)
def test_any_bytes_can_be_read(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, name: str, block_bytes: int
) -> None:
    file = tmp_path_factory.mktemp("bytes") / name
    file.write_bytes(data)
    table(file, block_bytes=block_bytes)


@settings(deadline=None, max_examples=60)
@given(st.data(), st.sampled_from([".gz", ".bz2", ".xz", ".zst"]))
def test_a_damaged_compressed_file_gives_a_start_of_its_lines(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, suffix: str
) -> None:
    lines = [f"line {number} of the log" for number in range(300)]
    whole = COMPRESSIONS[suffix]("\n".join(lines).encode())
    at = data.draw(st.integers(8, len(whole) - 1))
    file = tmp_path_factory.mktemp("damaged") / "a"
    file.write_bytes(whole[:at])
    records, problems = table(file)
    texts = records["text"].to_list()
    assert texts[:-1] == lines[: len(texts[:-1])]
    assert len(problems) == 1
    assert "before its end" in problems[0].message or "damaged" in problems[0].message


# JSON


def test_json_lines_give_message_time_and_the_whole_event(tmp_path: Path) -> None:
    events_ = [
        '{"timestamp": "2024-03-09T07:05:03Z", "level": "error", "message": "gate \\u5173\\u95ed\\n", "n": 1}',
        '{"ts": 1709967903.5, "msg": "gate open"}',
        '{"level": "info", "gate": {"name": "north", "open": true, "tags": ["a", "b\\"c"]}, "seen": "2024"}',
        "{}",
    ]
    good(tmp_path / "a.log", "\n".join(events_) + "\n")
    records, problems = table(tmp_path / "a.log")
    assert records["text"].to_list() == [
        "[error] gate 关闭",
        "gate open",
        'level: info; name: north; tags: a; tags: b"c; seen: 2024',
        "{}",
    ]
    assert records["raw"].to_list() == events_
    assert records["time"].to_list()[:2] == [
        datetime(2024, 3, 9, 7, 5, 3, tzinfo=UTC),
        datetime(2024, 3, 9, 7, 5, 3, 500_000, tzinfo=UTC),
    ]
    assert problems == []


def test_a_title_goes_before_the_text_unless_the_text_begins_with_it(tmp_path: Path) -> None:
    rows = [
        {"标题": "银行关门", "正文": "储户排队"},
        {"标题": "银行", "正文": "银行关门"},
        {"标题": "只有标题", "正文": ""},
    ]
    good(tmp_path / "a.jsonl", "\n".join(json.dumps(row, ensure_ascii=False) for row in rows))
    assert table(tmp_path / "a.jsonl")[0]["text"].to_list() == ["银行关门\n储户排队", "银行关门", "只有标题"]


def test_half_a_json_line_is_named_and_kept_as_text(tmp_path: Path) -> None:
    lines = ['{"text": "one"}', '{"text": "ha', '{"text": "three"}', "plain words", '{"text": "five"}']
    good(tmp_path / "a.jsonl", "\n".join(lines))
    records, problems = table(tmp_path / "a.jsonl")
    assert records["text"].to_list() == ["one", '{"text": "ha', "three", "plain words", "five"]
    assert records["raw"].is_null().to_list() == [False, True, False, True, False]
    assert said(problems) == [("a.jsonl", 2, "is not whole JSON; read as plain text (and 1 more such lines)")]


def test_json_fields_can_be_named_by_the_user(tmp_path: Path) -> None:
    good(tmp_path / "a.jsonl", '{"message": "no", "note": "yes", "a": {"when": "2024-03-09"}, "time": "2001-01-01"}\n')
    records, problems = table(tmp_path / "a.jsonl", text_column="note", time_column="a.when")
    assert records.select("text", "time").rows() == [("yes", datetime(2024, 3, 9, tzinfo=UTC))]
    assert problems == []
    _, problems = table(tmp_path / "a.jsonl", text_column="nothing")
    assert "'nothing'" in problems[0].message


WINDOWS_EVENT = {
    "Event": {
        "System": {"EventID": 1, "TimeCreated": {"#attributes": {"SystemTime": "2024-03-09T07:05:03.25Z"}}},
        "EventData": {"RuleName": "-", "Image": "C:\\Windows\\gate.exe", "CommandLine": "gate /close"},
    }
}


@pytest.mark.parametrize("indent", [None, 2])
def test_a_windows_event_is_one_record_with_its_own_time(tmp_path: Path, indent: int | None) -> None:
    good(tmp_path / "a.json", json.dumps(WINDOWS_EVENT, indent=indent))
    records, problems = table(tmp_path / "a.json")
    assert records["text"].to_list() == ["1; Image: C:\\Windows\\gate.exe; CommandLine: gate /close"]
    assert records["time"].to_list() == [datetime(2024, 3, 9, 7, 5, 3, 250_000, tzinfo=UTC)]
    assert json.loads(records["raw"][0]) == WINDOWS_EVENT
    assert "\n" not in records["raw"][0]
    assert problems == []


@pytest.mark.parametrize("block_bytes", [1, 50, 1 << 20])
@pytest.mark.parametrize(
    "document",
    [
        '[\n  {"msg": "one"},\n  {"msg":\n "two"}\n, "three"]\n',
        '{"Records": [\n{"msg": "one"},\n{"msg": "two"}\n, "three"], "count": 3}',
        '{"msg":\n"one"}\n{"msg":\n"two"} \n"three"',
    ],
)
def test_a_json_document_is_one_record_an_element(tmp_path: Path, document: str, block_bytes: int) -> None:
    good(tmp_path / "a.json", document)
    records, problems = table(tmp_path / "a.json", block_bytes=block_bytes)
    assert records["text"].to_list() == ["one", "two", "three"]
    starts = ['{"msg": "one"', '{"msg":\n"one"', '{"msg": "two"', '{"msg":\n "two"', '{"msg":\n"two"', '"three"']
    assert records["line"].to_list() == [1 + document[: document.index(x)].count("\n") for x in starts if x in document]
    assert problems == []


def test_a_document_that_breaks_off_keeps_its_lines(tmp_path: Path) -> None:
    good(tmp_path / "a.json", '[\n{"msg": "one"},\n{"msg": "two",\n "more": "th')
    records, problems = table(tmp_path / "a.json")
    assert lines_of(records) == [(2, "one"), (3, '{"msg": "two",'), (4, ' "more": "th')]
    assert said(problems)[0][:2] == ("a.json", 3)


def test_text_that_starts_like_json_is_text(tmp_path: Path) -> None:
    lines = ['{"main"} started', "[Sat Mar 09 07:05:03 2024] up", "{} placeholder", '["a" is first]']
    for line in lines:
        good(tmp_path / "a.log", line + "\nmore words\n")
        assert table(tmp_path / "a.log")[0]["text"].to_list() == [line, "more words"]


VALUE = st.text(max_size=8) | st.integers(-(2**60), 2**60) | st.booleans() | st.none()
EVENT = st.dictionaries(st.sampled_from(["message", "time", "a", "b"]), VALUE, max_size=4)


@settings(deadline=None)
@given(st.lists(EVENT, min_size=1, max_size=10), st.lists(st.integers(0, 9), max_size=2), st.booleans())
def test_events_parsed_in_blocks_are_those_parsed_one_by_one(
    items: list[dict[str, object]], broken: list[int], ascii_: bool
) -> None:
    lines = [json.dumps(item, ensure_ascii=ascii_) for item in items]
    for number in broken:
        if number < len(lines):
            lines[number] = lines[number][:-1]
    series = pl.Series(lines)
    with mock.patch.object(events, "_ONE_BY_ONE", 1):
        whole = events._parsed(series, ["message", "time"])
    assert whole.equals(events._parsed_one_by_one(series, ["message", "time"]))


KEY = st.text(st.sampled_from('ab"\\:'), max_size=3)
NESTED = st.recursive(
    st.text(max_size=6) | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEY, inner, max_size=3),
    max_leaves=10,
)


def words_of(value: object, last_key: list[str]) -> Iterator[str]:
    """The strings in an event, each with the key that was written last before it."""
    if isinstance(value, dict):
        for name, inner in value.items():
            last_key[0] = name
            yield from words_of(inner, last_key)
    elif isinstance(value, list):
        for inner in value:
            yield from words_of(inner, last_key)
    elif isinstance(value, str) and value not in ("", "-"):
        yield f"{last_key[0]}: {value}" if last_key[0] else value


@settings(deadline=None)
@given(st.lists(st.dictionaries(KEY, NESTED, max_size=4), min_size=1, max_size=5), st.booleans())
def test_an_event_without_a_message_says_all_its_strings(items: list[dict[str, object]], ascii_: bool) -> None:
    lines = [json.dumps(item, ensure_ascii=ascii_) for item in items]
    assert events._rendered(pl.Series(lines)).to_list() == ["; ".join(words_of(item, [""])) or None for item in items]


@settings(deadline=None)
@given(st.lists(EVENT, max_size=6), st.sampled_from([None, 0, 2]), st.booleans(), st.integers(1, 40))
def test_a_document_gives_back_its_elements_with_their_lines(
    items: list[dict[str, object]], indent: int | None, array: bool, piece: int
) -> None:
    text = json.dumps(items, indent=indent) if array else "\n".join(json.dumps(item, indent=indent) for item in items)
    lines = text.split("\n")
    blocks = [
        TextBlock(at + 1, ("\n".join(lines[at : at + piece]) + "\n").encode()) for at in range(0, len(lines), piece)
    ]
    found = [
        (number, json.loads(line))
        for numbers, data in json_documents.document(iter(blocks), text)
        for number, line in zip(numbers, data.decode().split("\n")[:-1], strict=True)
    ]
    assert [event for _, event in found] == items
    for number, event in found:
        assert "{" in lines[number - 1] if event else "{}" in lines[number - 1]


# Tables


def test_a_table_gives_its_text_column_and_the_whole_row(tmp_path: Path) -> None:
    good(tmp_path / "a.csv", 'id,time,message\n1,2024-03-09 07:05:03,"gate, ""north""\nclosed"\n2,,open\n')
    records, problems = table(tmp_path / "a.csv")
    assert lines_of(records) == [(2, 'gate, "north"\nclosed'), (4, "open")]
    assert records["time"].to_list() == [datetime(2024, 3, 9, 7, 5, 3, tzinfo=UTC), None]
    assert json.loads(records["raw"][0]) == {
        "id": "1",
        "time": "2024-03-09 07:05:03",
        "message": 'gate, "north"\nclosed',
    }
    assert problems == []


@pytest.mark.parametrize(("name", "delimiter"), [("a.tsv", "\t"), ("a.csv", ";"), ("a.txt", "|"), ("a.log", "\t")])
def test_a_table_is_known_by_its_content(tmp_path: Path, name: str, delimiter: str) -> None:
    rows = [["time", "level", "message"], ["2024-03-09", "info", "gate closed"], ["2024-03-10", "info", "gate open"]]
    good(tmp_path / name, "\n".join(delimiter.join(row) for row in rows))
    records, _ = table(tmp_path / name)
    assert lines_of(records) == [(2, "gate closed"), (3, "gate open")]
    assert records["time"].to_list() == [datetime(2024, 3, 9, tzinfo=UTC), datetime(2024, 3, 10, tzinfo=UTC)]


def test_title_and_body_of_a_chinese_feed_are_joined(tmp_path: Path) -> None:
    good(tmp_path / "a.csv", ",日期,标题,正文\n7,2024年3月9日,银行关门,储户排队\n8,2024年3月10日,银行开门,\n")
    records, _ = table(tmp_path / "a.csv")
    assert records["text"].to_list() == ["银行关门\n储户排队", "银行开门"]
    assert records["time"].to_list() == [datetime(2024, 3, 9, tzinfo=UTC), datetime(2024, 3, 10, tzinfo=UTC)]


def test_a_day_and_a_clock_in_two_columns_are_one_time(tmp_path: Path) -> None:
    good(tmp_path / "a.csv", "Date,Time,Message\n2024-03-09,07:05:03,gate closed\n")
    assert table(tmp_path / "a.csv")[0]["time"].to_list() == [datetime(2024, 3, 9, 7, 5, 3, tzinfo=UTC)]


def test_the_column_that_reads_like_sentences_is_the_text(tmp_path: Path) -> None:
    sentences = [f"The north gate was closed this morning because of high water, day {day}" for day in range(3)]
    good(
        tmp_path / "a.csv",
        "id,kind,what\n" + "".join(f"{i},gate,{s!r}\n".replace("'", '"') for i, s in enumerate(sentences)),
    )
    assert table(tmp_path / "a.csv")[0]["text"].to_list() == sentences


def test_a_row_without_a_sentence_says_all_its_words(tmp_path: Path) -> None:
    good(tmp_path / "a.csv", "Date,Disease,Country,Cases\n2024-03-09,Cholera,Angola,12\n2024-03-10,,Angola,3\n")
    records, _ = table(tmp_path / "a.csv")
    assert records["text"].to_list() == ["Disease: Cholera; Country: Angola", "Country: Angola"]


def test_a_table_without_a_header_has_numbered_columns(tmp_path: Path) -> None:
    good(tmp_path / "a.csv", "1,the gate was closed\n2,the gate was opened\n")
    records, _ = table(tmp_path / "a.csv", text_column="column_2")
    assert lines_of(records) == [(1, "the gate was closed"), (2, "the gate was opened")]


def test_columns_can_be_named_by_the_user(tmp_path: Path) -> None:
    good(tmp_path / "a.txt", "note;message;when;time\nyes;no;2024-03-09;2001-01-01\n")
    records, problems = table(tmp_path / "a.txt", text_column="note", time_column="when")
    assert records.select("text", "time").rows() == [("yes", datetime(2024, 3, 9, tzinfo=UTC))]
    assert problems == []


def test_a_missing_text_column_is_named_with_those_there_are_and_the_rest_goes_on(tmp_path: Path) -> None:
    good(tmp_path / "a.csv", "when,message\n2024-03-09,hello\n")
    good(tmp_path / "b.csv", "when,body\n2024-03-09,hello\n")
    records, problems = table(tmp_path, text_column="body")
    assert records["source"].to_list() == [str(tmp_path / "b.csv")]
    assert said(problems) == [("a.csv", 1, "has no column 'body' for the text; there are when, message")]


def test_a_missing_time_column_is_named_and_the_text_is_read(tmp_path: Path) -> None:
    good(tmp_path / "a.csv", "when,message\n2024-03-09,hello\n")
    records, problems = table(tmp_path / "a.csv", time_column="date")
    assert records.select("text", "time").rows() == [("hello", None)]
    assert said(problems) == [("a.csv", 1, "has no column 'date' for the time; there are when, message")]


def test_a_ragged_row_is_named_and_kept_whole(tmp_path: Path) -> None:
    good(tmp_path / "a.csv", "id,message\n1,fine\n2,too, many, cells\n\n3\n4,fine\n")
    records, problems = table(tmp_path / "a.csv")
    assert lines_of(records) == [(2, "fine"), (3, "2,too, many, cells"), (5, "3"), (6, "fine")]
    assert records["raw"].is_null().to_list() == [False, True, True, False]
    assert said(problems)[0][:2] == ("a.csv", 3)
    assert "1 more" in problems[0].message


def test_a_quote_that_is_never_closed_costs_one_row(tmp_path: Path) -> None:
    rows = "".join(f"{number},fine\n" for number in range(2, 6))
    good(tmp_path / "a.csv", f'id,message\n0,fine\n1,"open\n{rows}')
    records, problems = table(tmp_path / "a.csv")
    assert lines_of(records) == [(2, "fine"), (3, '1,"open'), *((number + 2, "fine") for number in range(2, 6))]
    assert said(problems)[0][:2] == ("a.csv", 3)


def test_a_header_without_rows_is_named(tmp_path: Path) -> None:
    good(tmp_path / "a.csv", "message\n")
    assert said(table(tmp_path / "a.csv")[1]) == [("a.csv", None, "the file has a header and no rows")]


CELL = st.text(st.sampled_from('ab ,"\n中1'), max_size=6)


def layout(width: int) -> tables.Table:
    return tables.Table(",", tuple(f"c{number}" for number in range(width)), False, ("c0",), (), ())


def gathered(data: bytes, width: int, piece: int) -> list[tuple[object, ...]]:
    """The rows of `data` in blocks of `piece` lines, through the way for large blocks."""
    lines = data.split(b"\n")[:-1]
    blocks = [
        TextBlock(at + 1, b"".join(line + b"\n" for line in lines[at : at + piece]))
        for at in range(0, len(lines), piece)
    ]
    with mock.patch.object(tables, "_WORTH_A_FRAME", 0):
        found = list(tables.rows_in(iter(blocks), layout(width)))
    return [
        (line, whole, *cells) for r in found for line, whole, cells in zip(r.line, r.whole, r.cells.rows(), strict=True)
    ]


@settings(deadline=None, max_examples=150)
@given(st.data(), st.integers(2, 3), st.integers(1, 30), st.sampled_from(["\n", "\r\n"]))
def test_what_a_csv_writer_writes_is_read_back(data: st.DataObject, width: int, piece: int, end: str) -> None:
    rows = data.draw(st.lists(st.lists(CELL, min_size=width, max_size=width), min_size=1, max_size=8))
    assume(all(any(cell.strip() for cell in row) for row in rows))
    text = io.StringIO(newline="")
    starts = []
    for row in rows:
        starts.append(1 + text.getvalue().count("\n"))
        csv.writer(text, lineterminator=end).writerow(row)
    assert gathered(text.getvalue().encode(), width, piece) == [
        (start, None, *row) for start, row in zip(starts, rows, strict=True)
    ]


@settings(deadline=None, max_examples=150)
@given(st.text(st.sampled_from('a,"\n '), max_size=40).map(lambda text: text + "\n"), st.integers(1, 3))
def test_odd_tables_in_blocks_are_read_as_row_by_row(text: str, width: int) -> None:
    plain, rest = tables.rows_one_by_one(text.encode(), 1, layout(width), True)
    assert rest == b""
    expected = [
        (line, whole, *cells) for line, whole, cells in zip(plain.line, plain.whole, plain.cells.rows(), strict=True)
    ]
    assert gathered(text.encode(), width, 1000) == expected


def test_parquet_gives_text_time_and_row(tmp_path: Path) -> None:
    moments = [datetime(2024, 3, 9, 7, 5, 3), datetime(2024, 3, 9, 7, 5, 4)]
    frame = pl.DataFrame({"at": [1, 2], "created_at": moments, "message": ["one", "two"], "blob": [b"x", b"y"]})
    frame.write_parquet(tmp_path / "a.parquet")
    records, problems = table(tmp_path / "a.parquet")
    assert lines_of(records) == [(1, "one"), (2, "two")]
    assert records["time"].to_list() == [moment.replace(tzinfo=UTC) for moment in moments]
    assert json.loads(records["raw"][0])["message"] == "one"
    assert problems == []
    packed = tmp_path / "b.bin"
    packed.write_bytes(gzip.compress((tmp_path / "a.parquet").read_bytes()))
    assert lines_of(table(packed)[0]) == [(1, "one"), (2, "two")]
    assert said(table(packed, text_column="body")[1]) == [
        ("b.bin", None, "has no column 'body' for the text; there are at, created_at, message")
    ]


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("date", pl.Series(["2024-03-09"])),
        ("ts", pl.Series([1709942400])),
        ("time", pl.Series([1709942400000])),
        ("date", pl.Series([datetime(2024, 3, 9)]).cast(pl.Date)),
    ],
)
def test_parquet_times_may_be_text_numbers_or_days(tmp_path: Path, name: str, column: pl.Series) -> None:
    pl.DataFrame({name: column, "message": ["one"]}).write_parquet(tmp_path / "a.parquet")
    assert table(tmp_path / "a.parquet")[0]["time"].to_list() == [datetime(2024, 3, 9, tzinfo=UTC)]


def test_parquet_is_read_in_bounded_batches(tmp_path: Path) -> None:
    pl.DataFrame({"message": [f"line number {n} of many" for n in range(5000)]}).write_parquet(tmp_path / "a.parquet")
    frames = list(read(tmp_path / "a.parquet", block_bytes=20_000))
    assert len(frames) > 3
    assert pl.concat(frames)["line"].to_list() == list(range(1, 5001))


def test_damaged_parquet_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1" + b"\x15\x04" * 50)
    records, problems = table(tmp_path / "a.parquet")
    assert records.height == 0
    assert "Parquet" in problems[0].message


# Bad input


def test_a_missing_path_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    records, problems = table([tmp_path / "nowhere.log", good(tmp_path / "a.log")])
    assert records.height == 1
    assert said(problems) == [("nowhere.log", None, "there is no such file or folder")]


def test_without_a_list_the_first_problem_is_raised(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.log: there is no such file"):
        list(read(tmp_path / "nowhere.log"))


@pytest.mark.parametrize("content", [b"", b"\n\n  \n", b"\xef\xbb\xbf", gzip.compress(b"", mtime=0)])
def test_an_empty_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.log").write_bytes(content)
    assert said(table(tmp_path / "a.log")[1]) == [("a.log", None, "the file is empty")]


def test_a_folder_without_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "void" / "deep").mkdir(parents=True)
    good(tmp_path / "void" / ".hidden")
    assert said(table(tmp_path / "void")[1]) == [("void", None, "the folder holds no file to read")]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (bytes(range(256)) * 64, "a binary file"),
        (b"\x00\x01\x02\x03" * 100, "a binary file"),
        (b"\x7fELF\x02\x01\x01" + b"\0" * 100, "a program"),
        (b"PK\x03\x04\x14\0\x06\0", "cannot be read any further as a ZIP archive: File is not a zip file"),
        (b"\x89PNG\r\n\x1a\n", "an image"),
        (b"%PDF-1.7\n", "a PDF document"),
        (
            gzip.compress(b"name".ljust(257, b"\0") + b"ustar\x0000" + b"\0" * 300, mtime=0),
            "cannot be read any further as a tar archive: bad checksum",
        ),
    ],
)
def test_a_binary_file_is_named_and_skipped(tmp_path: Path, content: bytes, what: str) -> None:
    (tmp_path / "b.bin").write_bytes(content)
    good(tmp_path / "a.log")
    records, problems = table(tmp_path)
    assert records["source"].to_list() == [str(tmp_path / "a.log")]
    assert said(problems) == [("b.bin", None, what if what.startswith("cannot") else f"{what}; skipped")]


def test_random_bytes_are_a_binary_file() -> None:
    import random

    for seed in range(20):
        assert look_at(random.Random(seed).randbytes(4096), False).binary == "a binary file"


def test_a_broken_gzip_file_gives_what_came_before_the_break(tmp_path: Path) -> None:
    lines = [f"2024-03-09 07:05:03 line {number * 7919}" for number in range(5000)]
    whole = gzip.compress("\n".join(lines).encode())
    (tmp_path / "a.log.gz").write_bytes(whole[: len(whole) // 2])
    records, problems = table(tmp_path / "a.log.gz")
    assert 2000 < records.height < 3000
    assert records["text"].to_list()[:-1] == lines[: records.height - 1]
    assert said(problems) == [
        ("a.log.gz", records.height, "the gzip data ends before its end; the lines up to here were read")
    ]


def test_a_flipped_bit_in_a_gzip_file_is_named(tmp_path: Path) -> None:
    whole = bytearray(gzip.compress("\n".join(f"line {number * 7919}" for number in range(50_000)).encode()))
    whole[len(whole) // 2] ^= 0xFF
    (tmp_path / "a.log.gz").write_bytes(whole)
    records, problems = table(tmp_path / "a.log.gz")
    assert records.height > 20_000
    assert [problem.message.split(";")[0] for problem in problems][-1] == "the gzip data is damaged"


def test_a_line_of_fifty_megabytes_is_cut_and_named(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "a.log.gz", "wb", compresslevel=1) as file:
        file.write(b"first\n")
        for _ in range(50):
            file.write("é".encode() * 500_000)
        file.write(b"\nlast\n")
    records, problems = table(tmp_path / "a.log.gz")
    assert records["line"].to_list() == [1, 2, 3]
    assert records["text"].to_list() == ["first", "é" * MAX_TEXT, "last"]
    assert said(problems) == [("a.log.gz", 2, "is longer than 65,536 characters; the rest of the text is left out")]


def test_a_long_line_is_never_held_whole() -> None:
    pieces = iter([b"a\n", *[b"x" * 1_000_000] * 50, b"x\nb\n"])
    blocks = list(decode._whole_lines(pieces, 1))
    assert [len(block) for block in blocks] == [2, MAX_LINE + 3]
    assert blocks[1].endswith(b"x\nb\n")


def test_a_file_without_permission_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good(tmp_path / "a.log")
    good(tmp_path / "b.log")
    real = Path.open

    def refuse(path: Path, *arguments: object, **named: object) -> object:
        if path.name == "a.log":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *arguments, **named)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", refuse)
    records, problems = table(tmp_path)
    assert records["source"].to_list() == [str(tmp_path / "b.log")]
    assert said(problems) == [("a.log", None, "cannot be read: Permission denied")]


def test_a_file_that_goes_while_others_are_read_is_named(tmp_path: Path) -> None:
    good(tmp_path / "a.log")
    gone = good(tmp_path / "b.log")
    good(tmp_path / "c.log")
    problems: list[ForewarnError] = []
    blocks = read(tmp_path, block_bytes=1, problems=problems)
    assert next(blocks)["source"].to_list() == [str(tmp_path / "a.log")]
    gone.unlink()
    assert [source for block in blocks for source in block["source"]] == [str(tmp_path / "c.log")]
    assert said(problems) == [("b.log", None, "has gone since its folder was listed")]


def test_a_disk_that_fails_while_reading_ends_the_file_only() -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            data = super().read(4)
            if not data:
                raise OSError(5, "Input/output error")
            return data

    noted: list[ForewarnError] = []
    stream = decode.TextStream("a.log", Failing(b"one\ntwo\nthr"), 4, Problems(noted))
    assert b"".join(block.data for block in stream.blocks(4)) == b"one\ntwo\nthr\n"
    assert said(noted) == [
        ("a.log", 3, "cannot be read any further: Input/output error; the lines up to here were read")
    ]


def test_a_link_that_leads_back_up_is_named_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    good(tmp_path / "deep" / "a.log")
    (tmp_path / "deep" / "loop").symlink_to(tmp_path)
    (tmp_path / "deep" / "dangling").symlink_to(tmp_path / "nowhere")
    records, problems = table(tmp_path)
    assert records.height == 1
    assert said(problems) == [
        ("dangling", None, "a link that leads nowhere"),
        ("loop", None, "a link that leads back to a folder above it; not followed"),
    ]


def test_a_pipe_in_a_folder_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    good(tmp_path / "q.log")
    records, problems = table(tmp_path)
    assert records.height == 1
    assert said(problems) == [("pipe", None, "is no regular file; skipped")]


def test_the_column_of_the_time_is_found_by_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "id,Uhr,was\n1709967903,09.03.2024 07:05:03,Tor zu\n1709967904,09.03.2024 07:05:04,auf\n"
    )
    assert table(tmp_path / "a.csv")[0]["time"].to_list()[0] == datetime(2024, 3, 9, 7, 5, 3, tzinfo=UTC)
    (tmp_path / "b.json").write_text('{"verb": "shut", "gate": {"seenAt": "2024-03-09T07:05:03Z"}}\n' * 3)
    assert table(tmp_path / "b.json")[0]["time"].to_list() == [datetime(2024, 3, 9, 7, 5, 3, tzinfo=UTC)] * 3


def test_numbers_and_birthdays_are_no_times_of_records(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,born,was\n1709967903,1980-01-02,shut\n1709967904,1981-03-04,open\n")
    assert table(tmp_path / "a.csv")[0]["time"].to_list() == [None, None]


def test_a_zone_of_several_meanings_is_named(tmp_path: Path) -> None:
    good(tmp_path / "a.log", "2024-03-09 07:05:03 CST gate shut\n")
    assert "CST" in str(table(tmp_path / "a.log")[1][0])


@pytest.mark.parametrize(
    ("event", "text"),
    [
        ({"level": "fatal", "msg": "gate shut"}, "[fatal] gate shut"),
        ({"level": 50, "msg": "gate shut"}, "[error] gate shut"),
        ({"level": 30, "msg": "gate shut"}, "gate shut"),
        ({"PRIORITY": "2", "MESSAGE": "gate shut"}, "[fatal] gate shut"),
        ({"severityNumber": 21, "body": "gate shut"}, "[fatal] gate shut"),
        ({"level": "ERROR", "msg": "error: gate shut"}, "error: gate shut"),
        ({"severity": "info", "message": "gate shut"}, "gate shut"),
        ({"request": "GET /gate", "status": 502}, "request: GET /gate status=502"),
        ({"request": "GET /gate", "status": 200}, "request: GET /gate"),
        ({"level": "error", "msg": "handled", "status": "503"}, "[error] handled status=503"),
    ],
)
def test_the_level_and_the_status_of_an_event_are_in_its_text(
    tmp_path: Path, event: dict[str, object], text: str
) -> None:
    (tmp_path / "a.json").write_text(json.dumps(event) + "\n")
    assert table(tmp_path / "a.json")[0]["text"].to_list() == [text]
