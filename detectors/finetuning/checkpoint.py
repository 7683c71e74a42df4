"""Tensors and JSON in a folder that is whole or not there, and says so when a byte of it has changed.

In: named tensors, data. Out: `tensors.safetensors` and `state.json`, which holds the former's checksum. Nothing is
ever pickled; torch's own checkpoints are, which is why there are none.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from torch import Tensor

from forewarn.errors import ModelError
from forewarn.runtime.atomic import atomic_folder, checksum, others_than

_TENSORS, _STATE = "tensors.safetensors", "state.json"
_NAME = "checkpoint-"


def write_checkpoint(folder: Path, step: int, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
    """Keep one checkpoint: the new one is whole before the one before it goes."""
    from safetensors.torch import save_file

    target = folder / f"{_NAME}{step:08d}"
    with atomic_folder(target, lambda there: others_than(there, {_TENSORS, _STATE})) as part:
        save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, part / _TENSORS)
        write_json(part / _STATE, state | {"sha256": checksum(part / _TENSORS)})
    forget_checkpoints(folder, keep=target)


def read_checkpoint(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """The newest checkpoint of a folder, or None. Raises ModelError where it is damaged."""
    from safetensors.torch import load_file

    found = sorted(folder.glob(f"{_NAME}*"))
    if not found:
        return None
    state = read_json(found[-1] / _STATE)
    verify(found[-1] / _TENSORS, state.get("sha256"))
    return load_file(found[-1] / _TENSORS), state


def forget_checkpoints(folder: Path, *, keep: Path | None = None) -> None:
    """Remove every checkpoint of a folder but one, and what a killed run left half-written."""
    for other in [*folder.glob(f"{_NAME}*"), *folder.glob(f".{_NAME}*")]:
        if other != keep:
            shutil.rmtree(other)


def verify(file: Path, expected: object) -> None:
    """Raise ModelError where a file is missing or is not the one that was written."""
    try:
        same = checksum(file) == expected
    except OSError as error:
        raise ModelError(f"cannot be read: {error.strerror or error}", path=file, remedy=_AGAIN) from None
    if not same:
        raise ModelError("is damaged: its checksum is not the one that was written", path=file, remedy=_AGAIN)


def write_json(file: Path, data: dict[str, Any]) -> None:
    """Write a JSON object; numbers come back as they were."""
    file.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", "utf-8")


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object. Raises ModelError where there is none."""
    try:
        data = json.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ModelError(f"cannot be read: {error.strerror or error}", path=file, remedy=_AGAIN) from None
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise ModelError("is damaged: it holds no JSON object", path=file, remedy=_AGAIN)
    return data


_AGAIN = "Restore it from a copy, or train again."
