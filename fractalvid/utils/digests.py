"""Digests by which settings and lists are known again."""

import hashlib
import json


def digest_of(value: object) -> str:
    """BLAKE2b, in hexadecimal, of a value as JSON."""
    return hashlib.blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=16).hexdigest()
