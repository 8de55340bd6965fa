"""Why an operation has no handler: a table of reasons by pattern of its name."""

from __future__ import annotations

import re
from collections.abc import Mapping

NO_HANDLER = "has no handler in this version; write it with other operations"


def reason_of(name: str, reasons: Mapping[str, str], otherwise: str = NO_HANDLER) -> str:
    """The reason of the first pattern that the whole name matches."""
    return next((why for form, why in reasons.items() if re.fullmatch(form, name)), otherwise)
