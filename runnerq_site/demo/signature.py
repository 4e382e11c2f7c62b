"""A document's signature: near-duplicates share most of it (MinHash over runs of five words)."""

import random
import zlib
from typing import Final

SIZE: Final = 64
_PRIME: Final = (1 << 61) - 1
_RUN: Final = 5
_MOST_WORDS: Final = 4_000


def _coefficients() -> list[tuple[int, int]]:
    # The same numbers in every process, or signatures could not be compared.
    rng = random.Random(20_260_101)  # noqa: S311 -- no secret
    return [(rng.randrange(1, _PRIME), rng.randrange(_PRIME)) for _ in range(SIZE)]


_COEFFICIENTS: Final = _coefficients()


def signature_of(words: list[str]) -> list[int]:
    """Return the smallest hash under each of 64 functions; empty for a text of fewer than five words."""
    words = words[:_MOST_WORDS]
    runs = {" ".join(words[at : at + _RUN]) for at in range(len(words) - _RUN + 1)}
    hashes = [zlib.crc32(run.encode()) for run in runs]
    if not hashes:
        return []
    return [min((a * h + b) % _PRIME for h in hashes) & 0xFFFFFFFF for a, b in _COEFFICIENTS]
