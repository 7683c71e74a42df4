#!/usr/bin/env bash
# pySigma 2.0.1: a key of a Sigma correlation that it does not know is dropped without an error or a warning. With
# `group_by` in place of `group-by` the rule is accepted and counts over all events together: "ten failed logins of one
# address" becomes "ten failed logins of anybody", which fires on any busy day. Fields and modifiers of detections are
# refused where they are unknown, so one expects the same of correlations. Whoever reads them has to check their keys.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check pysigma==2.0.1
cat > "$folder/run.py" <<'PYTHON'
from sigma.correlations import SigmaCorrelationRule

CORRELATION = {"type": "event_count", "rules": ["failed_login"], "timespan": "5m", "condition": {"gte": 10}}
for key in ("group-by", "group_by"):
    rule = SigmaCorrelationRule.from_dict(
        {"title": "Guessing of passwords", "correlation": CORRELATION | {key: ["source_address"]}}, collect_errors=True
    )
    print(f"{key}: groups by {rule.group_by}, errors {rule.errors}")
    assert rule.errors == []
    assert rule.group_by == (["source_address"] if key == "group-by" else None), "pySigma reads it otherwise now"
PYTHON
"$folder/env/bin/python" "$folder/run.py"
