from __future__ import annotations

import pytest

from raysep.corpus import tags

A, B, C = (tags.of_bytes(data) for data in (b"a", b"b", b"c"))


def test_a_sum_of_sums_has_the_tag_of_all_its_parts():
    assert tags.joined([tags.joined([A, B]), C]) == tags.joined([A, tags.joined([B, C])]) == tags.joined([A, B, C])
    assert tags.joined([A, B]) != tags.joined([B, A])
    assert tags.joined([A]) == A
    assert tags.split(tags.joined([A, B, C])) == [A, B, C]


@pytest.mark.parametrize("others", [[A], [A, B]])
def test_a_sum_is_changed_when_a_part_is_and_has_no_tag_when_a_part_has_none(others):
    assert tags.joined([*others, ""]) == ""
    now = tags.joined([*others, tags.CHANGED + C])
    assert tags.is_changed(now)
    assert tags.split(now) == [*others, C]


@pytest.mark.parametrize("unknown", ["", "0" * 64, "d41d8cd98f00b204e9800998ecf8427e-3"])
def test_only_the_hash_of_all_bytes_says_what_a_file_is(unknown):
    assert not tags.is_known(unknown)
    assert tags.is_known(A)
    assert tags.is_known(tags.joined([A, tags.numbered(B, 3)]))
    assert not tags.is_known(f"{A}+{unknown}")


def test_a_stream_has_the_tag_of_its_file_and_its_number():
    assert tags.numbered(A, None) == A
    assert tags.numbered(A, 2) == f"{A}#2"
    assert tags.numbered("", 2) == ""
