from __future__ import annotations

import itertools

import numpy as np
import pytest

from raysep.corpus import twins
from raysep.corpus.twins import Recording, matches


def recording(name: str, seed: int, moments: int = 400) -> Recording:
    """Bits that hang together over some moments, as those of overlapping windows do."""
    rng = np.random.default_rng(seed)
    bits = np.repeat(rng.integers(0, 2**32, -(-moments // 4), dtype=np.uint32), 4)[:moments]
    return Recording(name, bits, np.ones(moments, bool))


def flipped(of: Recording, name: str, share: float, seed: int = 0) -> Recording:
    """With this share of its bits wrong."""
    rng = np.random.default_rng(seed)
    wrong = np.packbits(rng.random((len(of.bits), 32)) < share, axis=1).view(np.uint32)[:, 0]
    return Recording(name, of.bits ^ wrong, of.audible)


def part(of: Recording, name: str, start: int, end: int) -> Recording:
    return Recording(name, of.bits[start:end], of.audible[start:end])


def test_the_same_recording_is_found_and_others_are_not():
    all_ = [recording(str(k), k) for k in range(20)]
    assert matches(all_) == []
    (found,) = matches([*all_, recording("copy", 7)])
    assert (found.first, found.second, found.share, found.later) == ("7", "copy", 1.0, 0.0)


def test_a_copy_with_wrong_bits_is_found():
    """A moment without any wrong bit is what a search can begin with: at a tenth one in thirty is left."""
    song = recording("song", 1, 1200)
    assert [m.share for m in matches([song, flipped(song, "coded", 0.1)])] == [1.0]


def test_a_part_of_a_song_is_found_with_its_place():
    song = recording("song", 1, 1000)
    (found,) = matches([song, part(song, "part", 500, 700)])
    assert found.share == 1.0
    assert found.later == pytest.approx(500 * 128 / 5000, abs=0.01)
    (found,) = matches([part(song, "a part", 500, 700), song])
    assert found.later == pytest.approx(-500 * 128 / 5000, abs=0.01)


def test_a_song_with_a_cut_in_its_middle_is_one_song():
    song = recording("song", 2, 1024)
    cut = Recording("cut", np.concatenate([song.bits[:384], song.bits[640:]]), np.ones(768, bool))
    assert matches([song, cut])[0].share == 1.0


def test_a_sample_of_another_song_is_no_twin():
    song, other = recording("song", 3, 1024), recording("other", 4, 1024)
    bits = other.bits.copy()
    bits[256:512] = song.bits[100:356]
    assert matches([song, Recording("with a sample", bits, other.audible)]) == []
    bits[256:832] = song.bits[100:676]
    assert len(matches([song, Recording("for the larger part", bits, other.audible)])) == 1


def test_moments_that_cannot_be_compared_count_neither_way():
    song = recording("song", 5, 512)
    quiet = song.audible.copy()
    quiet[100:300] = False
    noise = np.where(quiet, song.bits, recording("x", 6, 512).bits)
    assert matches([song, Recording("with rests", noise, quiet)])[0].share == 1.0


def test_nothing_is_said_of_too_few_moments():
    song = recording("song", 7)
    short = part(song, "short", 0, twins.FEWEST - 1)
    assert not short.comparable
    assert matches([song, short]) == []
    assert len(matches([song, part(song, "long enough", 0, twins.FEWEST)])) == 1


def test_an_index_of_a_part_finds_the_same(monkeypatch):
    """The same moments of every recording are indexed, or copies would not meet."""
    all_ = [recording(str(k), k, 800) for k in range(12)] + [recording("copy", 3, 800)]
    whole = matches(all_)
    monkeypatch.setattr(twins, "MOST_INDEXED", 800)
    assert len(twins._index(all_)[0]) < 2500
    assert matches(all_) == whole != []


def test_every_pair_agrees_with_trying_every_place():
    songs = [recording(str(k), k, 300) for k in range(5)]
    songs += [flipped(part(songs[1], "a", 40, 260), "a", 0.05), part(songs[2], "b", 0, 120), recording("c", 99, 150)]
    found = {(m.first, m.second): m.share for m in matches(songs)}

    def slow(first: Recording, second: Recording) -> float:
        short, long = sorted((first, second), key=lambda each: len(each.bits))
        best = 0.0
        for offset in range(-len(short.bits), len(long.bits)):
            same = total = 0
            for start in range(0, len(short.bits), twins.STRETCH):
                wrong = compared = 0
                for place in range(start, min(start + twins.STRETCH, len(short.bits))):
                    if 0 <= place + offset < len(long.bits):
                        wrong += int(short.bits[place] ^ long.bits[place + offset]).bit_count()
                        compared += 1
                enough = min(start + twins.STRETCH, len(short.bits)) - start >= twins.LEAST_COMPARED
                total += enough
                same += enough and compared >= twins.LEAST_COMPARED and wrong <= twins.SAME_BITS * 32 * compared
            best = max(best, same / total)
        return best

    for first, second in itertools.combinations(songs, 2):
        share = slow(first, second)
        assert found.get((first.name, second.name), 0.0) == (round(share, 3) if share >= twins.SAME_SONG else 0.0)


def test_differing_bits_are_counted():
    first, second = np.array([0, 0xFFFFFFFF, 5], np.uint32), np.array([0, 0, 6], np.uint32)
    assert twins.differing_bits(first, second).tolist() == [0, 32, 2]
