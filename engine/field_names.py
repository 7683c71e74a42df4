"""What the names of a structured record's fields mean, whoever wrote it.

In: nothing, or a name. Out: the names of texts, reasons, titles and times, the preferred ones first, as `plain` gives
them.
"""

from __future__ import annotations

BODY = (
    *("message", "msg", "fulltext", "text", "content", "contents", "body", "正文", "内容", "全文", "文本", "消息"),
    *("log", "logmessage", "event", "tweet", "post", "payload", "comment", "review", "sentence", "article", "news"),
    *("shortmessage", "textpayload", "fullmessage", "stringvalue"),
    *("summary", "摘要", "description", "描述", "详情", "details", "detail", "abstract", "微博", "评论", "新闻"),
)
REASON = (
    *("error", "err", "exception", "reason", "cause", "errormessage", "errmsg", "exceptionmessage", "failure"),
    *("excinfo", "stacktrace", "原因", "异常"),
)
"""Fields that say why, beside the message."""
TITLE = ("title", "headline", "subject", "标题", "题目", "主题")
TIME = (
    *("timestamp", "datetime", "time", "date", "ts", "utctime", "eventtime", "createdat", "created", "timecreated"),
    *("publishedat", "published", "pubdate", "publishdate", "publishtime", "systemtime", "timegenerated", "logtime"),
    *("asctime", "receivedat", "updatedat", "时间", "日期", "发布时间", "发布日期", "发生时间", "事件时间", "创建时间"),
    *("realtimetimestamp", "timeunixnano", "observedtimeunixnano", "requestreceivedtimestamp", "stagetimestamp"),
    *(
        "timelocal",
        "timeiso8601",
        "edgestarttimestamp",
        "eventtimestamp",
        "starttime",
        "devtime",
        "zeit",
        "zeitstempel",
    ),
)


def plain(name: str) -> str:
    """A field's name without case, separators and ornaments: `@timestamp`, `Created_At` → `timestamp`, `createdat`."""
    return "".join(character for character in name.casefold() if character.isalnum())
