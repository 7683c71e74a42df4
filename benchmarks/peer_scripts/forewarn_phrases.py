"""This project's expressions on Hyperscan: lines in which any is found. Arguments: patterns, lines, output."""

import json
import sys
import time
from pathlib import Path

import msgspec
import numpy as np
import polars as pl

from forewarn.rules.language.rule import Pattern
from forewarn.rules.matching.expressions import Expressions

patterns = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=list[Pattern])
lines = json.loads(Path(sys.argv[2]).read_text())
started = time.perf_counter()
several = Expressions(patterns)
compiled = time.perf_counter()
rows, _ = several.hits(pl.Series(lines))
hits = len(np.unique(rows))
done = time.perf_counter()
Path(sys.argv[3]).write_text(json.dumps({"compile": compiled - started, "match": done - compiled, "hits": hits}))
