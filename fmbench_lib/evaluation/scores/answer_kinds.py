"""What kind of answer a response is: one to judge, or none."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["answer", "refusal", "empty", "truncated", "failed"]

_CUT = frozenset({"length", "max_tokens", "MAX_TOKENS", "max_length", "content_length"})
_REFUSAL = re.compile(
    r"^\W*(i['’]?m sorry|sorry|i am sorry|i apologi[sz]e|unfortunately)?\W*(,|but)?\W*(but )?"
    r"(i (can['’]?t|cannot|can not|am unable|won['’]?t|will not|am not able|do not feel comfortable)|"
    r"i['’]m (unable|not able)|as an ai( language)? model)\b",
    re.IGNORECASE,
)


def kind_of(text: str | None, finish_reason: str | None, error: str | None) -> Kind:
    """The kind of an answer, the first that fits: failed, empty, truncated, a refusal, an answer.

    A refusal is told by how the text begins, so that it is a count of likely ones. Refusals and truncated answers are
    judged as any other.
    """
    if error is not None:
        return "failed"
    if not (text or "").strip():
        return "empty"
    if finish_reason in _CUT:
        return "truncated"
    return "refusal" if _REFUSAL.match(text or "") else "answer"
