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


def test_one_file_is_one_however_its_path_is_written(tone, tmp_path, listed):
    for number, path in enumerate(("a/vocals.wav", "a/drums.wav", "a/bass.wav")):
        tone(path, number)
    ways = (
        "vocals,a/vocals.wav",
        "vocals,./a//vocals.wav",
        "drums,a/../a/drums.wav",
        f"bass,file://{tmp_path}/a/bass.wav",
    )
    found = stems_of(listed("\n".join(["instrum,path", *ways]) + "\n"))
    assert [(s.stem_id, s.uris) for s in found.stems] == [
        (f"a/{label}", (f"{tmp_path}/a/{label}.wav",)) for label in ("bass", "drums", "vocals")
    ]
    (tmp_path / "far" / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "far" / "deep")
    tone("far/vocals.wav", 5)  # which is where link/.. leads
    assert [s.uri for s in stems_of(listed("instrum,path\nvocals,link/../vocals.wav\n")).stems] == [
        f"{tmp_path}/link/../vocals.wav"
    ]


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


@pytest.mark.parametrize(
    "text",
    [
        "track,stem,path\nS,vocals,a.wav\nS,drums,b.wav\n",
        "\ufefftrack;stem;path\r\nS;vocals;a.wav\r\n\r\nS;drums;b.wav\r\n;;\r\n",
        "sep=\t\nPath\tStem\tTrack\na.wav\tVocals\tS\nb.wav\tDRUMS\tS\n",
        "track, stem, path\nS, vocals, a.wav\nS , drums , b.wav\n",
        "track,stem,path\nS,vocals,a.wav\nS,drums,b.wav\nS,vocals,a.wav\n",
    ],
    ids=["plain", "semicolons", "tabs", "blanks", "a row twice"],
)
def test_a_list_is_read_as_people_and_spreadsheets_write_it(tone, listed, text):
    """A row that repeats another is no second file: a stem that is added to itself would be twice as loud."""
    tone("a.wav", 1)
    tone("b.wav", 2)
    found = stems_of(listed(text))
    assert [(s.stem_id, len(s.uris)) for s in found.stems] == [("S/drums", 1), ("S/vocals", 1)]
    assert [n.count for n in found.notes if n.kind == "again"] == [1] * text.endswith("a.wav\n")


@pytest.mark.parametrize("tracks", [[0, 0, 1], [0.0, 0.0, 1.0], ["0", "0", "1"]])
def test_a_track_may_have_a_number_for_a_name(tone, tmp_path, tracks):
    for name in "abc":
        tone(f"{name}.wav", ord(name))
    columns = {"track": tracks, "stem": ["vocals", "drums", "vocals"], "path": ["a.wav", "b.wav", "c.wav"]}
    pq.write_table(pa.table(columns), tmp_path / "list.parquet")
    found = stems_of(str(tmp_path / "list.parquet"))
    assert [s.stem_id for s in found.stems] == ["0/drums", "0/vocals", "1/vocals"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "track,stem,path\nS,vocals,b\\a.wav\n",
            r"none of its 1 file is there, first .*b\\a\.wav; paths are .* below .* with /",
        ),
        ("track,stem,path\nS,vocals,~/no/such.wav\n", r"none of its 1 file is there, first /"),
        ("track,stem,path\nS,vocals,a, b.wav\n", "line 2: 4 cells where the header has 3; put quotes"),
        ("track,stem,stem,path\nS,vocals,drums,a.wav\n", "has 2 columns 'stem'; keep one of them"),
    ],
)
def test_what_would_be_read_as_something_else_is_refused(tone, listed, text, told):
    tone("b/a.wav")
    with pytest.raises(BadInput, match=told):
        stems_of(listed(text), on_problem="keep")


@pytest.mark.parametrize("name", ["list.csv", "list.parquet"])
def test_a_folder_by_the_name_of_a_list_is_told(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(BadInput, match=rf"{name}: .*is a directory"):
        stems_of(str(tmp_path / name))
