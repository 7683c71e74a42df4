"""Five logs in which something slowly goes wrong, and the same five in which it does not.

In: a name and a seed. Out: lines with times, and the line of the outage (None in a quiet one). The ordinary day, small
failures that mend themselves included, is the same in both; only in the first do failures become more frequent.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

START = datetime(2026, 3, 12, 2, tzinfo=UTC)
HOURS = 8
BREWING = 6.0
"""The hour in which it begins; the outage is at the end."""


@dataclass(frozen=True)
class Scenario:
    """`ordinary` lines with weights; `signs` of what brews, from weak to strong, one a day in quiet times; `outage`."""

    ordinary: tuple[tuple[float, str], ...]
    signs: tuple[str, ...]
    outage: str


SCENARIOS = {
    "disk errors": Scenario(
        (
            (20, "node-{few} kernel: eth0: link is up, {num} Mbps"),
            (15, "node-{few} systemd[1]: Started session {num} of user backup"),
            (15, "node-{few} cron[{num}]: (root) CMD (run-parts /etc/cron.hourly)"),
            (10, "node-{few} smartd[{num}]: Device: /dev/sda, temperature {few} Celsius, no change"),
            (1, "node-{few} kernel: sda: write cache enabled, does not support DPO or FUA"),
        ),
        (
            "node-3 smartd[{num}]: Device: /dev/sdb, {few} Currently unreadable (pending) sectors",
            "node-3 kernel: ata2.00: error: {{ UNC }} failed command: READ FPDMA QUEUED, retrying",
            "node-3 kernel: blk_update_request: I/O error, dev sdb, sector {num}",
            "node-3 kernel: Buffer I/O error on dev sdb1, logical block {num}, lost async page write",
        ),
        "node-3 kernel: EXT4-fs (sdb1): Remounting filesystem read-only",
    ),
    "retry storm": Scenario(
        (
            (30, "INFO api: POST /v1/orders 201 {num}ms"),
            (20, "INFO api: GET /v1/orders/{num} 200 {few}ms"),
            (10, "INFO queue: consumed {few} messages, 0 waiting"),
            (1, "WARN client: request to inventory slow ({num}ms)"),
        ),
        (
            "WARN client: request to inventory timed out after {num}ms, retry {few} of 5",
            "WARN client: inventory answered 503, retry {few} of 5",
            "ERROR client: retries exhausted for order {num}, giving up",
            "ERROR queue: backlog {num} messages, consumers cannot keep up",
        ),
        "FATAL api: circuit breaker open, all orders refused",
    ),
    "memory leak": Scenario(
        (
            (30, "INFO worker-{few}: job {num} done"),
            (10, "INFO gc: young collection {few} ms, heap {num} MiB"),
            (10, "INFO http: GET /health 200"),
            (1, "INFO worker-{few}: job {num} skipped, duplicate"),
        ),
        (
            "WARN gc: full collection {num} ms, heap 91% after collection",
            "WARN gc: GC overhead high, {few}0% of time spent collecting",
            "ERROR worker-{few}: java.lang.OutOfMemoryError: Java heap space, job {num} failed",
            "ERROR http: GET /health timed out, worker-{few} not responding",
        ),
        "FATAL kernel: Out of memory: Killed process {num} (java)",
    ),
    "certificate": Scenario(
        (
            (30, "INFO gateway: TLS handshake with partner-{few} ok, TLSv1.3"),
            (20, "INFO gateway: 200 POST /payments {num}ms"),
            (5, "INFO acme: certificate of partner-{few}.example valid for {num} days"),
            (1, "INFO gateway: session ticket keys rotated"),
        ),
        (
            "WARN acme: certificate of api.example expires in {few} hours, renewal failed: DNS problem",
            "WARN gateway: TLS handshake with partner-{few} failed: certificate has expired",
            "ERROR acme: renewal failed, rate limited by the authority, retry in {num} s",
            "ERROR gateway: SSL_ERROR certificate verify failed, connection from partner-{few} refused",
        ),
        "FATAL gateway: certificate of api.example has expired, no partner can connect",
    ),
    "credential stuffing": Scenario(
        (
            (30, "sshd[{num}]: Accepted publickey for deploy from 10.0.0.{few} port {num} ssh2"),
            (20, "sshd[{num}]: pam_unix(sshd:session): session opened for user deploy"),
            (20, "sshd[{num}]: pam_unix(sshd:session): session closed for user deploy"),
            (1, "sshd[{num}]: Received disconnect from 10.0.0.{few} port {num}:11: disconnected by user"),
        ),
        (
            "sshd[{num}]: Failed password for invalid user admin{few} from 203.0.113.{few} port {num} ssh2",
            "sshd[{num}]: Failed password for root from 203.0.113.{few} port {num} ssh2",
            "sshd[{num}]: PAM {few} more authentication failures; logname= uid=0 euid=0 tty=ssh user=root",
            "sshd[{num}]: error: maximum authentication attempts exceeded for root from 203.0.113.{few}",
        ),
        "sshd[{num}]: Accepted password for root from 203.0.113.{few} port {num} ssh2",
    ),
}


def log_of(name: str, *, brewing: bool, seed: int = 0) -> tuple[list[str], int | None]:
    """The lines of a log, and the number (1-based) of the outage's."""
    scenario = SCENARIOS[name]
    chance = random.Random(f"{name} {seed}")
    texts, weights = [text for _, text in scenario.ordinary], [weight for weight, _ in scenario.ordinary]
    rows = [(chance.uniform(0, HOURS), text) for text in chance.choices(texts, weights, k=1_400)]
    # What happens on any day too: the weakest sign, now and then.
    rows += [(chance.uniform(0, HOURS), scenario.signs[0]) for _ in range(5)]
    if brewing:
        for at, sign in enumerate(scenario.signs):
            begins = BREWING + 0.3 * at
            # The longer it lasts, the more of them.
            rows += [(begins + (HOURS - begins) * chance.random() ** 0.5, sign) for _ in range(12)]
    rows.sort()
    lines = [_line(hour, text, chance) for hour, text in rows]
    if not brewing:
        return lines, None
    return [*lines, _line(HOURS, scenario.outage, chance)], len(lines) + 1


def _line(hour: float, text: str, chance: random.Random) -> str:
    said = text.format(few=chance.randrange(2, 9), num=chance.randrange(100, 60_000))
    return f"{START + timedelta(hours=hour):%Y-%m-%dT%H:%M:%S.%f}Z {said}"
