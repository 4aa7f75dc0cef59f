import asyncio
import contextlib

from saliserve_client.scoring.gate import Gate
from saliserve_client.scoring.pace import Pace


def test_a_round_of_answers_adds_one() -> None:
    pace = Pace(most=100, limit=10.0)

    for _ in range(10):
        pace.accepted()

    # sum of 1/limit while the limit grows from 10 to 11: between 10/11 and 1
    assert 10 + 10 / 11 < pace.limit <= 11


def test_refusals_of_one_round_halve_once() -> None:
    """Eight requests refused together are one message: too many."""
    pace = Pace(most=8, limit=8.0)

    for index in range(8):
        pace.refused(now_s=0.01 * index, pause_s=1.0)

    assert pace.allowed == 4


def test_refusals_after_the_pause_halve_again() -> None:
    pace = Pace(most=8, limit=8.0, settle_s=1.0)

    pace.refused(now_s=0.0, pause_s=1.0)
    pace.refused(now_s=1.9, pause_s=1.0)
    assert pace.allowed == 4
    pace.refused(now_s=2.0, pause_s=1.0)

    assert pace.allowed == 2


def test_one_request_is_always_allowed_and_never_more_than_the_most() -> None:
    """At 0 the run would never learn that the service is back."""
    pace = Pace(most=3, limit=50.0)
    assert pace.allowed == 3

    for second in range(0, 100, 10):
        pace.refused(now_s=float(second), pause_s=0.0)
    assert pace.allowed == 1

    for _ in range(100):
        pace.accepted()
    assert pace.allowed == 3


def test_no_more_pass_the_gate_than_the_pace_allows() -> None:
    pace = Pace(most=3, limit=3.0)
    inside = peak = 0

    async def request(gate: Gate) -> None:
        nonlocal inside, peak
        async with gate.passage():
            inside += 1
            peak = max(peak, inside)
            await asyncio.sleep(0)
            inside -= 1

    async def crowd() -> None:
        gate = Gate(pace, clock=lambda: 0.0, sleep=asyncio.sleep)
        await asyncio.gather(*(request(gate) for _ in range(50)))

    asyncio.run(crowd())

    assert peak == 3


def test_a_closed_gate_opens_after_the_pause() -> None:
    pace = Pace(most=1)
    pace.refused(now_s=10.0, pause_s=5.0)
    now_s = 10.0

    async def wait(seconds: float) -> None:
        nonlocal now_s
        now_s += seconds

    async def request() -> None:
        async with Gate(pace, clock=lambda: now_s, sleep=wait).passage():
            pass

    asyncio.run(request())

    assert now_s == 15.0


def test_a_failing_request_gives_its_place_back() -> None:
    """A place that is lost at every failure ends with a run that stands still."""
    pace = Pace(most=1)

    async def fail_then_pass() -> bool:
        gate = Gate(pace, clock=lambda: 0.0, sleep=asyncio.sleep)
        with contextlib.suppress(ZeroDivisionError):
            async with gate.passage():
                _ = 1 / 0
        async with gate.passage():
            return True

    async def within_time() -> bool:
        return await asyncio.wait_for(fail_then_pass(), 5)

    assert asyncio.run(within_time())


def test_who_asks_to_be_alone_is_and_the_others_go_on_afterwards() -> None:
    """Two of fifty want nobody beside them; all of them pass."""
    pace = Pace(most=8, limit=8.0)
    inside: list[int] = []
    beside: list[int] = []
    passed: list[int] = []

    async def request(gate: Gate, number: int) -> None:
        alone = number in {10, 30}
        async with gate.passage(alone=alone):
            inside.append(number)
            for _ in range(3):
                await asyncio.sleep(0)
                if alone:
                    beside.append(len(inside) - 1)
            inside.remove(number)
        passed.append(number)

    async def crowd() -> None:
        gate = Gate(pace, clock=lambda: 0.0, sleep=asyncio.sleep)
        await asyncio.wait_for(asyncio.gather(*(request(gate, number) for number in range(50))), 30)

    asyncio.run(crowd())

    assert sorted(passed) == list(range(50))
    assert beside == [0] * 6


def test_who_no_longer_waits_to_be_alone_holds_nobody_up() -> None:
    """A request that is given up while it waits for the others to end."""
    pace = Pace(most=2, limit=2.0)

    async def crowd() -> None:
        gate = Gate(pace, clock=lambda: 0.0, sleep=asyncio.sleep)
        async with gate.passage():
            waiting = asyncio.ensure_future(gate.passage(alone=True).__aenter__())
            await asyncio.sleep(0)
            waiting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await waiting
            async with asyncio.timeout(30), gate.passage():
                pass

    asyncio.run(crowd())
