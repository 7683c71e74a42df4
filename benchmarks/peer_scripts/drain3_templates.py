"""drain3 at its defaults: logs to templates. Arguments: folder of logs, output."""

import json
import sys
from pathlib import Path

from drain3 import TemplateMiner

counts = {}
for file in sorted(Path(sys.argv[1]).glob("*.log")):
    miner = TemplateMiner()
    for line in file.read_text("utf-8", "replace").splitlines():
        miner.add_log_message(line)
    counts[file.stem] = len(miner.drain.clusters)
Path(sys.argv[2]).write_text(json.dumps(counts))
