"""JSON that gives back what it was given."""

from __future__ import annotations

import json
import json.encoder
import math
from collections.abc import Mapping
from typing import Any, TypeAlias, Union

JSON: TypeAlias = Union[None, bool, int, float, str, list["JSON"], dict[str, "JSON"]]

_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
encode = _encoder.encode
_DIGITS = 600  # So many at once are taken in any setting of the interpreter.
quote = json.encoder.encode_basestring  # A text as JSON.


def require_json(value: object, place: str) -> None:
    """Raises TypeError or ValueError, naming the place, if JSON would not give the value back as it is."""
    if value is None or isinstance(value, (bool, int, str)):
        return
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{place} is {value}, which JSON does not have")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            require_json(item, f"{place}[{index}]")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError(f"a name in {place} is of type {type(key).__name__}; in JSON it is a str")
            require_json(item, f"{place}[{key!r}]")
    else:
        raise TypeError(
            f"{place} is of type {type(value).__name__}, which JSON does not have: "
            "give None, bool, int, float, str, list or dict"
        )


def decode(line: bytes) -> Any:
    """What JSON says, also integers of more digits than `int` takes from a text: others may have added them."""
    try:
        return json.loads(line)
    except json.JSONDecodeError:
        raise
    except ValueError:
        return json.loads(line, parse_int=_long_int)


def _long_int(text: str) -> int:
    value = 0
    digits = text.removeprefix("-")
    for start in range(0, len(digits), _DIGITS):
        part = digits[start : start + _DIGITS]
        value = value * 10 ** len(part) + int(part)
    return -value if text.startswith("-") else value
