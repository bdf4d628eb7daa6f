def test_a_stem_that_is_more_than_one_whole_file_is_never_copied_as_one(make_stems):
    from dataclasses import replace

    from raysep.commands.export.plan import File, unsaid
    from raysep.training.entry import Entry

    whole = make_stems(["A"])[0]
    for made in (replace(whole, parts=("/no/a.wav", "/no/b.wav")), replace(whole, padding=7)):
        assert File("x.wav", (Entry(whole),)).as_is
        assert not File("x.wav", (Entry(made),)).as_is
        assert "first A/" in unsaid([Entry(made)], audio=False, addresses=True)[0]
        assert unsaid([Entry(made)], audio=True) == []
