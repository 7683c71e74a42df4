"""What the report and the page of the service have in common: how they look, and how they put text on a page.

In: the package and the name of a part. Out: its content, after what all such parts begin with.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import PurePath


def page_part(package: str, name: str) -> str:
    """The content of a part; that of `page.css` and `page.js` follows `common.css` and `common.js`."""
    own = files(package).joinpath(name).read_text("utf-8")
    common = files(__package__).joinpath(f"common{PurePath(name).suffix}")
    return common.read_text("utf-8") + own if common.is_file() else own
