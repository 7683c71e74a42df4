"""Scans that are killed (SIGKILL) after a given number of the program's own calls; a script, run by test_resume.

Each scan is a fork of a process that has imported everything and computed nothing: a start takes no time. Blocks and
chunks are small and every one of them is followed by a checkpoint, so that a kill may come anywhere between two.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from pathlib import Path
from types import FrameType

from tiny_encoder import TinyEncoder

import forewarn.cases.importing
import forewarn.detectors
import forewarn.embeddings.cases
import forewarn.output.terminal
import forewarn.pipeline
import forewarn.scoring.adaptation
import forewarn.warning.clock_kernel
import forewarn.warning.detector_kernel
import forewarn.warning.early_warnings
import forewarn.warning.volume_kernel
from forewarn import checkpoint, cli, embeddings, intake
from forewarn.grouping import text_table
from forewarn.scoring import embedding
from forewarn.scoring import scorer as scoring

checkpoint.EVERY = 0.0
intake.BLOCK_BYTES = 4_000
embedding.CHUNK = 100
embeddings.load_encoder = lambda *_, **__: TinyEncoder()  # type: ignore[assignment]
OURS = str(Path(forewarn.pipeline.__file__).parent)


def scan(arguments: list[str], *, kill_at: int | None) -> int | None:
    """Run one scan in a process of its own: how many calls it made, or None where it was killed before its end."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        calls = 0

        def called(frame: FrameType, event: str, _: object) -> None:
            nonlocal calls
            if event in ("call", "c_call") and frame.f_code.co_filename.startswith(OURS):
                calls += 1
                if calls == kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.setprofile(called)
        sys.argv = ["forewarn", "scan", *arguments]
        try:
            cli.main()
        except SystemExit as ended:
            sys.stdout.flush()
            if ended.code in (0, 1):
                os.write(write, str(calls).encode())
        finally:
            os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with os.fdopen(read) as said:
        return int(said.read() or -1)


def main() -> None:
    """`killed_scans.py KILLS HELD OUTPUT SCORES ARGUMENTS…`: what was killed where, and whether outputs are the same.

    A scan learns from at most HELD texts; 0 = as many as ever. Where there are more, they are on disk.
    """
    kills, held, output, scores = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])
    arguments = [*sys.argv[5:], "-o", str(output), "--scores", str(scores)]
    if held:
        scoring.HELD, text_table.BLOCK, text_table.MOST_IN_MEMORY = held, 100, 50_000
    whole = scan(arguments, kill_at=None)
    expected = output.read_bytes(), scores.read_bytes()
    drawn = random.Random(0)
    result: dict[str, list[object]] = {"killed": [], "taken_up": [], "same": []}
    work = output.with_name(f".{output.name}.work") / "checkpoint.json"
    while len(result["killed"]) < kills:
        output.unlink(missing_ok=True)
        scores.unlink(missing_ok=True)
        ended = -1
        while ended < 0:
            at = drawn.randrange(1, whole) if len(result["killed"]) < kills else None
            taken_up = work.exists()
            ended = scan([*arguments, "--resume"], kill_at=at)
            if ended < 0:
                result["killed"].append(at)
                result["taken_up"].append(taken_up)
        result["same"].append((output.read_bytes(), scores.read_bytes()) == expected)
        if work.parent.exists():
            result["same"].append("the work folder is left")
        result["same"] += [f"{part} is left" for part in output.parent.glob(".*.part")]
    print(json.dumps(result | {"calls": whole}))


if __name__ == "__main__":
    main()
