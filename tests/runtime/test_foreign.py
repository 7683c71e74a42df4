"""Models and case bases that strangers made: whatever is in them, nothing outside is read or written."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from forewarn.embeddings import case_store
from forewarn.embeddings.case_store import CASES
from forewarn.errors import CaseBaseError, ModelError
from forewarn.runtime.atomic import checksum
from forewarn.runtime.foreign import Unfit, check_array, part_of
from forewarn.scoring.model_check import FILES
from forewarn.scoring.model_folder import load_model, save_model
from forewarn.training.fit_options import FitOptions
from forewarn.training.fitting import fit

Edit = Callable[[dict[str, Any]], object]
Change = Callable[[dict[str, NDArray[Any]]], object]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "model"
    texts = [f"flood number {n} drowned the town" for n in range(30)] + [f"a calm market day {n}" for n in range(30)]
    labels = pl.DataFrame({"text": texts, "label": ["1"] * 30 + ["0"] * 30, "source": ["a.csv"] * 60})
    save_model(fit(labels, FitOptions(cache=False)), folder, "card")
    return folder


@pytest.fixture
def model(made: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    for file in made.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    assert load_model(folder).classifier is not None
    return folder


def edit(model: Path, change: Edit) -> None:
    written = msgspec.json.decode((model / "model.json").read_bytes())
    change(written)
    (model / "model.json").write_bytes(msgspec.json.encode(written))


def rewrite(model: Path, change: Change) -> None:
    """Other arrays, with right checksums."""
    arrays = load_file(model / "tensors.safetensors")
    change(arrays)
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, model / "tensors.safetensors")
    edit(model, lambda w: w["files"].update({"tensors.safetensors": checksum(model / "tensors.safetensors")}))


@pytest.mark.parametrize("name", ["/dev/zero", "../other", "network/../../other", "network/.hidden", ".", "notes.txt"])
def test_a_model_names_no_file_but_its_own(model: Path, name: str) -> None:
    edit(model, lambda written: written["files"].update({name: "0" * 64}))
    with pytest.raises(ModelError, match="is not a model of forewarn: names a file that is none of its own"):
        load_model(model)


@pytest.mark.parametrize("name", ["model.json", "training.parquet"])
def test_a_model_holds_no_links(model: Path, name: str) -> None:
    (model / name).rename(model.parent / "outside")
    (model / name).symlink_to(model.parent / "outside")
    with pytest.raises(ModelError, match=f"{name} is a link"):
        load_model(model)


def test_a_pipe_or_a_device_in_a_model_keeps_nobody_waiting(model: Path) -> None:
    (model / "MODEL_CARD.md").unlink()
    os.mkfifo(model / "MODEL_CARD.md")
    with pytest.raises(ModelError, match=r"MODEL_CARD.md is no regular file"):
        load_model(model)


@pytest.mark.parametrize(
    "change",
    [
        lambda w: w.update(share=7.5),
        lambda w: w.update(seed=-1),
        lambda w: w.update(schema="two"),
        lambda w: w["fusion"].update(rule_discount=3.0),
        lambda w: w["fusion"]["slopes"].pop("cases"),
        lambda w: w["fusion"]["slopes"]["cases"].update(slope=-1.0),
        lambda w: w["fusion"].update(slopes=None),
        lambda w: w["files"].pop("training.parquet"),
    ],
)
def test_numbers_of_a_model_are_in_their_range(model: Path, change: Edit) -> None:
    edit(model, change)
    with pytest.raises(ModelError):
        load_model(model)


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a.update({"classifier.dense": a["classifier.dense"][:7]}),
        lambda a: a.update({"classifier.bias": a["classifier.bias"] * np.nan}),
        lambda a: a.update({"classifier.sparse": a["classifier.sparse"].astype(np.float64)}),
        lambda a: a.update({"reference": a["reference"] * np.inf}),
        lambda a: a.update({"crisis": a["crisis"][1:]}),
        lambda a: a.update({"sample": np.zeros((3, 7), np.float32)}),
        lambda a: a.pop("sample"),
    ],
)
def test_arrays_of_a_model_are_finite_and_fit_together(model: Path, change: Change) -> None:
    rewrite(model, change)
    with pytest.raises(ModelError):
        load_model(model)


@pytest.mark.parametrize("content", [b"\xff{}", b"[1]", b"", b"{" * 100_000])
def test_notes_that_are_no_json_object_are_no_model_and_no_base(model: Path, content: bytes) -> None:
    (model / "model.json").write_bytes(content)
    with pytest.raises(ModelError):
        load_model(model)
    (model / "manifest.json").write_bytes(content)
    with pytest.raises(CaseBaseError):
        case_store.read(model)


@given(st.text(max_size=30))
def test_no_name_leads_out_of_a_folder(name: str) -> None:
    with contextlib.suppress(Unfit, OSError):
        part_of(Path("/nowhere"), name, FILES)
    if FILES.fullmatch(name):
        steps = name.split("/")
        assert not name.startswith("/")
        assert all(step and step[0] != "." for step in steps)


def test_a_size_is_bounded_before_a_byte_is_read(tmp_path: Path) -> None:
    (tmp_path / "training.parquet").touch()
    os.truncate(tmp_path / "training.parquet", 1 << 40)
    with pytest.raises(Unfit, match="bytes"):
        part_of(tmp_path, "training.parquet", FILES)


def test_an_array_is_what_is_expected() -> None:
    assert check_array("x", np.zeros((2, 3), np.float32), np.float32, (None, 3)).shape == (2, 3)
    for bad in (np.zeros((2, 4), np.float32), np.zeros((2, 3)), np.full((2, 3), np.nan, np.float32), np.zeros(3)):
        with pytest.raises(Unfit):
            check_array("x", bad, np.float32, (None, 3))


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "base"
    write(folder)
    return folder


def write(folder: Path) -> None:
    row = {"id": "a", "text": "flood", "label": 1, "sign": False, "count": 1, "joined": []}
    cases = pl.DataFrame([row]).select(
        (pl.col(name) if name in row else pl.lit(None)).cast(dtype).alias(name) for name, dtype in CASES.items()
    )
    with case_store.writing(folder):
        vectors = [np.ones((1, 4), np.int8)]
        case_store.write(folder, cases, np.ones(1, np.uint8), vectors, None, encoder=("e", "c"))


def test_a_base_names_no_file_but_those_of_its_generation(base: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("mine")
    manifest = msgspec.json.decode((base / "manifest.json").read_bytes())
    for name in ("cases-2.parquet", "../outside", "/dev/zero"):
        hostile = manifest | {"names": manifest["names"] | {"more": name}}
        hostile["files"] = manifest["files"] | {"more": {"size": 0, "sha256": ""}}
        (base / "manifest.json").write_bytes(msgspec.json.encode(hostile))
        with pytest.raises(CaseBaseError, match="names files that no base has"):
            case_store.read(base)
        with pytest.raises(CaseBaseError):
            write(base)
    assert outside.read_text() == "mine"


@pytest.mark.parametrize("name", ["cases-2.parquet", "vectors-2.npy", ".manifest.json.part"])
def test_a_link_where_a_base_writes_next_is_not_written_through(base: Path, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    outside.write_text("mine")
    (base / name).symlink_to(outside)
    write(base)
    assert outside.read_text() == "mine"
    assert case_store.read(base, thorough=True).all_rows()["id"].to_list() == ["a"]
    assert not any(file.is_symlink() for file in base.iterdir())


@pytest.mark.parametrize("name", ["manifest.json", "cases-1.parquet", "vectors-1.npy"])
def test_a_base_holds_no_links(base: Path, tmp_path: Path, name: str) -> None:
    (base / name).rename(tmp_path / "outside")
    (base / name).symlink_to(tmp_path / "outside")
    with pytest.raises(CaseBaseError, match="is a link"):
        case_store.read(base)


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\x01\x00\x10\x00{'descr': (((", b"PAR1garbagePAR1"])
@pytest.mark.parametrize("role", ["cases", "vectors"])
def test_damage_with_right_checksums_is_a_clear_error(base: Path, content: bytes, role: str) -> None:
    manifest = msgspec.json.decode((base / "manifest.json").read_bytes())
    file = base / manifest["names"][role]
    file.write_bytes(content)
    manifest["files"][role] = {"size": len(content), "sha256": checksum(file)}
    (base / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    with pytest.raises(CaseBaseError):
        case_store.read(base)


def test_vectors_of_another_shape_are_a_clear_error(base: Path) -> None:
    manifest = msgspec.json.decode((base / "manifest.json").read_bytes())
    file = base / manifest["names"]["vectors"]
    np.save(file, np.ones((3, 4), np.int8))
    manifest["files"]["vectors"] = {"size": file.stat().st_size, "sha256": checksum(file)}
    (base / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    with pytest.raises(CaseBaseError, match="vectors has the shape"):
        case_store.read(base)
