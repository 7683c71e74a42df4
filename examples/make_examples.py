"""Writes the three example inputs under `examples/logs`, the same bytes every time.

In: the texts under `examples/material` and a fixed seed; no clock, no network. Out: `payments.log`, a payment service's
log with a failure that brews from 09:12; `news_zh.jsonl`, a Chinese news feed with a run on a bank; `social.csv`, posts
from a town on a river that floods. More than nine lines in ten are ordinary.
Run: `python examples/make_examples.py [FOLDER]`.
"""

from __future__ import annotations

import csv
import io
import json
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from itertools import product
from pathlib import Path
from string import Formatter
from typing import Any

import yaml

HERE = Path(__file__).parent
SEED = 20260314
CHINA = timezone(timedelta(hours=8))

Timed = tuple[datetime, str]


def main(folder: Path = HERE / "logs") -> None:
    """Write the three files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, made in (("payments.log", payments), ("news_zh.jsonl", news), ("social.csv", social)):
        (folder / name).write_bytes(made(random.Random(f"{SEED} {name}")).encode())  # noqa: S311 - examples, not secrets


def filled(templates: list[Any], slots: dict[str, list[str]], wanted: int, rng: random.Random) -> list[Any]:
    """`wanted` distinct fillings, as evenly over the templates as they allow."""
    stacks = []
    for template in templates:
        parts = [template] if isinstance(template, str) else template
        names = sorted({name for part in parts for _, name, _, _ in Formatter().parse(part) if name})
        fillings = [dict(zip(names, chosen, strict=True)) for chosen in product(*(slots[name] for name in names))]
        stack = [tuple(part.format(**filling) for part in parts) for filling in fillings]
        stacks.append(rng.sample(stack, len(stack)))
    made: list[Any] = []
    while len(made) < wanted:
        made += [stack.pop() for stack in stacks if stack]
    return made[:wanted]


def waking_times(count: int, start: datetime, end: datetime, rng: random.Random) -> list[datetime]:
    """Sorted distinct times, few of them between 22:30 and 06:00."""
    seconds = int((end - start).total_seconds())
    times: set[datetime] = set()
    while len(times) < count:
        time = start + timedelta(seconds=rng.randrange(seconds))
        if 6 <= time.hour + time.minute / 60 < 22.5 or rng.random() < 0.06:
            times.add(time)
    return sorted(times)


def news(rng: random.Random) -> str:
    """800 items from four days before to the evening of the bank run, as JSON lines."""
    material = yaml.safe_load((HERE / "material" / "news_zh.yaml").read_text("utf-8"))
    day = datetime(2026, 3, 11, tzinfo=CHINA)
    run = [(day + timedelta(minutes=at, seconds=rng.randrange(60)), *rest) for at, *rest in material["bank_run"]]
    written = [tuple(item) for item in material["ordinary"]]
    items = written + filled(material["often"], material["slots"], 800 - len(run) - len(written), rng)
    rng.shuffle(items)
    times = waking_times(len(items), day - timedelta(hours=84), day + timedelta(hours=18), rng)
    ordinary = [
        (time, rng.choice(material["sources"]), title, text)
        for time, (_, title, text) in zip(times, items, strict=True)
    ]
    return "".join(
        json.dumps(
            {"time": time.isoformat(timespec="seconds"), "title": title, "text": text, "source": source},
            ensure_ascii=False,
        )
        + "\n"
        for time, source, title, text in sorted(ordinary + run)
    )


def social(rng: random.Random) -> str:
    """400 posts from the afternoon before to the evening of the flood, as CSV."""
    material = yaml.safe_load((HERE / "material" / "social.yaml").read_text("utf-8"))
    day = datetime(2026, 3, 14, tzinfo=UTC)
    fixed = [
        (day + timedelta(minutes=at, seconds=rng.randrange(60)), post)
        for at, post in material["flood"] + material["timed"]
    ]
    wanted = 400 - len(fixed) - len(material["ordinary"])
    posts = material["ordinary"] + [post for (post,) in filled(material["often"], material["slots"], wanted, rng)]
    rng.shuffle(posts)
    times = waking_times(len(posts), day - timedelta(hours=10), day + timedelta(hours=18), rng)
    users = [
        f"{first}{last}{rng.choice(['', '', '_', '7', '88', '_x'])}"
        for first in ("jo", "mags", "tarle", "wex", "sam", "pip", "old", "bex", "dai", "noor", "the", "miss")
        for last in ("brook", "runner", "bakes", "moor", "tweets", "fen", "hill", "ram", "lad", "wren")
    ]
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["time", "user", "text"])
    for time, post in sorted([*zip(times, posts, strict=True), *fixed]):
        table.writerow([time.strftime("%Y-%m-%dT%H:%M:%SZ"), rng.choice(users), post])
    return out.getvalue()


def payments(rng: random.Random) -> str:
    """About 1,200 lines from 04:00 to 10:00; what brews begins at 09:12."""
    start = datetime(2026, 3, 12, 4, tzinfo=UTC)
    lines = sorted([*healthy(start, 1085, rng), *brewing(start + timedelta(hours=5, minutes=12), rng)])
    return "".join(
        f"{time.strftime('%Y-%m-%dT%H:%M:%S')}.{time.microsecond // 1000:03}Z {line}\n" for time, line in lines
    )


def healthy(start: datetime, count: int, rng: random.Random) -> Iterator[Timed]:
    """What the service says on any day, single hiccups that mend themselves included."""
    kinds = [
        (30, "INFO  api: POST /v1/payments 201 {ms}ms id=pay_{hex} amount={money} currency={cur}"),
        (14, "INFO  api: GET /v1/payments/pay_{hex} 200 {low}ms"),
        (10, "INFO  ledger: posted entry {num} for pay_{hex}, balance checked"),
        (8, "INFO  gateway: authorisation approved by acquirer {bank} in {ms}ms"),
        (6, "INFO  gateway: authorisation declined by issuer, reason {code} pay_{hex}"),
        (5, "INFO  webhook: delivered payment.succeeded to merchant m_{small} attempt 1"),
        (4, "DEBUG cache: rates refreshed, 42 pairs, {low}ms"),
        (3, "INFO  auth: token issued for client c_{small}, expires in 3600 s"),
        (3, "INFO  fraud: score 0.{small} for pay_{hex}, rule set 118, accepted"),
        (2, "INFO  jvm: young collection {low}ms, heap {small} MiB of 2048 MiB"),
        (1, "WARN  webhook: merchant m_{small} answered 503, attempt 1 of 8, next in 30 s"),
        (0.5, "WARN  gateway: acquirer {bank} slow ({slow}ms), retry 1 of 3 succeeded"),
        (0.4, "WARN  api: request refused, idempotency key reused id=pay_{hex}"),
        (0.3, "ERROR api: 422 card number fails checksum, client c_{small}"),
    ]
    chosen = rng.choices([line for _, line in kinds], [weight for weight, _ in kinds], k=count)
    for line in chosen:
        yield start + timedelta(milliseconds=rng.randrange(6 * 3600 * 1000)), said(line, rng)
    for quarter in range(24):
        if quarter < 21:
            yield (
                start + timedelta(minutes=15 * quarter, milliseconds=210),
                f"INFO  settle: run {880 + quarter} finished, {rng.randrange(210, 480)} payments settled, 0 failed",
            )
        if quarter % 2 == 0 and quarter < 20:
            yield (
                start + timedelta(minutes=15 * quarter + 4, milliseconds=75),
                f"INFO  pool: {rng.randrange(38, 52)} of 64 connections free, waiting 0",
            )
    yield start + timedelta(minutes=31), "INFO  ops: failover drill simulated 'connection pool exhausted', drill passed"
    yield start + timedelta(minutes=95), "INFO  ops: certificate renewed, valid until 2027-03-12"
    yield start + timedelta(minutes=150), "INFO  deploy: release 4.18.2 rolled out to 6 of 6 instances, no errors"


def brewing(begin: datetime, rng: random.Random) -> Iterator[Timed]:
    """Retries, latency, a shrinking pool, an empty one, failed settlements: each begins before the last one ends."""
    stages = [
        (0, 26, 26, "WARN  gateway: acquirer {bank} timed out after {slow}ms, retry {few} of 3"),
        (7, 30, 12, "WARN  api: slow request POST /v1/payments {slow}ms id=pay_{hex}"),
        (10, 22, 10, "WARN  gateway: retries exhausted for pay_{hex}, holding connection conn-{small}"),
        (27, 46, 18, "ERROR settle: connection pool exhausted, 0 of 64 free, waited {slow}ms"),
        (29, 47, 14, "ERROR api: POST /v1/payments 503 {slow}ms id=pay_{hex} no connection available"),
        (33, 47, 12, "ERROR settle: settlement of batch b_{num} failed, {small} payments not settled, will retry"),
        (38, 47, 5, "ERROR ledger: posting pay_{hex} rolled back, database connection timed out"),
    ]
    for first, last, count, line in stages:
        for _ in range(count):
            # More of them the longer it lasts.
            share = max(rng.random(), rng.random())
            yield begin + timedelta(milliseconds=int((first + (last - first) * share) * 60_000)), said(line, rng)
    for minute, free in ((9, 23), (14, 17), (18, 11), (21, 8), (24, 5), (26, 2)):
        yield (
            begin + timedelta(minutes=minute, milliseconds=380),
            f"WARN  pool: only {free} of 64 connections free, waiting {3 * (24 - free)}",
        )
    yield (
        begin + timedelta(minutes=36),
        "ERROR settle: run 901 aborted, 412 payments unsettled, previous run still holds the lock",
    )
    yield begin + timedelta(minutes=41), "FATAL settle: circuit breaker open, settlement suspended"
    yield begin + timedelta(minutes=45), "ERROR health: instance pay-3 not ready, readiness probe failed 3 times"


def said(line: str, rng: random.Random) -> str:
    """A log line with its numbers and names."""
    return line.format(
        ms=rng.randrange(60, 260),
        low=rng.randrange(3, 28),
        slow=rng.randrange(2100, 9800),
        few=rng.randrange(1, 4),
        small=rng.randrange(100, 999),
        num=rng.randrange(10**6, 10**7),
        hex=f"{rng.getrandbits(32):08x}",
        money=f"{rng.randrange(150, 48000) / 100:.2f}",
        cur=rng.choice(["EUR", "GBP", "CNY", "USD"]),
        bank=rng.choice(["northline", "covalent", "harbour"]),
        code=rng.choice(["05", "51", "54", "61"]),
    )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
