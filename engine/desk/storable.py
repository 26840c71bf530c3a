"""What no database can hold: asked with such a value, nothing is found, or the value is named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from engine.desk.values import EntryFilter
from engine.errors import InvalidField

LARGEST_ID = 2**63 - 1


@contextmanager
def storable() -> Iterator[None]:
    """Whatever is asked inside with a value no database can hold raises InvalidField."""
    try:
        yield
    except UnicodeEncodeError as error:
        raise InvalidField("A value holds half a character (a lone surrogate): no object has such a name.") from error
    except OverflowError as error:
        raise InvalidField("A number is larger than any that is given out here.") from error


def is_answerable(which: EntryFilter) -> bool:
    """False when no row can have such a value: text no database can hold, numbers beyond its integers."""
    numbers = (which.poller or 0, which.limit, which.offset)
    texts = (which.kind, which.host, which.service, which.state, which.reference, which.operation)
    return all(-LARGEST_ID <= number <= LARGEST_ID for number in numbers) and all(map(is_storable, texts))


def is_storable(text: str | None) -> bool:
    try:
        (text or "").encode()
    except UnicodeEncodeError:
        return False
    return True
