"""What a script holds in memory, as polars: frames of polars, pandas or Arrow, series, lists of texts.

In: whichever of these a script has. Out: a polars frame, or a String series. Neither pandas nor Arrow is imported: a
pandas frame goes over by its values, so that pyarrow is not needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol, TypeGuard

import polars as pl

from forewarn.errors import InputError
from forewarn.field_names import BODY, TITLE
from forewarn.reading.columns import known


class FrameLike(Protocol):
    """A table with named columns: polars, pandas, Arrow."""

    @property
    def columns(self) -> Any:
        """The names of the columns."""


class SeriesLike(Protocol):
    """A column: polars, pandas."""

    def to_list(self) -> list[Any]:
        """Its values."""

    def __iter__(self) -> Iterator[Any]: ...


def is_frame(given: object) -> TypeGuard[FrameLike]:
    """Whether something is a table: polars (also lazy), pandas, or what speaks Arrow."""
    return isinstance(given, pl.DataFrame | pl.LazyFrame) or (
        hasattr(given, "columns") and (hasattr(given, "__arrow_c_stream__") or hasattr(given, "__dataframe__"))
    )


def is_series(given: object) -> TypeGuard[SeriesLike]:
    """Whether something is a column of polars or pandas."""
    return isinstance(given, pl.Series) or (hasattr(given, "to_list") and hasattr(given, "dtype"))


def frame_of(given: FrameLike) -> pl.DataFrame:
    """A frame as polars; missing values of pandas (NaN, NaT, NA) are null. Raises InputError where it is none."""
    if isinstance(given, pl.LazyFrame):
        return given.collect()
    if isinstance(given, pl.DataFrame):
        return given
    if hasattr(given, "iloc"):
        table: Any = given
        return pl.DataFrame({str(name): _column(table[name]) for name in table.columns}, strict=False)
    try:
        return pl.DataFrame(given)  # type: ignore[arg-type]
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise InputError(
            f"cannot be made a frame of: {str(error).splitlines()[0]}", remedy="Give a polars or pandas frame."
        ) from None


def texts_of(given: FrameLike | SeriesLike | Iterable[str], text_column: str | None = None) -> pl.Series:
    """The texts of a list, an array, a series, or of a frame's column of texts: String (n,), none of them null.

    Raises InputError where one is no text, or a frame has no such column.
    """
    if isinstance(given, str):
        raise InputError("this is one text, not several", remedy="Put it into a list: [text].")
    if is_frame(given):
        frame = frame_of(given)
        values = frame[text_column_of(frame, text_column)].to_list()
    else:
        values = given.to_list() if is_series(given) else list(given)  # type: ignore[arg-type]
    for number, text in enumerate(values):
        if not isinstance(text, str):
            raise InputError(
                f"what stands at {number} is no text but {_kind(text)}", remedy="Leave it out, or write what it says."
            )
    return pl.Series("text", [str(text) for text in values], dtype=pl.String)


def text_column_of(frame: pl.DataFrame, text_column: str | None = None) -> str:
    """The column of texts: the named one, or the first of a known name. Raises InputError naming those there are."""
    if text_column is None:
        words = [name for name in frame.columns if frame.schema[name] in (pl.String, pl.Categorical, pl.Enum)]
        found = known(words, BODY) or known(words, TITLE) or (words if len(words) == 1 else [])
        text_column = found[0] if found else None
    if text_column is None or text_column not in frame.columns:
        wanted = "a column of texts" if text_column is None else f"column {text_column!r}"
        raise InputError(
            f"the frame has no {wanted}",
            remedy=f"Name it with text_column=; the columns are {', '.join(frame.columns) or 'none'}.",
        )
    return text_column


def _column(values: Any) -> list[Any]:
    there = values.notna().tolist()
    return [value if kept else None for value, kept in zip(values.astype(object).tolist(), there, strict=True)]


def _kind(value: object) -> str:
    return "missing" if value is None or value != value else f"{type(value).__name__} {value!r:.40}"
