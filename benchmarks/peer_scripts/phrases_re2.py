"""google-re2's Set: lines in which any of the expressions is found. Arguments: expressions, lines, output."""

import json
import sys
import time
from pathlib import Path

import re2

expressions, lines = (json.loads(Path(name).read_text()) for name in sys.argv[1:3])
started = time.perf_counter()
options = re2.Options()
options.max_mem = 1 << 30
several = re2.Set.SearchSet(options)
for expression in expressions:
    several.Add(expression)
several.Compile()
compiled = time.perf_counter()
hits = sum(bool(several.Match(line)) for line in lines)
done = time.perf_counter()
Path(sys.argv[3]).write_text(json.dumps({"compile": compiled - started, "match": done - compiled, "hits": hits}))
