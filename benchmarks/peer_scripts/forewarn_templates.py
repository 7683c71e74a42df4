"""This project's masking and grouping: logs to templates. Arguments: folder of logs, output."""

import json
import sys
from pathlib import Path

import polars as pl

from forewarn.grouping.templates import mask

counts = {}
for file in sorted(Path(sys.argv[1]).glob("*.log")):
    lines = pl.DataFrame({"text": file.read_text("utf-8", "replace").splitlines()})
    counts[file.stem] = lines.select(mask(pl.col("text"))).to_series().n_unique()
Path(sys.argv[2]).write_text(json.dumps(counts))
