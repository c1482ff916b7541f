"""The kinds of values a file may hold, each with the words an error message describes it by."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

# Far above anything real: keeps overflowed numbers such as 1e999 (infinity) out.
_LARGEST = 1e12

Name = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        description="a name: up to 64 letters, digits, dots, dashes and underscores",
    ),
]
PresetName = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$|[/\\]|\.ya?ml$",
        description="a name: see `perllm presets`; or a file with its path, such as ./profile.yaml",
    ),
]
ContenderText = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9][^\s]{0,199}$",
        description="a policy, such as cs-ucb, cloud-only+hold or least-outstanding:per_slot=true",
    ),
]
ModelName = Annotated[str, Meta(pattern=r"^\S+$", max_length=200, description="a model's name, without spaces")]
Text = Annotated[str, Meta(min_length=1, description="text")]
Url = Annotated[
    str, Meta(pattern=r"^https?://[^\s/?#]+[^\s?#]*$", description="an address such as http://127.0.0.1:8080")
]
Positive = Annotated[float, Meta(gt=0, le=_LARGEST, description="a number above 0")]
NotNegative = Annotated[float, Meta(ge=0, le=_LARGEST, description="a number, 0 or above")]
Share = Annotated[float, Meta(ge=0, le=1, description="a share between 0 and 1")]
TargetShare = Annotated[float, Meta(gt=0, le=1, description="a share above 0, up to 1")]
Target = Annotated[float, Meta(gt=0, lt=1, description="a share above 0 and below 1, such as 0.95")]
Count = Annotated[int, Meta(ge=1, le=int(_LARGEST), description="a whole number, 1 or above")]
Seed = Annotated[int, Meta(ge=0, le=2**63 - 1, description="a whole number, 0 or above")]
Port = Annotated[int, Meta(ge=0, le=65535, description="a port: a whole number from 0 (any free one) to 65535")]


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mapping in a file: keys that are not its fields are refused."""
