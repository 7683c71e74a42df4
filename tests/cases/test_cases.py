"""A case base in a folder: what build, add, remove and merge leave there, whatever comes in between."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forewarn.embeddings import CaseBase, case_changes, case_store, nearest
from forewarn.embeddings import cases as cases_module
from forewarn.embeddings.case_changes import add, build, merge, remove
from forewarn.embeddings.cases import complete, whole
from forewarn.errors import CaseBaseError
from tests.tiny_encoder import TinyEncoder

TINY = TinyEncoder()
FIRE = "smoke and flames over the paint factory at dawn"
FLOOD = "the river broke its bank and water fills the streets"
BANK = "savers queue outside the bank to take their money out"


def cases(*texts: str, **columns: object) -> pl.DataFrame:
    """Cases of these texts, with ids c0, c1, …; other columns as given."""
    start = int(columns.pop("first", 0))  # type: ignore[call-overload]
    rows = {"id": [f"c{start + number}" for number in range(len(texts))], "text": list(texts)}
    return complete(pl.DataFrame({**rows, **columns}))


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "base"
    build(folder, cases(FIRE, FLOOD, BANK, time=["2001", "2002-05", "2003-06-07"]), TINY)
    return folder


def texts_in(folder: Path) -> dict[str, str]:
    rows = whole(folder)
    return dict(zip(rows["id"], rows["text"], strict=True))


def files_in(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name != ".lock"}


def nearest_ids(folder: Path, text: str, k: int = 1) -> list[str]:
    found = CaseBase.open(folder, encoder=TINY)
    _, numbers = found.look_up(TINY.encode([text]), k)
    return found.rows(numbers.tolist())["id"].to_list()


def test_what_was_built_is_found_again(base: Path) -> None:
    opened = CaseBase.open(base, encoder=TINY)
    similarity, numbers = opened.look_up(TINY.encode(["water from the river in the streets"]), 2)
    found = opened.rows(numbers.tolist())
    assert found["id"][0] == "c1"
    assert (found["text"][0], found["time"][0]) == (FLOOD, "2002-05")
    exact = float((TINY.encode(["water from the river in the streets"]) @ TINY.encode([FLOOD]).T)[0, 0])
    assert similarity[0] == pytest.approx(exact, abs=0.01)
    assert similarity[0] > similarity[1]


def test_the_files_are_those_of_the_manifest(base: Path) -> None:
    manifest = json.loads((base / "manifest.json").read_text())
    assert (manifest["schema"], manifest["encoder"], manifest["cases"]) == (1, "tiny", 3)
    assert set(files_in(base)) == {"manifest.json", *manifest["names"].values()}
    vectors = np.load(base / manifest["names"]["vectors"], mmap_mode="r")
    assert isinstance(vectors, np.memmap)
    assert (vectors.shape, vectors.dtype) == ((3, 64), np.int8)


def test_added_cases_are_there_and_removed_ones_are_not(base: Path) -> None:
    change = add(base, cases("a bridge fell into the valley", first=3), TINY)
    assert (change.added, change.total) == (1, 4)
    assert nearest_ids(base, "bridge fell") == ["c3"]
    change = remove(base, ["c0", "c3"])
    assert (change.removed, change.total) == (2, 2)
    assert texts_in(base) == {"c1": FLOOD, "c2": BANK}
    assert nearest_ids(base, FLOOD, 5) == ["c1", "c2"]


def test_adding_the_same_twice_changes_nothing(base: Path) -> None:
    before = files_in(base)
    change = add(base, cases(FIRE, FLOOD, BANK, time=["2001", "2002-05", "2003-06-07"]), TINY)
    assert (change.added, change.known) == (0, 3)
    assert files_in(base) == before


def test_the_same_words_are_one_case_with_a_count(tmp_path: Path) -> None:
    folder = tmp_path / "joined"
    shouted = FIRE.upper().replace(" ", "  ")
    change = build(folder, cases(FIRE, FLOOD, shouted, FIRE), TINY)
    assert (change.added, change.joined, change.total) == (2, 2, 2)
    rows = whole(folder)
    assert rows["count"].to_list() == [3, 1]
    assert rows["joined"].to_list() == [["c2", "c3"], []]
    # What was joined is known, too: it does not count a second time.
    assert add(folder, cases(FIRE, FLOOD, shouted, FIRE), TINY).known == 4
    assert whole(folder)["count"].to_list() == [3, 1]


def test_nearly_the_same_words_are_one_case_and_other_words_are_not(tmp_path: Path) -> None:
    long = " ".join(f"word{number}" for number in range(60))
    near, far = f"{long} more", " ".join(f"word{number}" for number in range(30, 90))
    similarity = TINY.encode([long]) @ TINY.encode([near, far]).T
    assert similarity[0, 0] > case_changes.JOINED > similarity[0, 1]
    assert build(tmp_path / "a", cases(long, near, far), TINY).joined == 1
    assert build(tmp_path / "b", cases(long, near, far), TINY, join=1.1).joined == 0
    build(tmp_path / "c", cases(long), TINY)
    assert add(tmp_path / "c", cases(near, far, first=1), TINY).joined == 1


@pytest.mark.parametrize(
    ("times", "labels", "joined"),
    [
        (["2001-03-01", "2001-03-20"], [1, 1], 1),
        (["2001-03-01", "2002-03-01"], [1, 1], 0),
        (["2001", "2001-11-05"], [1, 1], 1),
        (["2001", "2002-01"], [1, 1], 0),
        ([None, "2002-01"], [1, 1], 1),
        (["2001-03-01", "2001-03-01"], [1, 0], 0),
    ],
)
def test_the_same_words_at_another_time_or_of_another_label_are_another_case(
    tmp_path: Path, times: list[str | None], labels: list[int], joined: int
) -> None:
    assert build(tmp_path / "base", cases(FIRE, FIRE, time=times, label=labels), TINY).joined == joined


def test_one_id_with_two_texts_is_refused(base: Path, tmp_path: Path) -> None:
    before = files_in(base)
    with pytest.raises(CaseBaseError, match="c1"):
        add(base, cases("a bridge fell", first=1), TINY)
    assert files_in(base) == before
    twice = pl.concat([cases(FIRE), cases(FLOOD)])
    with pytest.raises(CaseBaseError, match="'c0' stands for different"):
        build(tmp_path / "new", twice, TINY)


def test_merged_bases_hold_what_each_held(base: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    build(other, cases("a bridge fell", FLOOD, first=3, time=["2009", "2002-05"]), TINY)
    change = merge(tmp_path / "all", [base, other])
    assert (change.total, change.joined) == (4, 1)
    assert set(texts_in(tmp_path / "all").values()) == {FIRE, FLOOD, BANK, "a bridge fell"}
    assert nearest_ids(tmp_path / "all", "bridge") == ["c3"]
    assert len(texts_in(base)) == 3


def test_bases_of_different_encoders_do_not_merge(base: Path, tmp_path: Path) -> None:
    build(tmp_path / "other", cases(BANK), TinyEncoder("minute"))
    with pytest.raises(CaseBaseError, match="minute"):
        merge(tmp_path / "all", [base, tmp_path / "other"])
    assert not case_store.is_base(tmp_path / "all")


def test_a_large_base_is_indexed_and_stays_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest, "LARGE", 1_000)
    monkeypatch.setattr(nearest, "FEW", 100)
    chance = np.random.default_rng(0)
    subjects = [[f"word{subject}-{number}" for number in range(20)] for subject in range(40)]
    texts = [" ".join(chance.choice(subjects[n % 40], 8, replace=False)) for n in range(1_400)]
    folder = tmp_path / "large"
    build(folder, cases(*texts[:1_200]), TINY)
    assert (folder / "index-1.faiss").is_file()
    assert nearest_ids(folder, texts[7]) == ["c7"]
    add(folder, cases(*texts[1_200:], first=1_200), TINY)
    assert nearest_ids(folder, texts[1_300]) == ["c1300"]
    remove(folder, [f"c{number}" for number in range(100)])
    assert nearest_ids(folder, texts[1_300]) == ["c1300"]
    assert nearest_ids(folder, texts[7]) != ["c7"]
    assert nearest_ids(folder, texts[7], 1_000)[0] == nearest_ids(folder, texts[7])[0]
    exact = CaseBase.of(whole(folder), TINY)
    queries = TINY.encode(texts[500:550])
    found = CaseBase.open(folder, encoder=TINY).search(queries, 5)[1]
    true = exact.search(queries, 5)[1]
    assert np.mean([len(set(one) & set(other)) / 5 for one, other in zip(found, true, strict=True)]) > 0.9


def test_rows_are_read_from_the_right_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(case_store, "_GROUP", 10)
    folder = tmp_path / "groups"
    build(folder, cases(*(f"text number{number} here" for number in range(45))), TINY, join=1.1)
    read = case_store.read(folder).rows([44, 3, 21, 29, 3])
    assert read["id"].to_list() == ["c44", "c3", "c21", "c29", "c3"]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(st.tuples(st.sampled_from(["add", "remove"]), st.sets(st.integers(0, 9), min_size=1)), max_size=6)
)
def test_after_any_changes_the_base_is_what_a_dictionary_would_be(
    tmp_path: Path, changes: list[tuple[str, set[int]]]
) -> None:
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    text = {number: f"text number{number} of{number} many{number}" for number in range(10)}
    build(folder, cases(text[0]), TINY)
    there = {0}
    for what, numbers in changes:
        if what == "add":
            rows = [cases(text[number], first=number) for number in sorted(numbers)]
            add(folder, pl.concat(rows), TINY)
            there |= numbers
        elif numbers <= there and numbers != there:
            remove(folder, [f"c{number}" for number in numbers])
            there -= numbers
    assert texts_in(folder) == {f"c{number}": text[number] for number in there}
    for number in there:
        assert nearest_ids(folder, text[number]) == [f"c{number}"]


# What can be wrong with a folder.


def damaged_by(folder: Path, how: str) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    vectors = folder / manifest["names"]["vectors"]
    if how == "missing vectors":
        vectors.unlink()
    elif how == "cut vectors":
        vectors.write_bytes(vectors.read_bytes()[:-7])
    elif how == "changed vectors":
        vectors.write_bytes(vectors.read_bytes()[:-1] + b"\x55")
    elif how == "cut index":
        index = folder / manifest["names"]["index"]
        index.write_bytes(index.read_bytes()[:-100])
    elif how == "damaged manifest":
        (folder / "manifest.json").write_text("{")
    elif how == "newer":
        (folder / "manifest.json").write_text(json.dumps({**manifest, "schema": 9}))
    elif how == "not a base":
        (folder / "manifest.json").unlink()


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("missing vectors", "lacks vectors-1.npy"),
        ("cut vectors", "bytes"),
        ("changed vectors", "not as it was written"),
        ("cut index", "index-1.faiss has"),
        ("damaged manifest", "manifest.json is damaged"),
        ("newer", "schema 9"),
        ("not a base", "is no case base"),
    ],
)
def test_a_damaged_base_is_named_and_nothing_is_written_over_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, said: str
) -> None:
    monkeypatch.setattr(nearest, "LARGE", 20)
    folder = tmp_path / "base"
    build(folder, cases(*(f"text number{number} of many" for number in range(40))), TINY, join=1.1)
    damaged_by(folder, how)
    before = files_in(folder)
    with pytest.raises(CaseBaseError, match=said):
        CaseBase.open(folder, encoder=TINY)
    with pytest.raises(CaseBaseError, match=said):
        add(folder, cases("something else", first=100), TINY)
    assert files_in(folder) == before


def test_a_base_of_another_encoder_is_refused_by_both_names(base: Path) -> None:
    other = TinyEncoder("minute")
    with pytest.raises(CaseBaseError, match=r"tiny.*minute"):
        CaseBase.open(base, encoder=other)
    with pytest.raises(CaseBaseError, match=r"tiny.*minute"):
        add(base, cases("more", first=9), other)
    assert len(texts_in(base)) == 3


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a.txt").write_text("dear")
    with pytest.raises(CaseBaseError, match=r"a\.txt"):
        build(tmp_path / "letters", cases(FIRE), TINY)
    assert [file.name for file in (tmp_path / "letters").iterdir() if file.name[0] != "."] == ["a.txt"]


def test_a_base_is_not_built_over_unless_told_so(base: Path) -> None:
    before = files_in(base)
    with pytest.raises(CaseBaseError, match="already"):
        build(base, cases("new"), TINY)
    assert files_in(base) == before
    build(base, cases("new"), TINY, anew=True)
    assert texts_in(base) == {"c0": "new"}


def test_removing_what_is_not_there_removes_nothing(base: Path) -> None:
    before = files_in(base)
    with pytest.raises(CaseBaseError, match="c7"):
        remove(base, ["c1", "c7"])
    with pytest.raises(CaseBaseError, match="empty"):
        remove(base, ["c0", "c1", "c2"])
    assert files_in(base) == before


def test_a_full_disk_leaves_the_base_as_it_was(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = files_in(base)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(case_store, "_write_vectors", full)
    with pytest.raises(CaseBaseError, match="No space left"):
        add(base, cases("a bridge fell", first=3), TINY)
    monkeypatch.undo()
    assert texts_in(base) == {"c0": FIRE, "c1": FLOOD, "c2": BANK}
    add(base, cases("a bridge fell", first=3), TINY)
    assert set(files_in(base)) == {"manifest.json", "cases-2.parquet", "vectors-2.npy"}
    assert before["cases-1.parquet"] != files_in(base)["cases-2.parquet"]


_CHANGE = """
import os, pathlib, signal, sys
import polars as pl
from forewarn.embeddings import case_store
from forewarn.embeddings.case_changes import add, build
from forewarn.embeddings.cases import complete
from tests.tiny_encoder import TinyEncoder

what, folder, first, where, call = sys.argv[1:6]
calls = 0

def killed_at(owner, name):
    plain = getattr(owner, name)
    def wrapped(*arguments, **named):
        global calls
        calls += 1
        if calls == int(call):
            os.kill(os.getpid(), signal.SIGKILL)
        return plain(*arguments, **named)
    setattr(owner, name, wrapped)

if where == "replace":
    killed_at(pathlib.Path, "replace")
elif where != "nowhere":
    killed_at(case_store, where)
numbers = range(int(first), int(first) + 5)
rows = [{"id": f"c{n}", "text": f"text number{n} of{n} many{n}"} for n in numbers]
{"add": add, "build": build}[what](pathlib.Path(folder), complete(pl.DataFrame(rows)), TinyEncoder())
"""


def changing(what: str, folder: Path, first: int, where: str = "nowhere", call: int = 0) -> subprocess.Popen[bytes]:
    root = Path(__file__).parents[2]
    paths = os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-c", _CHANGE, what, str(folder), str(first), where, str(call)],
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"},
    )


@pytest.mark.parametrize(
    ("where", "call", "changed"),
    [
        ("_write_vectors", 1, False),
        ("_written", 1, False),
        ("_written", 3, False),
        ("replace", 1, False),
        ("_sweep", 2, True),
    ],
)
def test_killed_at_any_step_the_base_is_as_before_or_after(
    base: Path, tmp_path: Path, where: str, call: int, changed: bool
) -> None:
    new = tmp_path / "new"
    adding, building = changing("add", base, 3, where, call), changing("build", new, 0, where, call)
    assert adding.wait() == building.wait() == -signal.SIGKILL
    before = {"c0": FIRE, "c1": FLOOD, "c2": BANK}
    after = {f"c{number}": f"text number{number} of{number} many{number}" for number in range(8)}
    assert texts_in(base) == ({**after, **before} if changed else before)
    assert nearest_ids(base, FIRE) == ["c0"]
    assert case_store.is_base(new) == changed
    # Nothing is locked for ever, and what was left lying about is swept up.
    add(base, cases("a bridge fell", first=20), TINY)
    assert len(files_in(base)) == 3
    if not changed:
        build(new, cases(FIRE), TINY)
        assert texts_in(new) == {"c0": FIRE}


def test_two_processes_that_add_at_once_both_land(base: Path) -> None:
    both = [changing("add", base, first) for first in (100, 200)]
    assert [process.wait() for process in both] == [0, 0]
    assert set(texts_in(base)) == {"c0", "c1", "c2", *(f"c{n}" for n in [*range(100, 105), *range(200, 205)])}
    assert nearest_ids(base, "text number204 of204 many204") == ["c204"]


def test_a_reader_that_meets_a_change_reads_the_base_after_it(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, met = case_store._read, []

    def meets_a_change(*arguments: object) -> object:
        if not met:
            met.append(True)
            add(base, cases("a bridge fell", first=3), TINY)
        return plain(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(case_store, "_read", meets_a_change)
    assert len(CaseBase.open(base, encoder=TINY)) == 4


def test_a_second_writer_waits_and_then_gives_up(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from filelock import FileLock

    monkeypatch.setattr(case_store, "_PATIENCE", 0.1)
    with FileLock(base / ".lock"), pytest.raises(CaseBaseError, match="another process"):
        add(base, cases("a bridge fell", first=3), TINY)
    shutil.rmtree(base)


# The vote.


def voting(*texts: tuple[str, int]) -> CaseBase:
    return CaseBase.of(cases(*(text for text, _ in texts), label=[label for _, label in texts]), TINY)


def test_a_text_near_a_crisis_votes_for_one_and_a_far_one_has_no_opinion() -> None:
    base = voting((FIRE, 1), (FLOOD, 1), ("coffee with my sister this morning", 0), ("a new bicycle for the boy", 0))
    votes = base.vote(TINY.encode(["smoke over the factory", "coffee this morning", "zyx wvu tsr"]))
    assert votes[0] > 1
    assert votes[1] < -1
    assert np.isnan(votes[2])


def test_a_text_that_is_in_the_base_does_not_vote_for_itself() -> None:
    others = [(FLOOD, 1), ("coffee with my sister this morning", 0), ("smoke of the coffee factory", 0)]
    with_itself, without = voting((FIRE, 1), *others), voting(*others)
    asked = TINY.encode([FIRE])
    assert with_itself.vote(asked) == pytest.approx(without.vote(asked))
    near = TINY.encode(["smoke and flames over the paint works"])
    assert with_itself.vote(near)[0] > without.vote(near)[0] + 1


def test_a_titled_case_that_is_the_text_itself_is_left_out_whole() -> None:
    rows = {"id": ["a", "b", "c"], "text": [FIRE, FLOOD, "coffee with my sister"], "label": [1, 1, 0]}
    titled = complete(pl.DataFrame({**rows, "title": ["smoke and flames over a factory", None, None]}))
    base, without = CaseBase.of(titled, TINY), CaseBase.of(titled[1:], TINY)
    assert base.vote(TINY.encode([FIRE])) == pytest.approx(without.vote(TINY.encode([FIRE])), nan_ok=True)


def test_without_ordinary_texts_there_is_no_vote() -> None:
    assert np.isnan(voting((FIRE, 1), (FLOOD, 1)).vote(TINY.encode([FIRE]))).all()


def test_more_cases_of_other_things_do_not_weaken_a_vote_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    ordinary = ("coffee with my sister", 0)
    others = [(f"matter{n} of{n} fact{n}", 1) for n in range(40)]
    asked = TINY.encode(["smoke and flames over the paint works"])
    few, many = voting((FIRE, 1), ordinary, *others[:4]), voting((FIRE, 1), ordinary, *others)
    assert many.vote(asked)[0] < few.vote(asked)[0] - 1
    monkeypatch.setattr(cases_module, "_COUNTED", 5)
    assert many.vote(asked)[0] == pytest.approx(few.vote(asked)[0], abs=0.05)


def test_votes_are_what_the_definition_says_vector_for_vector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cases_module, "_TOGETHER", 30)
    chance = np.random.default_rng(0)
    parts = chance.integers(1, 4, size=600)
    rows = cases(*map(str, range(600)), label=[n % 3 != 0 for n in range(600)], sign=[n % 3 == 1 for n in range(600)])
    vectors = chance.normal(size=(parts.sum(), 12)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    asked = np.concatenate([chance.normal(size=(60, 12)).astype(np.float32), vectors[[0, 5, 700]]])
    asked /= np.linalg.norm(asked, axis=1, keepdims=True)
    owner = np.repeat(np.arange(600), parts)
    sides = [owner % 3 == kind for kind in (0, 1, 2)]
    expected = []
    for vector in asked:
        voices = []
        for side in sides:
            nearest_of_side = sorted(zip((vectors[side] @ vector).tolist(), owner[side], strict=True), reverse=True)[
                :256
            ]
            itself = {case for cosine, case in nearest_of_side if cosine >= cases_module.SAME}
            heard = [cosine for cosine, case in nearest_of_side if case not in itself]
            left_out = len(nearest_of_side) - len(heard)
            voices.append(np.log(np.exp(np.array(heard) / 0.1).sum()) - np.log(side.sum() - left_out))
        ordinary, sign, past = voices
        expected.append(np.logaddexp(past, sign) - np.log(2) - ordinary)
    base = CaseBase(rows, parts, nearest.Flat(vectors))
    np.testing.assert_allclose(base.vote(asked), expected, atol=5e-6)
    monkeypatch.setattr(cases_module, "FEW", 0)
    np.testing.assert_allclose(base.vote(asked), expected, atol=5e-6)


def test_a_stored_base_votes_as_the_one_in_memory(tmp_path: Path) -> None:
    rows = cases(FIRE, FLOOD, BANK, "coffee with my sister", "the bank of the river", label=[1, 1, 1, 0, 0])
    build(tmp_path / "base", rows, TINY)
    asked = TINY.encode(["smoke over the river", "coffee at the bank", FIRE])
    stored, memory = CaseBase.open(tmp_path / "base", encoder=TINY).vote(asked), CaseBase.of(rows, TINY).vote(asked)
    np.testing.assert_allclose(stored, memory, atol=0.05)


def test_an_index_is_trained_anew_when_a_base_has_outgrown_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(nearest, "LARGE", 50)
    trained = []
    plain = nearest.train
    monkeypatch.setattr(case_changes.nearest, "train", lambda vectors: trained.append(len(vectors)) or plain(vectors))
    folder = tmp_path / "base"
    for first, last in ((0, 100), (100, 150), (150, 3_000)):
        new = cases(*(f"a{n} b{n} c{n}" for n in range(first, last)), first=first)
        build(folder, new, TINY, join=1.1) if first == 0 else add(folder, new, TINY, join=1.1)
    assert trained == [100, 3_000]


def test_an_open_base_goes_on_with_what_it_read_whatever_becomes_of_the_folder(base: Path) -> None:
    opened = CaseBase.open(base, encoder=TINY)
    for number in range(3):
        add(base, cases(f"case number {number} of a different kind", first=10 + number), TINY)
    assert opened.rows([0, 2])["text"].to_list() == [FIRE, BANK]
    assert opened.look_up(TINY.encode([FLOOD]), 1)[1].tolist() == [1]
    assert len(texts_in(base)) == 6
