"""Ways in which the same text is written differently: by accident, by fashion, to get past a filter.

In: texts, how many changes for every ten characters, a seed. Out: the texts changed. The tables are small and were
written for this benchmark; the detectors do not read them.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

_BESIDE = {
    letter: row[max(0, at - 1) : at] + row[at + 1 : at + 2]
    for row in ("qwertyuiop", "asdfghjkl", "zxcvbnm")
    for at, letter in enumerate(row)
}
_LOOKALIKE = dict(zip("aceiopsxyABCEHIKMOPTX", "асеіорѕхуАВСЕНІКМОРТХ", strict=True))
_LEET = dict(zip("aeiostAEIOST", "431057431057", strict=True))
_INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad"
_SYNONYMS = {
    "flood": "deluge",
    "floods": "deluges",
    "flooding": "inundation",
    "fire": "blaze",
    "explosion": "blast",
    "blast": "explosion",
    "bomb": "explosive",
    "bombing": "explosion",
    "tornado": "twister",
    "hurricane": "cyclone",
    "storm": "tempest",
    "dead": "deceased",
    "died": "perished",
    "killed": "slain",
    "injured": "wounded",
    "hurt": "injured",
    "victims": "casualties",
    "help": "aid",
    "rescue": "save",
    "damage": "destruction",
    "destroyed": "ruined",
    "police": "officers",
    "school": "academy",
    "pray": "wish",
    "prayers": "wishes",
    "praying": "wishing",
    "evacuated": "cleared out",
    "evacuation": "clearing out",
    "river": "stream",
    "water": "waters",
    "town": "village",
    "plant": "factory",
    "power": "electricity",
    "missing": "unaccounted for",
    "people": "folks",
    "news": "reports",
    "huge": "enormous",
    "scary": "frightening",
}
_TRADITIONAL = dict(
    zip(
        "万与业东两严个为义乌书买争于亏云产亲亿仅从们价众优会伤债兑关兴军农决况净减出则创删别动务劳势区医华协单卖厂历厉压发变号后员响图团园国场块坏报担护拟损换据措撤断无时显机权条来构标树样检欠欧毁气汇没测济涉润涨清灾点热爱状独环现电监盘盖着确离种积稳穷竞笔签简类纠约级纪纯纲纳线组经结给络绝统继续绩维综缩缺罚职联胁脱节药获营虑虽规视觉触计订认讨让训议讯记讲许论设访证评识诈诉词译试话询该详语误说请诸课调谈谋谓谢账货质购贷贸费资赔赖赢转轮软较载辑输还这进远违连迟适选递逾释里针钢钱铁链销锁错长门问间队阶际陆险随难预领频题额风飞养驾验鱼龙",
        "萬與業東兩嚴個為義烏書買爭於虧雲產親億僅從們價眾優會傷債兌關興軍農決況淨減出則創刪別動務勞勢區醫華協單賣廠歷厲壓發變號後員響圖團園國場塊壞報擔護擬損換據措撤斷無時顯機權條來構標樹樣檢欠歐毀氣匯沒測濟涉潤漲清災點熱愛狀獨環現電監盤蓋著確離種積穩窮競筆簽簡類糾約級紀純綱納線組經結給絡絕統繼續績維綜縮缺罰職聯脅脫節藥獲營慮雖規視覺觸計訂認討讓訓議訊記講許論設訪證評識詐訴詞譯試話詢該詳語誤說請諸課調談謀謂謝賬貨質購貸貿費資賠賴贏轉輪軟較載輯輸還這進遠違連遲適選遞逾釋里針鋼錢鐵鏈銷鎖錯長門問間隊階際陸險隨難預領頻題額風飛養駕驗魚龍",
        strict=True,
    )
)
_SAME_SOUND = {
    "违约": "围约",
    "亏损": "亏孙",
    "下跌": "下迭",
    "暴跌": "爆跌",
    "处罚": "处伐",
    "调查": "吊查",
    "诉讼": "素讼",
    "质押": "置押",
    "冻结": "动结",
    "减持": "剪持",
    "风险": "封险",
    "债务": "在务",
    "破产": "破铲",
    "退市": "推市",
    "立案": "力案",
    "起诉": "启诉",
    "逾期": "余期",
    "警示": "井示",
    "造假": "早假",
    "欺诈": "七诈",
    "终止": "中止",
    "下降": "夏降",
    "增长": "曾长",
    "公司": "工司",
    "股东": "古东",
    "银行": "银航",
    "资金": "姿金",
    "业绩": "夜绩",
    "违规": "围规",
    "赔偿": "陪偿",
}
_WORD = re.compile(r"[A-Za-z]+")

Change = Callable[[str, random.Random], str]


def _swapped(table: dict[str, str]) -> Change:
    return lambda letter, _: table.get(letter, letter)


def _typo(letter: str, chance: random.Random) -> str:
    if not letter.isalpha() or not letter.isascii():
        return letter
    near = chance.choice(_BESIDE[letter.lower()])
    return chance.choice(("", letter + letter, near))


def _case(letter: str, _: random.Random) -> str:
    return letter.swapcase()


def _invisible(letter: str, chance: random.Random) -> str:
    return letter + chance.choice(_INVISIBLE)


def _spacing(letter: str, chance: random.Random) -> str:
    return "" if letter == " " else letter + " "


LETTERS: dict[str, Change] = {
    "typos": _typo,
    "homoglyphs": _swapped(_LOOKALIKE),
    "zero-width characters": _invisible,
    "spacing": _spacing,
    "case": _case,
    "leetspeak": _swapped(_LEET),
}
"""From one letter to what is written in its place, each letter chosen by chance."""
CHINESE: dict[str, Change] = {
    "traditional characters": _swapped(_TRADITIONAL),
    "zero-width characters": _invisible,
    "spacing": _spacing,
}


def changed(texts: list[str], how: str, strength: float, *, chinese: bool = False, seed: int = 0) -> list[str]:
    """The texts with about `strength` changes for every ten characters, of those that can be changed in this way."""
    chance = random.Random(f"{seed} {how} {strength}")
    if how in ("synonyms", "same sound"):
        return [_words(text, _SYNONYMS if how == "synonyms" else _SAME_SOUND, strength, chance) for text in texts]
    change = (CHINESE if chinese else LETTERS)[how]
    return [_letters(text, change, strength, chance) for text in texts]


def _letters(text: str, change: Change, strength: float, chance: random.Random) -> str:
    """Change `strength` letters of every ten; those that the way has nothing for are passed over."""
    may = [at for at, letter in enumerate(text) if not letter.isspace() and _can(letter, change)]
    wanted = min(len(may), round(len(text) * strength / 10))
    places = set(chance.sample(may, wanted))
    return "".join(change(letter, chance) if at in places else letter for at, letter in enumerate(text))


def _can(letter: str, change: Change) -> bool:
    return change is _typo or change(letter, random.Random(0)) != letter


def _words(text: str, table: dict[str, str], strength: float, chance: random.Random) -> str:
    """Exchange at most `strength` words for every ten characters, of those that the table has."""
    wanted = max(1, round(len(text) * strength / 10))
    found = [(m.start(), m[0]) for m in re.finditer("|".join(map(re.escape, table)), text.lower())]
    if table is _SYNONYMS:
        found = [(m.start(), m[0].lower()) for m in _WORD.finditer(text) if m[0].lower() in table]
    chosen = sorted(chance.sample(found, min(wanted, len(found))), reverse=True)
    for at, word in chosen:
        text = text[:at] + table[word] + text[at + len(word) :]
    return text
