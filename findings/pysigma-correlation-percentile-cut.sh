#!/usr/bin/env bash
# pySigma 2.0.1: a Sigma correlation of type value_percentile that asks for the 99.9th percentile is read as asking for
# the 99th: the percentile is cut to an integer when the rule is parsed, without an error or a warning, although the
# threshold beside it (2.5 seconds) is kept as it is. A rule for the slowest one request in a thousand becomes one for
# the slowest in a hundred. Whoever evaluates such a correlation has to take the percentile from the rule's own
# document, as with whole numbers beyond 2^53 in detections.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check pysigma==2.0.1
cat > "$folder/run.py" <<'PYTHON'
from sigma.collection import SigmaCollection

RULES = """
title: Request
name: request
logsource: {category: webserver}
detection:
  all: {path|startswith: /}
  condition: all
---
title: The slowest one in a thousand is slow
correlation:
  type: value_percentile
  rules: [request]
  group-by: [service]
  timespan: 5m
  condition: {field: seconds, percentile: 99.9, gt: 2.5}
"""
condition = SigmaCollection.from_yaml(RULES).rules[1].condition
print("asked for: percentile 99.9, more than 2.5")
print(f"read as:   percentile {condition.percentile}, more than {condition.count}")
assert (condition.percentile, condition.count) == (99, 2.5), "pySigma reads it otherwise now"
PYTHON
"$folder/env/bin/python" "$folder/run.py"
