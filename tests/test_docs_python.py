"""docs/python.md: every example runs, in a process of its own, in the order of the page."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "python.md").read_text("utf-8")


def test_the_examples_of_the_page_run(tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    script = "\n".join(re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
    ran = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "the labels are all of one class" in ran.stdout


def test_every_public_name_of_the_table_is_public() -> None:
    import forewarn

    table = PAGE[PAGE.index("| command | in Python |") : PAGE.index("```python\nto_label")]
    names = set(re.findall(r"\w+", table))
    twins = {
        *("scan", "watch", "fit", "fit_baseline", "baseline_model", "save_model", "update", "find_drift"),
        *("most_useful", "write_sheet", "keep_answer", "similar", "read_cases", "build_cases", "add_cases"),
        *("remove_cases", "merge_cases", "list_cases", "match_rules", "backtest", "lint_rules", "run_rule_tests"),
        *("load_rules", "doctor", "Scan", "Receivers", "Update", "Drift", "SimilarCase"),
    }
    assert twins <= names
    assert twins <= set(dir(forewarn))
