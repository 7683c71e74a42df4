"""A stack trace is one record with what was logged of it: head, causes, the first own frames."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forewarn.reading.formats import stack_traces
from forewarn.reading.formats.plain_lines import PlainLines


def records(text: str) -> list[str]:
    """The records that lines make."""
    lines = pl.Series([line for line in text.split("\n") if line.strip()], dtype=pl.String)
    made: list[list[str]] = []
    for line, goes_on in zip(lines, PlainLines().belongs(lines), strict=True):
        made[-1].append(line) if goes_on and made else made.append([line])
    return [stack_traces.together(some) for some in made]


TRACES = {
    "java": """2026-11-29 ERROR pump: stopped
java.io.IOException: dry
\tat works.Pump.run(Pump.java:7)
\tat java.lang.Thread.run(Thread.java:750)
Caused by: java.net.SocketException: reset
\tat works.Pipe.read(Pipe.java:9)
\t... 12 more
2026-11-29 INFO next""",
    "python": """2026-11-29 ERROR pump: stopped
Traceback (most recent call last):
  File "/works/pump.py", line 3, in run
    pipe.read()
  File "/usr/lib/python3.11/site-packages/pipe.py", line 9, in read
    raise ValueError
ValueError: dry

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/works/main.py", line 3, in main
    run()
works.PumpError: stopped
2026-11-29 INFO next""",
    "go": """2026/11/29 08:04:00 http: panic serving 192.0.2.4:5: dry
goroutine 7 [running]:
net/http.(*conn).serve.func1()
\t/usr/local/go/src/net/http/server.go:1850 +0xbf
main.run({0x1, 0x2}, 0x3)
\t/works/main.go:12 +0x1d
created by net/http.(*Server).Serve
\t/usr/local/go/src/net/http/server.go:3086 +0x5db
2026/11/29 08:05:00 next""",
    "node": """2026-11-29 ERROR pump: stopped
TypeError: Cannot read properties of undefined
    at run (/works/pump.js:3:5)
    at node:internal/main/run_main_module:23:47
2026-11-29 INFO next""",
    ".net": """2026-11-29 [ERR] pump: stopped
System.InvalidOperationException: dry
 ---> System.IO.IOException: reset
   at Works.Pump.Run() in /works/Pump.cs:line 7
   --- End of inner exception stack trace ---
   at System.Threading.Thread.Start()
2026-11-29 [INF] next""",
    "php": """[29-Nov-2026 20:04:00 UTC] PHP Fatal error:  Uncaught Exception: dry in /works/a.php:3
Stack trace:
#0 /works/a.php(7): pump()
#1 {main}
  thrown in /works/a.php on line 3
[29-Nov-2026 20:05:00 UTC] next""",
    "rust": """thread 'main' panicked at src/main.rs:2:5:
dry
stack backtrace:
   0: rust_begin_unwind
             at /rustc/abc/library/std/src/panicking.rs:5
   1: pump::main
             at ./src/main.rs:2:5
note: run with `RUST_BACKTRACE=full` for a verbose backtrace.
2026-11-29 INFO next""",
}
LIBRARIES = ("java.lang.Thread", "site-packages", "/usr/local/go", "node:internal", "System.Threading", "/rustc/")
OWN = {
    "java": ["IOException: dry", "works.Pump.run", "Caused by: java.net.SocketException: reset", "works.Pipe.read"],
    "python": ["/works/pump.py", "ValueError: dry", "works.PumpError: stopped"],
    "go": ["goroutine 7", "/works/main.go:12"],
    "node": ["TypeError", "/works/pump.js"],
    ".net": ["InvalidOperationException: dry", "System.IO.IOException: reset", "Works.Pump.Run"],
    "php": ["Uncaught Exception: dry", "/works/a.php(7)"],
    "rust": ["panicked", "dry", "pump::main"],
}


@pytest.mark.parametrize("language", TRACES)
def test_a_trace_is_one_record_without_the_frames_of_libraries(language: str) -> None:
    found = records(TRACES[language])
    assert len(found) == 2
    assert found[1].endswith("next")
    assert all(part in found[0] for part in OWN[language])
    assert not any(library in found[0].split("created by")[0] for library in LIBRARIES)


@pytest.mark.parametrize("language", TRACES)
def test_two_traces_are_two_records(language: str) -> None:
    assert len(records(f"{TRACES[language]}\n{TRACES[language]}")) == 4


def test_traces_without_a_head_are_records_of_their_own() -> None:
    python = 'Traceback (most recent call last):\n  File "/works/a.py", line 3, in f\n    g()\nValueError: dry'
    java = "java.io.IOException: dry\n\tat works.Pump.run(Pump.java:7)"
    assert len(records("\n".join([python] * 3))) == 3
    assert len(records("\n".join([java] * 3))) == 3


def test_lists_and_errors_without_frames_are_lines_of_their_own() -> None:
    lines = "A list:\n  one\n    two\n#1 song of the year\nKeyError: x\nKeyError: y\ncreated by Anna and Ben\n  at noon"
    assert records(lines) == lines.split("\n")


@given(st.lists(st.sampled_from([*"\n".join(TRACES.values()).split("\n"), "plain", "  in", "a: b"]), max_size=40))
def test_every_line_is_in_one_record(lines: list[str]) -> None:
    filled = [line for line in lines if line.strip()]
    kept = [line for line in filled if not stack_traces._FRAME.match(line)]
    joined = "\n".join(records("\n".join(lines)))
    assert [line for line in kept if line.strip() and not line.startswith("   ") and line.rstrip() not in joined] == []
