"""Words that say nothing of a subject, in English and Chinese: never named as what a text is about.

In: a word, a run of ideographs. Out: whether it is one, or the run without its function characters.
"""

from __future__ import annotations

import re

_ENGLISH_WORDS = """
    a about above across after again against ago all almost along already also although always am among an and
    another any are around as at away be because been before behind being below between both but by can cannot
    could did do does doing done during each either else even ever every few for from get gets getting got had
    has have having he her here hers him his how however i if im in into is isn isnt it its itself just let like
    made make many may me might mine more most much must my near neither never no nor not now of off often on
    once one only onto or other our ours out over own per put really said same say says see she should since so
    some still such than that the their theirs them then there these they this those though through till to too
    toward towards under until up upon us very via was way we well were what when where whether which while who
    whom whose why will with within without would yet you your yours
"""
_ENGLISH = frozenset(_ENGLISH_WORDS.split())
_CHINESE_WORDS = """
    今天 昨天 明天 前天 后天 小时 分钟 时候 现在 已经 可以 可能 因为 所以 如果 虽然 不过 还是 还有 没有 不是
    不知 知道 什么 怎么 为何 怎样 这个 那个 一个 有人 大家 自己 出来 起来 下来 上来 过来 过去 进来 回来 出去
    以及 有关 表示 其中 目前 正在 一直 有没 怎么办
"""
_CHINESE = frozenset(_CHINESE_WORDS.split())
_BETWEEN = re.compile(
    "[的是也而吗嗎呢吧们們把这這那之或且很太啊呀哦嘛我你您他她它]|(?<![现存所])在(?![逃押建])|了(?!解)|(?<![偿归退])还(?![款贷钱债])|"
    "(?<![首成])都|(?<![成造])就(?![业医诊])|被(?![困捕抓查盗])|着(?!火)|其(?!他)"
)
"""Characters that stand between words, but not where they are part of one that matters: 被困, 着火, 偿还."""


def is_function_word(word: str) -> bool:
    """Whether a word, in any case, only holds others together; contractions (`don't`, `they're`) are such words."""
    plain = word.lower().replace("’", "'")
    return plain in _CHINESE or plain in _ENGLISH or plain.partition("'")[0] in _ENGLISH or plain.endswith("n't")


def content_runs(ideographs: str) -> list[str]:
    """The pieces of a run of ideographs between its function characters, in order; a single character is no word."""
    return [piece for piece in _BETWEEN.split(ideographs) if len(piece) > 1]
