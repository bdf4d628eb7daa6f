"""Whether the files that are copied, linked or listed as they lie are still those that were scanned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from raysep.corpus import identity, storage, tags
from raysep.corpus.manifest import Stem
from raysep.corpus.reading import check_content
from raysep.corpus.threads import in_threads
from raysep.errors import AudioError


def changed(stems: Iterable[Stem]) -> dict[str, str]:
    """stem_id → what is wrong, of the stems whose files are gone or hold other bytes than their rows say.

    A file of the same size and time is taken to be the same, as by a scan; the others are read. Of a row that does not say
    what all bytes are, and of one of a store that tells no time, nothing is known.
    """
    told = [s for s in stems if tags.is_known(s.etag) and (s.modified or not storage.is_remote(s.uri))]
    touched = [stem for stem, same in zip(told, identity.untouched(told), strict=True) if not same]
    found = dict(zip((stem.stem_id for stem in touched), in_threads(_what_is_wrong, touched), strict=True))
    return {stem_id: words for stem_id, words in found.items() if words}


def note(wrong: Mapping[str, str]) -> list[str]:
    """What to say where the audio stays where it is."""
    if not wrong:
        return []
    stem_id, words = next(iter(wrong.items()))
    return [f"{len(wrong)} stems are not what was scanned, first {stem_id} ({words}): they are named all the same"]


def _what_is_wrong(stem: Stem) -> str:
    try:
        check_content(stem, identity.of_files(stem))
    except AudioError as error:
        return str(error)
    except OSError as error:
        return f"{stem.uri}: cannot be read ({error})"
    return ""
