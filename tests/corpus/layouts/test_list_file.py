from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raysep.corpus.layouts import stems_of
from raysep.errors import BadInput


@pytest.fixture
def listed(tmp_path):
    """listed("a,b\\n1,2\\n"): a list beside the files."""

    def write(text: str, name: str = "list.csv") -> str:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return str(tmp_path / name)

    return write


def test_a_pool_of_msst(tone, tmp_path, listed):
    for number, path in enumerate(("pool/one.wav", "pool/two.wav", "pool/drums/three.wav")):
        tone(path, number, 0.1 + 0.2 * number)
    place = listed(f"instrum,path\nvocals,{tmp_path}/pool/one.wav\nVocals,pool/two.wav\ndrums,pool/drums/three.wav\n")
    found = stems_of(place)
    assert [s.stem_id for s in found.stems] == ["drums/drums/three/drums", "vocals/one/vocals", "vocals/two/vocals"]
    assert [s.uri for s in found.stems][1] == f"{tmp_path}/pool/one.wav"
    assert stems_of(place, layout="msst3").stems == found.stems


def test_files_named_as_their_label_belong_to_their_folder(tone, listed):
    for number, path in enumerate(("a/vocals.wav", "a/drums.wav", "b/vocals.wav")):
        tone(path, number)
    place = listed("\ufeffinstrum,path\nvocals,a/vocals.wav\ndrums,a/drums.wav\nvocals,b/vocals.wav\n")
    assert [s.stem_id for s in stems_of(place).stems] == ["a/drums", "a/vocals", "b/vocals"]


def test_tracks_by_a_column_and_several_files_of_one_stem(tone, tmp_path, listed):
    for number, path in enumerate(("x/1.wav", "x/2.wav", "x/3.wav")):
        tone(path, number)
    text = "Song,stem,file\nS,drums,x/1.wav\nS,drums,x/2.wav\nS,vocals,x/3.wav\nS,piano,x/3.wav\n"
    found = stems_of(listed(text))
    assert [(s.stem_id, len(s.uris)) for s in found.stems] == [("S/drums", 2), ("S/vocals", 1)]
    assert "1 stems are the sum of several files, first S/drums" in [n.text for n in found.notes]
    assert any(n.text.startswith("piano in 1 track: no label of yours") for n in found.notes)
    rows = [dict(zip(("track", "stem", "uri"), line.split(","), strict=True)) for line in text.split()[1:]]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "list.parquet")
    assert stems_of(str(tmp_path / "list.parquet")).stems == found.stems


def test_a_file_that_is_not_there_is_a_row_that_fails(tone, listed):
    tone("a.wav")
    place = listed("instrum,path\nvocals,a.wav\ndrums,gone.wav\n")
    assert [s.frames for s in stems_of(place, on_problem="keep").stems] == [0, 800]
    with pytest.raises(BadInput, match=r"gone\.wav: cannot be read"):
        stems_of(place)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a,b\n1,2\n", r"columns a, b; a list needs one of instrum, .*, one of path, uri"),
        ("", r"columns \(none\)"),
        ("instrum,path\nvocals,\n", "row 2 has no path"),
        (
            "instrum,path\npiano,a.wav\n",
            r"lists no vocals, drums, bass, other \(piano\); name the labels with --labels",
        ),
    ],
)
def test_what_is_no_list(listed, text, told):
    with pytest.raises(BadInput, match=told):
        stems_of(listed(text))


def test_no_list_at_all(tmp_path):
    with pytest.raises(BadInput, match="no such file"):
        stems_of(str(tmp_path / "none.csv"))
    (tmp_path / "bad.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match="not text in UTF-8"):
        stems_of(str(tmp_path / "bad.csv"))
