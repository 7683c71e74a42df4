"""What a machine wrote and what a person wrote, by form."""

from __future__ import annotations

import polars as pl
import pytest

from forewarn.grouping.machine_texts import machine_written

MACHINE = [
    "2026-11-29 20:04:00,123 ERROR [worker-3] c.acme.pay.Ledger - balance went below zero",
    "Nov 29 20:04:00 web1 sshd[2210]: Failed password for root from 192.0.2.7 port 4000 ssh2",
    "Nov 29 20:04:00 web1 cupsd: scheduler was restarted",
    '192.0.2.7 - - [29/Nov/2026:20:04:00 +0000] "GET /index.html HTTP/1.1" 200 512',
    "time=2026-11-29T20:04:00Z level=info msg=ready",
    "ERROR payment request 700001 failed: connection refused",
    "<34>1 2026-11-29T20:04:00Z host app - - - disk is full",
    "Image: C:\\Windows\\cmd.exe; ParentImage: C:\\Windows\\explorer.exe; User: anna",
    "[   12.345] EXT4-fs error (device sda1) in ext4_reserve_inode_write:5786: IO failure at 0xffff8800",
    "11-29 20:04:00.811  1702  2395 D WindowManager: printFreezingDisplayLogs",
]
PEOPLE = [
    "Third Thursday in a row the teller says they can only do $500 a day because the truck is late",
    "[20:01] mum: the river is over the road again",
    "WARNING: tornado on the ground near Moore, take cover http://t.co/abcd_ef",
    "RT @user_name: BREAKING explosion at the plant #news_now 8:31 PM",
    "2026-11-29 20:04:00 Bank halts withdrawals",
    "小学门口有人持刀砍人",
    "Error on my part: the meeting is at 10:30, not 11.",
    "",
]


@pytest.mark.parametrize("text", MACHINE)
def test_a_log_line_or_an_event_is_a_machines(text: str) -> None:
    assert machine_written(pl.Series([text])).to_list() == [True]


@pytest.mark.parametrize("text", PEOPLE)
def test_what_a_person_says_is_not(text: str) -> None:
    assert machine_written(pl.Series([text])).to_list() == [False]


def test_no_text_is_no_machines() -> None:
    assert machine_written(pl.Series([None, "x"], dtype=pl.String)).to_list() == [False, False]
