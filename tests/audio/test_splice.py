from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from raysep.audio.splice import Spliced, read_at, replaced, size_of, with_bytes

BASE = bytes(range(100))
pieces = st.lists(st.one_of(st.binary(max_size=9), st.tuples(st.integers(0, 100), st.integers(0, 100))), max_size=5)


@given(pieces, st.lists(st.tuples(st.integers(0, 500), st.integers(0, 60)), max_size=4))
def test_it_is_the_pieces_one_after_another_wherever_it_is_read(pieces, reads):
    whole = b"".join(piece if isinstance(piece, bytes) else BASE[piece[0] : piece[1]] for piece in pieces)
    stream = Spliced(io.BytesIO(BASE), pieces)
    assert stream.read() == whole
    assert size_of(stream) == len(whole)
    for at, count in reads:
        assert read_at(stream, at, count) == whole[at : at + count]
        assert stream.tell() == at + len(whole[at : at + count])


def test_bytes_are_replaced_and_the_file_stays_as_it_is():
    base = io.BytesIO(BASE)
    assert replaced(base, 3, b"xyz").read() == BASE[:3] + b"xyz" + BASE[6:]
    assert base.getvalue() == BASE


@given(st.integers(0, 100), st.binary(max_size=9), st.integers(0, 100))
def test_it_reads_the_same_of_memory_and_of_a_file(at, new, instead_of):
    """What is in memory is copied, what is not is read in pieces."""
    file = io.BufferedReader(Spliced(io.BytesIO(BASE), [(0, len(BASE))]))
    of_memory, of_file = (with_bytes(base, at, new, instead_of) for base in (io.BytesIO(BASE), file))
    assert isinstance(of_file, Spliced)
    assert of_memory.read() == of_file.read() == BASE[:at] + new + BASE[at + instead_of :]


def test_positions_as_any_file_has_them():
    stream = Spliced(io.BytesIO(BASE), [(0, 50), b"--"])
    assert stream.seek(-2, io.SEEK_END) == 50
    assert stream.read(1) == b"-"
    assert stream.seek(-1, io.SEEK_CUR) == 50
    assert stream.seekable()
    assert stream.readable()
    assert Spliced(io.BytesIO(BASE), []).read() == b""
