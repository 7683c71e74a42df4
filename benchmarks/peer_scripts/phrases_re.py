"""Python's re: lines in which any of the expressions is found. Arguments: expressions, lines (JSON lists), output."""

import json
import re
import sys
import time
from pathlib import Path

expressions, lines = (json.loads(Path(name).read_text()) for name in sys.argv[1:3])
started = time.perf_counter()
one = re.compile("|".join(f"(?:{expression})" for expression in expressions))
compiled = time.perf_counter()
hits = sum(one.search(line) is not None for line in lines)
done = time.perf_counter()
Path(sys.argv[3]).write_text(json.dumps({"compile": compiled - started, "match": done - compiled, "hits": hits}))
