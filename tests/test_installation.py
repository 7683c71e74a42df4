"""An installation without extras works, says so truly, and names what is missing."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import polars as pl
import pytest

from forewarn import cli
from forewarn.cli import serve
from forewarn.detectors.finetuning.model import finetune, load_finetuned
from forewarn.detectors.finetuning.network import load_base, with_peft
from forewarn.detectors.outliers import find_detector
from forewarn.doctor import CORE, examine
from forewarn.embeddings import load_encoder
from forewarn.embeddings.devices import chosen_device
from forewarn.embeddings.transformer import _folder
from forewarn.extras import EXTRAS, MissingExtraError
from forewarn.scoring.calibration import _isotonic, venn_abers
from forewarn.training.fit_options import FitOptions
from forewarn.training.fitting import fit
from forewarn.training.metrics import classes, figures

ODDS, CRISIS = np.array([-1.0, 0.5, 2.0]), np.array([False, True, True])
TEXTS = pl.DataFrame({"text": ["all is well", "the dam breaks"], "label": ["ordinary", "crisis"]})
USES: list[tuple[str, str, Callable[[Path], Any]]] = [
    ("sklearn", "fit", lambda _: figures(ODDS, CRISIS)),
    ("sklearn", "fit", lambda _: classes(CRISIS, CRISIS, ("ordinary", "crisis"))),
    ("sklearn", "fit", lambda _: _isotonic(ODDS, CRISIS, ODDS)),
    ("sklearn", "fit", lambda _: fit(TEXTS)),
    ("venn_abers", "fit", lambda _: fit(TEXTS)),
    ("venn_abers", "fit", lambda _: venn_abers(ODDS, CRISIS, ODDS)),
    ("pyod", "fit", lambda _: find_detector("LOF")),
    ("torch", "neural", lambda _: fit(TEXTS, FitOptions(base="any"))),
    ("torch", "neural", lambda _: chosen_device("cuda")),
    ("torch", "neural", lambda _: load_encoder("bundled-bf16", device="cpu")),
    ("torch", "neural", lambda folder: load_encoder(str(folder), device="cpu")),
    ("torch", "neural", lambda folder: load_finetuned(folder)),
    ("sentence_transformers", "neural", lambda _: load_encoder("bundled-bf16", device="cpu")),
    ("sentence_transformers", "neural", lambda folder: load_encoder(str(folder), device="cpu")),
    ("huggingface_hub", "neural", lambda _: _folder("a-model")),
    ("transformers", "neural", lambda folder: load_base(folder)),
    (
        "transformers",
        "neural",
        lambda folder: finetune([], CRISIS[:0], validation=([], CRISIS[:0]), base="a", strategy="full", folder=folder),
    ),
    ("peft", "neural", lambda _: with_peft(None, None, steps=1)),  # type: ignore[arg-type]
    *(
        (module, "serve", lambda folder: serve.command.main(["--state", str(folder / "state")], standalone_mode=False))
        for module in EXTRAS["serve"]
    ),
]


@pytest.mark.parametrize(("module", "extra", "use"), USES)
def test_a_missing_library_is_an_error_that_names_the_command(
    module: str, extra: str, use: Callable[[Path], Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError) as raised:
        use(tmp_path)
    assert raised.value.message == f"this needs {EXTRAS[extra][module]}, which is not installed"
    assert raised.value.remedy == f"pip install 'forewarn[{extra}]'"


def test_a_missing_library_is_asked_for_wherever_it_is_imported() -> None:
    """Each library of an extra is blocked in at least one case above."""
    assert {module for module, _, _ in USES} == {module for libraries in EXTRAS.values() for module in libraries}


def test_a_gpu_without_torch_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forewarn.embeddings.devices._may_have_gpu", lambda: True)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert chosen_device(None) == "cpu"


WITHOUT_EXTRAS = """
import sys

BLOCKED = {blocked!r}
for name in BLOCKED:
    sys.modules[name] = None
from forewarn import cli

sys.argv = ["forewarn", *{arguments!r}]
try:
    cli.main()
finally:
    loaded = {{name for name in BLOCKED if sys.modules.get(name)}}
    assert not loaded, loaded
"""
BLOCKED = ["torch", "sklearn", "pyod", "transformers", "peft", "sentence_transformers", "venn_abers", "huggingface_hub"]
"""And what only those bring."""
BLOCKED += ["matplotlib", "pandas", "joblib"]


def run_without_extras(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    code = WITHOUT_EXTRAS.format(blocked=BLOCKED, arguments=list(map(str, arguments)))
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_the_core_runs_without_any_extra(tmp_path: Path) -> None:
    log = tmp_path / "bank.log"
    log.write_text(
        "2026-05-01T09:00:00Z Depositors queue outside the bank since dawn\n2026-05-01T09:00:01Z all is well\n"
    )
    incidents = tmp_path / "incidents.csv"
    incidents.write_text("time,text\n2007-09-14,Savers queue at every branch of the bank to withdraw their deposits\n")
    alerts, base = tmp_path / "alerts.jsonl", tmp_path / "cases"
    ran = [
        run_without_extras("scan", log, "--budget", "1", "-o", alerts),
        run_without_extras("explain", "1", alerts),
        run_without_extras("cases", "build", incidents, "-o", base),
        run_without_extras("cases", "add", alerts, "--cases", base),
        run_without_extras("similar", "customers queue at the bank", "--cases", base),
        run_without_extras("rules", "match", "--rules", "finance", log),
        run_without_extras("doctor", "--format", "jsonl"),
    ]
    assert [one.stderr for one in ran if one.returncode > 1] == []
    assert [one.returncode for one in ran] == [1, 0, 0, 0, 0, 1, 0]
    assert "pip install 'forewarn[fit]'" in ran[-1].stdout


def test_doctor_names_every_core_package_and_extra() -> None:
    said = {finding.what for finding in examine()}
    assert {packages[0] for packages in CORE.values()} <= said
    assert {f"extra {name}" for name in EXTRAS} <= said


@pytest.mark.parametrize("module", CORE)
def test_doctor_goes_on_and_says_what_is_broken(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    findings = examine()
    assert any(one.broken and one.what == CORE[module][0] for one in findings)
    assert all(one.value for one in findings)


def test_doctor_has_tried_search_and_rules() -> None:
    by_name = {finding.what: finding for finding in examine()}
    assert by_name["search"].value.startswith("3 texts embedded, the nearest found")
    assert "Bank run under way" in by_name["matching"].value
    assert not any(finding.broken for finding in by_name.values())


def test_doctor_is_not_content_with_a_search_that_finds_the_wrong_text(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = (np.array([[0.9, 0.8]], dtype=np.float32), np.array([[1, 0]]))
    monkeypatch.setattr("forewarn.embeddings.nearest._compared", lambda queries, vectors, k: wrong)
    assert next(finding for finding in examine() if finding.what == "search").broken


ROOT = Path(__file__).parent.parent


def test_the_image_is_slim_and_not_run_by_root() -> None:
    lines = [line.split() for line in (ROOT / "deploy" / "Dockerfile").read_text().splitlines() if line[:1].isupper()]
    stages = [number for number, line in enumerate(lines) if line[0] == "FROM"]
    last = lines[stages[-1] :]
    assert last[0][1].endswith("-slim")
    assert [line[1] for line in last if line[0] == "USER"] == ["10001"]
    assert ["ENTRYPOINT", '["forewarn"]'] in last
    assert not any("[" in word for line in lines if line[0] == "RUN" for word in line), "no extra is installed"


def test_the_systemd_unit_runs_a_command_that_there_is(tmp_path: Path) -> None:
    unit = (ROOT / "deploy" / "forewarn-watch.service").read_text()
    settings = re.findall(r"^(\w+)=(.*)$", unit, flags=re.MULTILINE)
    values = dict(settings)
    environment = dict(re.findall(r'"(WATCH|OPTIONS)=(.*)"', unit))
    line = values["ExecStart"].replace("$WATCH", environment["WATCH"]).replace("$OPTIONS", environment["OPTIONS"])
    name, *arguments = shlex.split(line.partition(" ")[2])
    command = cli.cli.get_command(click.Context(cli.cli), name)
    assert command is not None
    command.make_context(name, arguments)
    assert (values["DynamicUser"], values["NoNewPrivileges"], values["ProtectSystem"]) == ("yes", "yes", "strict")
    if shutil.which("systemd-analyze") is None:
        return
    # The program is not installed where the unit has it.
    copy = tmp_path / "forewarn-watch.service"
    copy.write_text(unit.replace("/opt/forewarn/bin/forewarn", "/bin/true"))
    ran = subprocess.run(["systemd-analyze", "verify", copy], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
