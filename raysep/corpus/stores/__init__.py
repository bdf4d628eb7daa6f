"""Where bytes lie: folders of this machine, and object stores, each a file of its own behind one interface."""

from __future__ import annotations

from functools import lru_cache

from raysep.corpus.stores.store import Listed, Store
from raysep.errors import BadInput

__all__ = ["KNOWN", "Listed", "Store", "store_of"]

KNOWN = ("s3", "gs", "abfs", "abfss", "hdfs")


def store_of(uri: str) -> Store:
    """The store of a URI. Raises ``BadInput`` for one of a kind that is not known."""
    scheme, separator, _ = uri.partition("://")
    if separator and scheme not in KNOWN:
        raise BadInput(
            f"{uri}: storage of this kind is not supported; give a local path or s3://bucket/key "
            f"({', '.join(f'{name}://' for name in KNOWN[1:])} may do, too)"
        )
    return _made(scheme if separator else "")


@lru_cache
def _made(scheme: str) -> Store:
    if scheme == "s3":
        from raysep.corpus.stores.s3 import S3

        return S3()
    from raysep.corpus.stores.arrow import Local, Remote

    return Remote() if scheme else Local()
