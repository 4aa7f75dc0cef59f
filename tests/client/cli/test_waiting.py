import io

import pytest
from saliserve_client import Progress
from saliserve_client.cli.waiting import Waiting


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("stream", "shown"), [(Terminal(), True), (io.StringIO(), False)])
def test_the_wait_is_shown_on_a_terminal_only_and_leaves_nothing(stream: io.StringIO, *, shown: bool) -> None:
    """A log would keep every redrawing."""
    with Waiting(stream=stream) as waiting:
        waiting(Progress("waiting", 0, 80, None))
        waiting(Progress("receipt", 60, 80, 2_400.0))

    lines = stream.getvalue().split("\r\x1b[K")
    assert (
        lines[1:]
        == [
            "░░░░░░░░░░░░░░░░░░░░ 0/80 passes  waiting  ETA -",
            "███████████████░░░░░ 60/80 passes  receipt  ETA 0:02",
            "",
        ]
    ) is shown
    assert (stream.getvalue() == "") is not shown
