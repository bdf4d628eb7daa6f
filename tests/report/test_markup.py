import base64

import pytest

from raysep.report import markup

EVIL = "<script>alert('x')</script>\"&"


def test_text_is_safe_in_content_and_in_quotes():
    safe = markup.text(EVIL)
    assert not set("<>\"'") & set(safe)
    assert "&amp;" in safe


def test_table_escapes_headings_and_captions_and_marks_rows():
    page = markup.table(EVIL, [markup.Column(EVIL), markup.Column("B", "number")], [["a", "1"], ["b", "2"]], ["total"])
    assert "<script" not in page
    assert page.count('<th scope="col"') == 2
    assert page.count('<th scope="row"') == 2
    assert page.count('<tr class="total">') == 1
    assert '<td class="number">2</td>' in page


def test_a_row_of_another_length_is_a_mistake():
    with pytest.raises(ValueError, match="zip"):
        markup.table("c", [markup.Column("A"), markup.Column("B")], [["a", "1", "2"]])


def test_stem_name_splits_the_label_off_the_track():
    name = markup.stem_name({"stem_id": "a/b/vocals", "stem": "vocals"})
    assert '<span class="track">a/b</span>' in name
    assert '<span class="chip">vocals</span>' in name
    assert '<span class="track">T</span>' in markup.stem_name({"stem_id": "x", "stem": "bass", "track": "T"})
    assert ">–<" in markup.stem_name({})


def test_player_holds_the_bytes_themselves():
    page = markup.player("data:audio/ogg;base64," + base64.b64encode(b"\x00sound\xff").decode(), EVIL)
    encoded = base64.b64encode(b"\x00sound\xff").decode()
    assert f'src="data:audio/ogg;base64,{encoded}"' in page
    assert "<script" not in page


@pytest.mark.parametrize("mime", ["", "text/html", 'audio/ogg" onload="x', "audio/"])
def test_no_player_without_an_audio_type(mime):
    assert markup.player(f"data:{mime};base64,AAAA", "n") == ""


def test_no_player_without_sound():
    assert markup.player("", "n") == markup.player("data:audio/ogg;base64,", "n") == ""


def test_a_player_of_the_servers_own_sounds_and_of_no_other_address():
    assert 'src="audio/12/stem"' in markup.player("audio/12/stem", "n")
    for address in ("audio/../etc", "//audio/1/stem", "https://x/audio/1/stem", "audio/1/stem?x", "audio/1/stem\n"):
        assert markup.player(address, "n") == ""


def test_keys_headings_and_figures():
    assert markup.keys_of([{"b": 1, "a": 2}, {"c": 3, "b": 4}], {"a"}) == ["b", "c"]
    assert markup.heading("average_precision") == "Average precision"
    assert markup.heading("macro_auroc") == "Macro AUROC"
    assert markup.figure(0.87654) == "0.877"
    assert markup.figure(1.5e-5) == "1.5e−05"
    assert markup.figure(40) == "40"
    assert markup.figure(None) == "–"
