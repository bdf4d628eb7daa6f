"""The forms of an export, by name."""

from __future__ import annotations

from raysep.commands.export.plan import Form
from raysep.errors import BadInput
from raysep.imports import load

FORMS: dict[str, str] = {  # as text: a new one is a file and a line here
    "manifest": "raysep.commands.export.forms.manifest:MANIFEST",
    "list": "raysep.commands.export.forms.lists:LIST",
    "csv": "raysep.commands.export.forms.csv:CSV",
    "msst": "raysep.commands.export.forms.msst:MSST",
    "musdb": "raysep.commands.export.forms.musdb:MUSDB",
    "moisesdb": "raysep.commands.export.forms.records:MOISESDB",
    "slakh": "raysep.commands.export.forms.records:SLAKH",
    "links": "raysep.commands.export.forms.tracks:LINKS",
    "copies": "raysep.commands.export.forms.tracks:COPIES",
}


def resolve(name: str) -> Form:
    """Raises ``BadInput`` for a name that is not known."""
    if name not in FORMS:
        raise BadInput(f"--form {name}: not known; choose one of {', '.join(FORMS)}")
    form: Form = load(FORMS[name])
    return form
