"""What came in the responses of a level, written from docs/metrics.md: lengths and ends of answers, events, remarks,
who counted tokens, failures by class and by copy."""

from __future__ import annotations

import json
import math
from collections import Counter

import numpy as np
from recompute_part import Part
from recompute_reading import Flags, Floats, joined

AT_THE_LIMIT = (
    "length", "max_tokens", "limit", "max_length", "model_length", "model_context_window_exceeded", "max_new_tokens",
    "max_output_tokens", "max_completion_tokens", "max_tokens_reached", "token_limit", "length_limit", "context_length",
)  # fmt: skip


def chosen_texts(part: Part, name: str, which: Flags) -> list[str]:
    """The known texts of a column of these requests."""
    return [text for text, use in zip(part.level.texts(name), which, strict=True) if use and text is not None]


def _mean(values: Floats) -> float:
    return float(values.mean()) if values.size else math.nan


# -- answers ---------------------------------------------------------------------------------------------------------


def ends(part: Part) -> list[str]:
    """How the answers ended that say so."""
    return [text.lower().split(".")[-1] for text in chosen_texts(part, "finish_reason", part.successes)]


def length_share(part: Part) -> float:
    """Answers that ended at their limit of tokens, of those that say how they ended."""
    return _mean(np.array([reason in AT_THE_LIMIT for reason in ends(part)], dtype=np.float64))


def token_cv(part: Part) -> float:
    """The standard deviation of the completion tokens over their mean."""
    tokens = part.of("completion_tokens", part.successes)
    return float(np.std(tokens, ddof=1) / tokens.mean()) if tokens.size > 1 and tokens.mean() > 0 else math.nan


def cached_share(part: Part) -> float:
    """Prompt tokens from the server's cache, of all; a success that is silent about them had none."""
    cached = part.level.numbers("cached_tokens")[part.successes]
    prompt = part.level.numbers("prompt_tokens")[part.successes]
    if np.isnan(cached).all() or np.isnan(prompt).any() or prompt.sum() <= 0:
        return math.nan
    return float(np.nansum(cached) / prompt.sum())


# -- contents --------------------------------------------------------------------------------------------------------


def _event_counts(part: Part) -> Floats:
    return np.array([len(times) for times in part.level.events], dtype=np.float64)


def events(part: Part) -> float:
    """Content events per streamed success."""
    return _mean(_event_counts(part)[part.successes & part.level.streamed])


def tokens_per_event(part: Part) -> float:
    """Tokens that were seen over content events, of the streamed successes that have both."""
    counts, seen = _event_counts(part), part.level.seen
    use = part.successes & part.level.streamed & (counts > 0) & ~np.isnan(seen)
    return float(seen[use].sum() / counts[use].sum()) if use.any() else math.nan


def buffered_share(part: Part) -> float:
    """Streamed successes whose content came at once."""
    buffered = np.array(["buffered" in remarks for remarks in part.level.remarks], dtype=np.float64)
    return _mean(buffered[part.successes & part.level.streamed])


def remarks(part: Part) -> str:
    """Successes by remark, as JSON."""
    names = [name for index in np.flatnonzero(part.successes) for name in part.level.remarks[index]]
    return json.dumps(dict(sorted(Counter(names).items())))


# -- tokens ----------------------------------------------------------------------------------------------------------


def side_source(part: Part, side: str) -> str | None:
    """Who counted one side; records of earlier versions have one source for both."""
    name = f"{side}_token_source"
    return joined(chosen_texts(part, name if name in part.level.columns else "token_source", part.successes))


def token_source(part: Part) -> str | None:
    """Who counted, of both sides."""
    prompt, completion = side_source(part, "prompt"), side_source(part, "completion")
    if prompt and completion and prompt != completion:
        return f"prompt:{prompt}+completion:{completion}"
    return prompt or completion


# -- failures and copies ---------------------------------------------------------------------------------------------


def errors_by_class(part: Part) -> str:
    """Failed requests by class, as JSON."""
    return json.dumps(dict(sorted(Counter(chosen_texts(part, "error", part.chosen)).items())))


def error_messages(part: Part) -> str:
    """The message of the first failure of each class that has one, by `due`, as JSON."""
    first: dict[str, str] = {}
    errors, messages = part.level.texts("error"), part.level.texts("error_message")
    for index in np.argsort(part.level.due, kind="stable"):
        name, message = errors[index], messages[index]
        if part.chosen[index] and name is not None and message is not None:
            first.setdefault(name, message)
    return json.dumps(dict(sorted(first.items())), ensure_ascii=False)


def requests_by_copy(part: Part) -> str | None:
    """Measured requests and failures of each address, as JSON; none where there is one address."""
    requests = Counter(chosen_texts(part, "endpoint", part.chosen))
    failures = Counter(chosen_texts(part, "endpoint", part.chosen & ~part.level.ok))
    if len(requests) < 2:
        return None
    return json.dumps({name: {"requests": requests[name], "failures": failures[name]} for name in sorted(requests)})
