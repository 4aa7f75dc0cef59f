"""JSON from a stranger, of any size."""

import json
import threading

import pytest

from service.errors import OptionError
from service.http.json_object import json_object


@pytest.mark.parametrize("numbers", ["255", "0.5"])
def test_other_threads_get_their_turns_while_a_tensor_is_read(numbers: str) -> None:
    """Python's own parser keeps the interpreter for itself: at most one turn before it and one after it.

    A turn is given every 5 ms, and these numbers take some 200.
    """
    data = b'{"data": [' + (numbers.encode() + b",") * 1_000_000 + b"0]}"
    reader = threading.Thread(target=json_object, args=(data,), kwargs={"what": "it", "where": "body"})
    turns = 0
    reader.start()

    while reader.is_alive():
        reader.join(timeout=0.001)
        turns += 1

    assert turns > 6


@pytest.mark.parametrize("text", ["-0", "12345678901234567890", "1.5e3", "-0.25", "1e-400"])
def test_numbers_are_what_python_takes_them_for(text: str) -> None:
    """The hooks change when other threads run, and nothing else."""
    read = json_object(b'{"it": %s}' % text.encode(), what="it", where="body")["it"]

    assert (read, type(read)) == (json.loads(text), type(json.loads(text)))


def test_a_number_of_thousands_of_digits_is_refused_and_not_an_accident() -> None:
    with pytest.raises(OptionError, match="is not JSON"):
        json_object(b'{"it": ' + b"9" * 5000 + b"}", what="it", where="body")
