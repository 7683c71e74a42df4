"""First reports, quiet signs and lines of tools as people write them: what the packs raise and leave alone."""

from __future__ import annotations

import polars as pl
import pytest

from forewarn.rules import RuleSet, load_rules

LEVELS = ("informational", "low", "medium", "high", "critical")


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    return load_rules()


def _levels(rules: RuleSet, texts: list[str]) -> dict[str, int]:
    """The highest level that fires on each text, as a place in `LEVELS`; -1 where nothing does."""
    highest = dict.fromkeys(texts, -1)
    for row, rule in rules.match(pl.DataFrame({"text": texts})).iter_rows():
        highest[texts[row]] = max(highest[texts[row]], LEVELS.index(rules.rules[rule].level))
    return highest


FIRST_REPORTS = [
    "Train derails outside a city",
    "Freight wagons off the track at the mill crossing",
    "小学门口有人持刀砍人",
    "Bank halts withdrawals",
    "Withdrawals frozen at savings bank",
    "Department store chain files for insolvency",
    "某连锁超市申请破产",
    "Hundreds of pupils sick after school lunch",
    "Haze blankets the port, ferries stop",
    "Hackers exploit zero-day flaw in SharePoint",
    "Customer data of an insurer offered for sale on the dark web",
    "Helicopter comes down in the harbour",
    "化工园区一仓库起火",
    "渔船触礁沉没",
]
QUIET_SIGNS = [
    "Wages are late again, nobody tells us why",
    "工资又晚了，老板说下周",
    "Crack in the retaining wall grew two fingers since Sunday",
    "Long queue at the bank branch before it opened",
    "Whole department got a mail with a link to confirm passwords",
    "Sensor B2 stuck at zero for a week",
    "All files on the share renamed overnight, new extension .xyz12",
    "附近药店退烧药卖光了",
]
TOOLS = [
    "kernel: nf_conntrack: nf_conntrack: table full, dropping packet",
    "Warning NodeNotReady node/worker-9 Node worker-9 status is now: NodeNotReady",
    "haproxy[812]: proxy checkout has no server available!",
    "systemd[1]: api.service: Main process exited, code=killed, status=11/SEGV",
    "mdadm[91]: DegradedArray event detected on md device /dev/md3",
    "The node was low on resource: ephemeral-storage. pod cart-5 evicted",
    "Cluster health status changed from [GREEN] to [RED] (reason: [shards failed])",
    "(error) MISCONF Redis is configured to save RDB snapshots",
    "upsd: UPS cellar on battery, battery is low",
    "useradd[7]: new user: name=sys2, UID=0, GID=0",
    "[WARN] core: vault is sealed",
    "rabbit@mq1: memory resource limit alarm set on node",
    "%BGP-3-NOTIFICATION bgpd: BGP neighbor 192.0.2.1 Down",
    "Seconds_Behind_Master: 8121",
    "org.apache.kafka NotEnoughReplicas: Number of insync replicas is below min.insync.replicas",
    "[alert] 4#4: 512 worker_connections are not enough",
    '192.0.2.7 - - [01/Mar/2031:10:00:00 +0000] "GET /.git/config HTTP/1.1" 404 1 "-" "-"',
    '192.0.2.7 - - [01/Mar/2031:10:00:00 +0000] "GET /?author=3 HTTP/1.1" 301 1 "-" "-"',
    '192.0.2.7 - - [01/Mar/2031:10:00:00 +0000] "GET /site-old.zip HTTP/1.1" 404 1 "-" "-"',
    r'192.0.2.7 - - [01/Mar/2031:10:00:00 +0000] "\x03\x00\x00/*\xE0" 400 1 "-" "-"',
    "2026-11-29 08:04:00 EMERGENCY store: nothing can be written",
    "2026-11-29 08:04:00 PANIC writer: log is torn",
    'level=alert msg="no key is left"',
    "2026-11-29 08:04:00 [致命] 写入线程退出",
]
ORDINARY = [
    "A flood of tourists in the old town",
    "歌里唱着失联的人",
    "夜里无法入睡",
    "大家都在跑厕所",
    "Fixed a crash when the folder was empty",
    "fix(store): memory leak in the reader",
    "修复了启动时崩溃的问题",
    "# no error",
    "The film begins when a train derails in the desert",
    "铁路局开展列车脱轨演练",
    "Officials denied that the bank halts withdrawals",
    "Fifty years ago today the ferry capsized in the strait",
    "In this game a gunman opens fire in the mall",
    "The striker was injured in the cup final, two players missing",
    "install libgpg-error-dev:amd64 1.47-3",
    "unpacked liberror-prone-java 2.18",
    '192.0.2.7 - - [01/Mar/2031:10:00:00 +0000] "GET /error-pages/sorry.png HTTP/1.1" 200 1',
    "2026-11-29 08:04:00 INFO alert rules loaded",
    "手机屏幕裂缝又变大了",
    "Salaries are paid on time as always",
    "The queue for the new phone starts at the bank",
    '192.0.2.7 - - [01/Mar/2031:10:00:00 +0000] "GET /downloads/manual.pdf HTTP/1.1" 200 1',
]


def test_a_bare_first_report_is_at_least_medium(rules: RuleSet) -> None:
    missed = [text for text, level in _levels(rules, FIRST_REPORTS).items() if level < LEVELS.index("medium")]
    assert missed == []


@pytest.mark.parametrize(
    "text",
    [
        "Nine people missing after ferry sinks",
        "Ferry sinks: nine missing",
        "Blast kills three at fireworks depot",
        "three hurt in factory explosion",
        "厂房坍塌致2死5伤",
        "山洪暴发，七人失联",
        "大巴坠崖，多人遇难",
    ],
)
def test_a_toll_in_an_event_is_high_in_either_order_in_words_and_figures(rules: RuleSet, text: str) -> None:
    assert _levels(rules, [text])[text] >= LEVELS.index("high")


def test_a_quiet_sign_is_seen_and_is_no_alarm_by_itself(rules: RuleSet) -> None:
    levels = _levels(rules, QUIET_SIGNS)
    assert [text for text, level in levels.items() if level < LEVELS.index("low")] == []
    assert [text for text, level in levels.items() if level > LEVELS.index("medium")] == []


def test_what_tools_say_in_their_own_words_is_at_least_medium(rules: RuleSet) -> None:
    missed = [text for text, level in _levels(rules, TOOLS).items() if level < LEVELS.index("medium")]
    assert missed == []


def test_wrong_senses_denials_fictions_fixes_and_names_raise_no_rule(rules: RuleSet) -> None:
    raised = {text: LEVELS[level] for text, level in _levels(rules, ORDINARY).items() if level >= 0}
    assert raised == {}
