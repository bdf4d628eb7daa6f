"""The page as a whole: complete, well formed, escaped, self-contained, and unmoved by missing parts."""

import dataclasses
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from raysep.report.data import Listing
from raysep.report.html import ReportData, render
from raysep.report.verdict import Verdict
from tests.report.pages import EVIL, LISTING, TAKE, N, Page


@pytest.fixture(scope="module")
def full():
    labels = ("vocals", "drums")
    decision = [
        {
            "stem_id": f"song-{i}/{label}",
            "track": f"song-{i}",
            "stem": label,
            "suspicion": i / 4 - 1.0,
            "p_corrupt": i / 12,
            "keep": i < 7,
            "outcome": "scored",
            "reason": "P above one half" if i >= 7 else "",
        }
        for i in range(12)
        for label in labels
    ]
    return ReportData(
        title="Cleaning of s3://bucket/corpus",
        run={"run_id": "run-77", "seed": 1234567, "config": {"train": {"steps": 2345, "learning_rate": 0.00125}}},
        summary={
            "share": {
                "estimate": 0.374,
                "low": 0.331,
                "high": 0.427,
                "storey": 0.352,
                "bbe": 0.389,
                "exchangeable": True,
                "warning": "",
            },
            "gain": {
                "arm": "fused",
                "over": "dirty",
                "db": 0.51,
                "low": 0.33,
                "high": 0.68,
                "closed": 0.55,
                "closed_low": 0.39,
                "closed_high": 0.71,
            },
            "rule": "remove when P > 0.5",
            "handling": "drop",
            "floor_reached": 3,
        },
        results=[
            {
                "arm": arm,
                "sdr_mean": mean,
                "low": mean - 0.2,
                "high": mean + 0.2,
                "per_label": {"vocals": mean + 1, "drums": mean - 1},
                "seeds": 3,
                "stems": stems,
                "median_sdr": mean - 0.05,
            }
            for arm, mean, stems in (("clean", 6.09, 431), ("dirty", 5.17, 432), ("fused", 5.68, 274))
        ],
        decision=decision,
        detection={
            "roc": {"overall": [(0, 0), (0.1, 0.8), (1, 1)], "swap": [(0, 0), (0, 1), (1, 1)]},
            "auroc": [
                {"group": "all", "name": "overall", "auroc": 0.8765, "low": 0.8123, "high": 0.9321, "positives": 151},
                {"group": "kind", "name": "swap", "auroc": 0.9912, "low": 0.9711, "high": 0.9987, "positives": 17},
            ],
            "false_discovery_proportion": 0.0423,
        },
        suspects=[
            {
                "stem_id": "song-11/vocals",
                "stem": "vocals",
                "suspicion": 4.37,
                "p_corrupt": 0.917,
                "keep": False,
                "reason": "own output loses to drums",
                "group": "suspect",
                "evidence": ["digital silence 24 % of the time; trusted vocals: at most 0.1 %"],
                "kind": "dropout (a guess)",
                "harm": 0.31,
                "used": "used as drums",
                "path": "/music/song-11/vocals.wav",
                "takes": [dataclasses.replace(TAKE, name="Stem"), dataclasses.replace(TAKE, name="Mixture")],
                "worst": "the longest gap",
            }
        ],
        stages=[{"name": "train", "seconds": 75.0, "rows": 432}, {"name": "score", "seconds": 8.25, "rows": 5184}],
        memory_gib=6.31,
        failures=[{"stem_id": "broken/bass", "error": "AudioError", "message": "truncated, 88211 of 1058400 samples"}],
    )


def test_every_number_given_is_on_the_page(full):
    text = Page(render(full)).text
    expected = [f"37.4{N}%", f"33.1{N}%", f"42.7{N}%", f"35.2{N}%", f"38.9{N}%"]  # the share
    expected += [f"+0.51{N}dB", "+0.33", "+0.68", f"55{N}%", f"39{N}%", f"71{N}%"]  # the gain
    for mean in (6.09, 5.17, 5.68):  # the arms
        expected += [f"{mean + offset:.2f}" for offset in (0, -0.2, 0.2, 1, -1)]
        expected.append(f"{mean - 0.05:.3f}")
    expected += ["431", "432", "274", "+0.92", "10 of 24"]
    expected += ["0.876", "0.812", "0.932", "0.991", "0.971", "0.999", "151", "17", "0.0423"]  # detection
    expected += ["4.37", "0.917", "digital silence 24 % of the time", "own output loses to drums"]  # the suspect
    expected += ["dropout (a guess)", "0.31", "used as drums", "/music/song-11/vocals.wav", "0:01.5 to 0:02.0", "gap"]
    expected += [f"1{N}min 15{N}s", f"8.25{N}s", f"1{N}min 23{N}s", "5184", "6.31 GiB"]  # cost
    expected += ["88211 of 1058400", "run-77", "1234567", "2345", "0.00125", "config.train.steps", "3"]
    assert [number for number in expected if number not in text] == []


def test_the_first_screen_answers_the_three_questions(full):
    source = render(full)
    first = Page(source[source.index('<div class="answers"') : source.index("<nav")]).text
    for words in ("Did cleaning help?", "Yes", "How much was wrong?", "Which stems?", "song-11", "5/12"):
        assert words in first


@pytest.mark.parametrize(("seeds", "words"), [(1, "With one seed"), (2, "With two seeds")])
def test_the_first_screen_gives_no_verdict_of_fewer_seeds_than_three(full, seeds, words):
    few = dataclasses.replace(full, results=[{**row, "seeds": seeds} for row in full.results])
    first = Page(render(few)).text.split("How much")[0]
    assert "Not clear" in first
    assert "Yes" not in first
    assert f"{words}: a verdict needs three seeds." in first
    assert "seeds." not in Page(render(full)).text.split("How much")[0]


def test_a_reference_above_cleaned_is_in_headline_answer_and_section_and_silent_stems_are_told(full):
    alone = {"arm": "reference", "over": "fused", "db": 0.31, "low": 0.05, "high": 0.6, "seeds": 3}
    silence = "3 of 40 test stems are silent"
    summary = {**full.summary, "reference_alone": alone, "silence": silence}
    page = Page(render(dataclasses.replace(full, summary=summary))).text
    assert page.count("Use the reference as it is.") == 3
    assert page.count(silence) == 1
    assert "reference as it is" not in Page(render(full)).text


def test_the_page_is_well_formed_and_accessible(full):
    page = Page(render(full))
    assert page.tags.count("h1") == page.tags.count("main") == page.tags.count("nav") == 1
    assert page.tags.count("caption") == page.tags.count("table") > 5
    assert page.tags.count("svg") == sum(1 for tag, name, v in page.attributes if tag == "svg" and name == "aria-label")
    identifiers = page.values("id")
    assert len(identifiers) == len(set(identifiers))
    targets = {value[1:] for value in page.values("href") if value.startswith("#")} | set(
        page.values("aria-labelledby")
    )
    assert targets <= set(identifiers)


def test_nothing_is_fetched_and_nothing_runs(full):
    source = render(full)
    page = Page(source)
    assert all(value.startswith("data:audio/") for value in page.values("src"))
    assert all(value.startswith(("#", "data:image/png;base64,")) for value in page.values("href"))
    assert not {"script", "link", "iframe", "img", "object", "form"} & set(page.tags)
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert not re.search(r"https?:|@import|url\(", source)
    assert any("default-src 'none'" in (value or "") for value in page.values("content"))


def test_everything_from_outside_is_escaped():
    row = {"stem_id": EVIL, "track": EVIL, "stem": EVIL, "suspicion": 1.0, "p_corrupt": 0.9, "reason": EVIL}
    data = ReportData(
        title=EVIL,
        verdict=EVIL,
        run={EVIL: EVIL, "run_id": EVIL, "nested": {EVIL: [EVIL]}},
        summary={
            "share": {"estimate": 0.5, "warning": EVIL},
            "gain": {"db": 1.0, "low": 0.5, "high": 2.0, "arm": EVIL, "over": EVIL},
            "rule": EVIL,
            "handling": EVIL,
            EVIL: EVIL,
        },
        results=[{"arm": EVIL, "sdr_mean": 1.0, "per_label": {EVIL: 1.0}, "seeds": EVIL, EVIL: EVIL}],
        decision=[{**row, "keep": False, "outcome": "scored"}, {**row, "keep": True, "suspicion": -1.0}],
        detection={"roc": {EVIL: [(0, 0), (1, 1)]}, "auroc": [{"name": EVIL, "group": EVIL, EVIL: EVIL}], EVIL: EVIL},
        suspects=[
            {
                **row,
                **{
                    "evidence": [EVIL],
                    "kind": EVIL,
                    "used": EVIL,
                    "path": EVIL,
                    "group": EVIL,
                    "worst": EVIL,
                    "note": EVIL,
                },
                "takes": [dataclasses.replace(TAKE, name=EVIL, about=EVIL, ticks=((EVIL, 0.5),))],
            }
        ],
        listing=Listing(LISTING.columns, [EVIL, EVIL], [EVIL], ["", EVIL], ["kept", EVIL], EVIL, EVIL, EVIL),
        stages=[{"name": EVIL, "seconds": 1.0, EVIL: EVIL}],
        failures=[{"stem_id": EVIL, "message": EVIL, EVIL: EVIL}],
    )
    source = render(data)
    page = Page(source)
    assert page.tags.count("script") == 2  # the listing and the page's own
    assert "alert" not in "".join(name for _, name, _ in page.attributes)
    assert EVIL in page.text


def test_an_empty_report_says_that_nothing_was_measured():
    page = Page(render(ReportData(title="Nothing")))
    assert "Nothing has been judged yet." in page.text
    assert page.text.count("Not measured") == 2
    assert "No test set was given." in page.text
    assert "Not known" in page.text
    assert "0.00" not in page.text


def test_without_calibration_stems_are_ranked_and_none_is_removed(full):
    rows = [{**row, "p_corrupt": None, "keep": True} for row in full.decision]
    share = {"estimate": None, "warning": "only 4 reference stems of a label"}
    page = Page(render(ReportData("t", summary={"share": share}, decision=rows)))
    assert "0 of 24 stems removed." in page.text
    assert "only 4 reference stems of a label" in page.text
    assert "P(corrupt) –" in re.sub(r"\s+", " ", page.text)
    assert "dashed line" not in page.text


def test_what_is_set_aside_and_used_otherwise_is_counted_where_the_labels_are(full):
    counts = {"stems": 24, "kept": 18, "removed": 6}
    handled = {"left_out": 3, "relabelled": 2, "spared": 1, "unchosen": "no harm is known: few tracks"}
    otherwise = Verdict.of({"counts": counts, "handled": handled})
    words = "Set aside is what the decision does not keep. 3 of 24 stems removed, 2 used under another label, 1 kept"
    page = Page(render(dataclasses.replace(full, judged=otherwise)))
    assert words in page.text
    assert page.text.count("No harm is known: few tracks.") == 1
    dropped = Verdict.of({"counts": counts, "handled": {"left_out": 6, "relabelled": 0, "spared": 0}})
    assert "Set aside is what" not in Page(render(dataclasses.replace(full, judged=dropped))).text


def test_long_lists_are_cut_and_say_so(full):
    rows = [{**full.decision[-1], "stem_id": f"s{i:04d}/drums", "track": f"s{i:04d}"} for i in range(250)]
    failed = [{"stem_id": f"f{i:04d}", "message": "gone"} for i in range(230)]
    text = Page(render(ReportData("t", decision=rows, failures=failed))).text
    assert "50 more are in the decision table" in text
    assert "30 more are in the failures table" in text
    assert "s0199" in text
    assert "s0200" not in text


def test_the_same_data_give_the_same_page(full):
    assert render(full) == render(full)


ANY = st.none() | st.floats() | st.integers(-5, 5) | st.booleans() | st.sampled_from(["x", EVIL, "silent", ""])


def rows(*keys):
    return st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(keys, ANY)), max_size=4)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_no_hole_in_the_data_breaks_the_page(data):
    figures = ("estimate", "low", "high", "storey", "bbe", "exchangeable", "warning", "db", "closed", "arm", "over")
    inner = st.none() | st.fixed_dictionaries({}, optional=dict.fromkeys(figures, ANY))
    report = ReportData(
        title=data.draw(st.sampled_from(["t", EVIL])),
        run=data.draw(st.dictionaries(st.sampled_from("abc"), ANY)),
        summary=data.draw(st.fixed_dictionaries({}, optional={"share": inner, "gain": inner, "level": ANY})),
        results=data.draw(rows("arm", "sdr_mean", "low", "high", "seeds", "extra")),
        decision=data.draw(rows("stem_id", "stem", "suspicion", "p_corrupt", "keep", "outcome", "reason")),
        detection=data.draw(
            st.none() | st.fixed_dictionaries({"auroc": rows("name", "group", "auroc", "low", "high")})
        ),
        suspects=data.draw(
            rows("stem_id", "stem", "suspicion", "p_corrupt", "reason", "group", "kind", "harm", "used", "path")
        ),
        stages=data.draw(rows("name", "seconds", "rows")),
        memory_gib=data.draw(st.none() | st.floats()),
        failures=data.draw(rows("stem_id", "error", "message")),
    )
    Page(render(report))


def test_a_run_that_is_to_be_proven_yet_does_not_say_that_it_had_no_test_set():
    page = Page(render(ReportData(title="Decided", run={"test": "songs/test"})))
    assert "Nothing was retrained and tested yet" in page.text
    assert "No test set" not in page.text


def test_what_is_hidden_with_a_script_or_without_one_is_no_part_of_a_picture(full):
    """``plain`` is a colour of pictures: when it was also the name of what a script replaces, intervals were not seen."""
    page = render(full)
    rule = re.search(r"\.js \.([\w-]+), :root:not\(\.js\) \.([\w-]+) \{ display: none; \}", page)
    hidden = set(rule.groups())
    in_pictures = {
        name
        for part in re.findall(r"(?s)<svg.*?</svg>", page)
        for name in " ".join(re.findall(r'class="([^"]+)"', part)).split()
    }
    assert "plain" in in_pictures
    assert not hidden & in_pictures


def test_only_the_first_sentence_of_the_verdict_is_large(full):
    page = render(full)
    first, rest = (re.search(rf'<p class="{name}">([^<]+)</p>', page).group(1) for name in ("verdict", "besides"))
    assert first.count(". ") == 0
    assert first.endswith(".")
    assert rest


def test_a_share_that_is_not_known_is_no_point_on_the_scale():
    told = {"share": {"estimate": 0.29, "low": 0.1, "high": 0.63, "exchangeable": True, "warning": None}}
    decision = [{"stem_id": "a/bass", "stem": "bass", "suspicion": 1.0, "keep": True, "outcome": "scored"}]
    for high, sure in ((0.63, False), (0.4, True)):
        told["share"]["high"] = high
        source = render(ReportData("a run", summary=told, decision=decision))
        part = source[source.index('id="share"') :].partition("</section>")[0]
        assert ('class="dot drop"' in part) == sure
        assert ("estimated share not known" in part) == (not sure)
        assert ("not known; a guess" in part) == (not sure)
