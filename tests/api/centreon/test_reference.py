"""The reference as data says what the reference document says, wherever that lies: in $SIGNALBOX_CENTREON_REFERENCE, or as
shared/seeds/centreon-web-rest-api.txt beside the repository."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.centreon_document import parse_document
from tests.support.centreon_reference import operations, reference, wrong

BESIDE = Path(__file__).parents[3].parent / "shared" / "seeds" / "centreon-web-rest-api.txt"
DOCUMENT = Path(os.environ.get("SIGNALBOX_CENTREON_REFERENCE", BESIDE))
TRANSCRIBED = (
    "method", "path", "search_keys", "path_parameters", "query_parameters", "body", "statuses", "request", "response",
)  # fmt: skip

SMALL = """\
Thing

List all things

Sentences say nothing.

The available parameters to search / sort_by are:

  • thing.id
  • thing.name
Authorizations:
path Parameters
box_id
required
integer <int64>
Example: 12

ID of the box

query Parameters
limit
integer >= 1
Default: 10
Example: limit=20

Number of items

Responses

200

OK

404

Not Found

get /boxes/{box_id}/things
{protocol}://{server}

Response samples

Content type
application/json
{
  • "id": 12,
  • "seen": "2020-01-03T10:16:01Z",
  • "gone": null,
  • "parts":
    [
    ]
}

Add one

Request Body schema: application/json
comment
string

What for

at
string <date-time>

Responses

204

Sent

post /things
{protocol}://{server}
"""


def transcribed(operation: dict[str, Any]) -> dict[str, Any]:
    return {name: operation[name] for name in TRANSCRIBED}


def test_every_operation_of_the_document_is_there_as_it_says() -> None:
    if not DOCUMENT.exists():
        print(f"not compared with the document: there is no {DOCUMENT}")
        return
    said = parse_document(DOCUMENT.read_text("utf-8"))
    assert [transcribed(operation) for operation in reference()["operations"]] == said
    assert len(said) == 24


def test_how_a_document_is_read() -> None:
    listed, added = parse_document(SMALL)
    assert listed == {
        "method": "GET", "path": "/boxes/{box_id}/things", "search_keys": ["thing.id", "thing.name"],
        "path_parameters": {"box_id": "integer"}, "query_parameters": {"limit": {"type": "integer", "minimum": 1, "default": 10}},
        "body": {}, "statuses": [200, 404], "request": {},
        "response": {"id": "integer", "seen": "date-time", "gone": "null", "parts": "array"},
    }  # fmt: skip
    assert (added["path"], added["body"], added["statuses"]) == ("/things", {"comment": "string", "at": "date-time"}, [204])


@pytest.mark.parametrize("name", operations())
def test_an_answer_has_every_field_its_sample_shows(name: str) -> None:
    operation = operations()[name]
    if operation["answer"] is None:
        assert operation["statuses"][0] == 204
        return
    if operation["answer"].startswith("["):
        assert operation["response"] == {"result": "array", "meta": "object"}
        return
    fields = reference()["schemas"][operation["answer"]]
    for field, shown in operation["response"].items():
        where = f"{operation['answer']}.{field}"
        assert reference()["deviations"].get(where, fields[field]) in _types_of(shown, fields[field]), where


def _types_of(shown: str, given: str) -> set[str]:
    """What may stand for a type that a sample shows."""
    folded = {"array": given if given.startswith("[") else "", "object": given if given in reference()["schemas"] else ""}
    wider = {"integer": {"integer", "number"}, "null": {given} if given.endswith("?") else set()}
    types = wider.get(shown, {folded.get(shown, shown)})
    return types | {f"{type}?" for type in types}


def test_every_type_is_known() -> None:
    plain = {"integer", "number", "string", "boolean", "date-time", "object", *reference()["schemas"]}
    for name, fields in reference()["schemas"].items():
        for field, type in fields.items():
            assert type.removesuffix("?").strip("[]") in plain, f"{name}.{field}"


@pytest.mark.parametrize(
    ("value", "type", "words"),
    [
        ({"id": 1, "name": "a"}, "Group", []),
        ({"id": 1}, "Group", [".name is missing"]),
        ({"id": True, "name": None}, "Group", [".id is True, not integer", ".name is null"]),
        ([{"id": 1, "name": "a"}, {"id": "1", "name": "a"}], "[Group]", ["[1].id is '1', not integer"]),
        ("2020-01-03T10:16:01", "date-time", [" is '2020-01-03T10:16:01', no date-time"]),
        ("2020-13-03T10:16:01Z", "date-time", [" is '2020-13-03T10:16:01Z', no date-time"]),
        ("2020-01-03T10:16:01+02:00", "date-time?", []),
        (None, "date-time?", []),
        (1, "number", []),
    ],
)
def test_what_is_wrong_is_seen(value: object, type: str, words: list[str]) -> None:
    assert wrong(value, type) == words
