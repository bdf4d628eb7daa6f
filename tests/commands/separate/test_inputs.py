from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysep.commands.separate.inputs import find, told_apart
from raysep.corpus import storage
from raysep.errors import BadInput

FILES = (
    "a/song.wav",
    "a/song.flac",
    "a/deep/er/tune.mp3",
    "b/song.wav",
    "b/notes.txt",
    "c [live].wav",
    ".x/hidden.wav",
)


@pytest.fixture(scope="module")
def store(s3_server) -> str:
    import boto3

    boto3.client("s3").create_bucket(Bucket="sources")
    return "s3://sources"


@pytest.fixture(params=["local", "s3"])
def root(request, tmp_path):
    """A folder with files of these names."""
    folder = str(tmp_path) if request.param == "local" else f"{request.getfixturevalue('store')}/{tmp_path.name}"
    for name in FILES:
        storage.write_bytes(f"{folder}/{name}", b"x")
    return folder


def named(root: str, *inputs: str, out: str = "out") -> dict[str, str]:
    """name -> place below the root."""
    found = find([f"{root}/{i}" if i else root for i in inputs], f"{root}/{out}")
    return {source.name: source.uri.removeprefix(f"{root}/") for source in found}


def test_a_folder_gives_its_audio_by_the_path_below_it(root):
    assert named(root, "") == {
        "a/deep/er/tune": "a/deep/er/tune.mp3",
        "a/song.flac": "a/song.flac",
        "a/song.wav": "a/song.wav",
        "b/song": "b/song.wav",
        "c [live]": "c [live].wav",
    }


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.wav", ["c [live].wav"]),
        ("*/*.wav", ["a/song.wav", "b/song.wav"]),
        ("a/**/*.mp3", ["a/deep/er/tune.mp3"]),
        ("**/*.wav", ["a/song.wav", "b/song.wav", "c [live].wav"]),
        ("[!a]/*.wav", ["b/song.wav"]),
        ("?/song.*", ["a/song.flac", "a/song.wav", "b/song.wav"]),
        ("c [live].wav", ["c [live].wav"]),
        ("c [[]live].wav", ["c [live].wav"]),
    ],
)
def test_a_pattern_is_what_a_shell_would_find(root, pattern, found):
    assert sorted(named(root, pattern).values()) == found


def test_files_of_one_name_are_told_apart_by_their_folders(root):
    assert named(root, "a/song.wav", "b/song.wav", "c [live].wav") == {
        "a/song": "a/song.wav",
        "b/song": "b/song.wav",
        "c [live]": "c [live].wav",
    }


def test_a_file_given_twice_is_found_once(root):
    assert list(named(root, "a/song.wav", "a/*.wav", "a")) == ["song.wav", "deep/er/tune", "song.flac"]


def test_what_lies_in_the_output_folder_is_no_input_unless_it_is_named(root):
    assert list(named(root, "", out="a")) == ["b/song", "c [live]"]
    assert list(named(root, "a/song.wav", out="a")) == ["song"]


@pytest.mark.parametrize("absent", ["nothing.wav", "nowhere", "b/*.mp3", "nowhere/*.wav"])
def test_an_input_without_audio_is_named(root, absent):
    with pytest.raises(BadInput, match=absent.replace("*", r"\*")):
        named(root, "b", absent)
    with pytest.raises(BadInput, match="no input"):
        find([], "out")


PATHS = st.lists(st.sampled_from(["a", "A", "b", "a.wav", "ä"]), min_size=1, max_size=4).map("/".join)


@given(st.sets(st.tuples(PATHS, st.sampled_from([".wav", ".flac", ".wav.wav"])), max_size=12))
def test_no_two_names_are_equal_in_any_case(files):
    uris = sorted({f"/{path}{end}" for path, end in files})
    names = told_apart({uri: uri.rpartition("/")[2].rpartition(".")[0] for uri in uris})
    assert list(names) == uris
    assert len({name.casefold() for name in names.values()}) == len(names)
