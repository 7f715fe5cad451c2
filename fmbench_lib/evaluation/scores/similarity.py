"""Cosine similarity of embeddings."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np


def cosine(first: Sequence[float] | np.ndarray, second: Sequence[float] | np.ndarray) -> float | None:
    """The cosine of the angle between two vectors; None where one is zero, not finite, or of another length."""
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1:
        return None
    length = float(np.linalg.norm(a) * np.linalg.norm(b))
    if not math.isfinite(length) or length == 0:
        return None
    return max(-1.0, min(1.0, float(a @ b) / length))


def vector_of(body: bytes) -> list[float] | None:
    """The vector in the answer of an embedding endpoint: OpenAI's, Ollama's, Titan's, Cohere's or the embedding
    container's form; None where there is none."""
    try:
        value = json.loads(body)
    except ValueError:
        return None
    return _vector(value)


def _vector(value: Any) -> list[float] | None:
    if isinstance(value, dict):
        for key in ("data", "embedding", "embeddings", "float"):
            if key in value:
                return _vector(value[key])
        return None
    if not isinstance(value, list) or not value:
        return None
    if all(isinstance(each, int | float) and not isinstance(each, bool) for each in value):
        return [float(each) for each in value]
    return _vector(value[0])
