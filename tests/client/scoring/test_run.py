import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from saliserve_client import errors
from saliserve_client.scoring.job import Job
from saliserve_client.scoring.journal import Journal
from saliserve_client.scoring.manifest import RunManifest, read_manifest
from saliserve_client.scoring.output import Output, journal_path, manifest_path
from saliserve_client.scoring.rows import Content, comparable, failed
from saliserve_client.scoring.sources import Source

from tests.client.answers import explain_answer
from tests.client.scoring.stand_in import Clock, Outcome, Service, refusal, rows, score


@pytest.fixture
def job(photos: Path, tmp_path: Path) -> Job:
    return Job(Source(str(photos)), tmp_path / "out.jsonl", explain=False)


def names(job: Job) -> list[str]:
    return sorted(row["image"] for row in rows(job.out))


ALL = [f"{number:02}.jpg" for number in range(40)]


def at_first(outcome: Callable[[], Outcome], times: int = 1) -> Callable[[bytes, int], Outcome]:
    return lambda _, sent: outcome() if sent <= times else None


def test_every_image_has_one_row_and_was_sent_once(job: Job) -> None:
    service = Service()

    score(job, service)

    assert names(job) == ALL
    assert set(service.sent.values()) == {1}


def test_refusals_are_waited_out_and_slow_all_requests_down(job: Job) -> None:
    """Every image is refused twice; the second refusals can only come after the first wave's Retry-After."""
    clock = Clock()
    service = Service(at_first(lambda: refusal(503, "overloaded", **{"Retry-After": "4"}), times=2))

    score(job, service, clock)

    assert names(job) == ALL
    assert all(row["status"] == "scored" and row["attempts"] == 3 for row in rows(job.out))
    assert clock.now_s >= 1000 + 4 + 4


def test_a_restarting_service_costs_no_row(job: Job) -> None:
    """First the connections break, then nothing listens, then it is back."""
    sequence = [
        httpx2.ReadError("reset"),
        httpx2.ConnectError("refused"),
        httpx2.RemoteProtocolError("closed"),
    ]
    service = Service(lambda _, sent: sequence[sent - 1] if sent <= len(sequence) else None)

    score(job, service)

    assert names(job) == ALL
    assert {row["status"] for row in rows(job.out)} == {"scored"}


def test_a_service_that_stays_away_ends_the_run_after_its_patience(job: Job) -> None:
    """And not before: ten minutes by default, a laptop's lid and a slow deployment are shorter."""
    clock = Clock()
    service = Service(lambda *_: httpx2.ConnectError("refused"))

    with pytest.raises(errors.UnreachableError):
        score(job, service, clock)

    assert clock.now_s - 1000 >= job.patience_s
    assert not job.out.exists()


def test_a_poison_image_is_recorded_with_its_error_and_skipped(job: Job) -> None:
    service = Service(lambda data, _: refusal(422, "corrupt_image") if data == b"picture 7" else None)

    score(job, service)

    failed = [row for row in rows(job.out) if row["status"] == "failed"]
    assert [(row["image"], row["error_code"], row["error_detail"]) for row in failed] == [
        ("07.jpg", "corrupt_image", "it is corrupt_image")
    ]
    assert names(job) == ALL


def test_an_image_that_breaks_the_connection_every_time_is_poison(job: Job) -> None:
    """It may be what brings the service down; it must not hold up the others for ever."""
    service = Service(lambda data, _: httpx2.ReadError("reset") if data == b"picture 7" else None)

    score(job, service)

    assert service.sent[b"picture 7"] == job.strikes
    assert {row["image"]: row["error_code"] for row in rows(job.out) if row["error_code"]} == {
        "07.jpg": "connection_lost"
    }


def test_an_unreadable_file_and_a_vanished_one_are_recorded(job: Job, tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text("photos/01.jpg\nphotos/gone.jpg\nphotos\n")

    score(replace(job, source=Source(str(listed))), Service())

    assert {row["image"]: row["error_code"] for row in rows(job.out)} == {
        "photos/01.jpg": None,
        "photos/gone.jpg": "unreadable_file",
        "photos": "unreadable_file",
    }


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, "unauthenticated", errors.AuthenticationError),
        (422, "invalid_option", errors.OptionError),
        (404, "unknown_model", errors.UnknownModelError),
        (404, "not_found", errors.VersionError),
    ],
)
def test_what_would_fail_for_every_image_stops_the_run_and_leaves_nothing(
    job: Job, status: int, code: str, kind: type[errors.SaliserveError]
) -> None:
    """A mistyped option must not fill a table with a million failures, nor block the table's name."""
    service = Service(lambda *_: refusal(status, code))

    with pytest.raises(kind):
        score(job, service)

    assert sum(service.sent.values()) <= 8
    assert not job.out.exists()
    assert not manifest_path(job.out).exists()


def test_failures_in_a_row_that_are_not_the_images_stop_the_run(job: Job) -> None:
    """A GPU that fell off the bus answers 500 to everything; ten images were well, then 20 rows are enough to see it.

    Ten that were sent, whichever were read first: files are read in threads.
    """
    service = Service()
    service.misbehave = lambda *_: None if service.sent.total() <= 10 else refusal(500, "provider_error")

    with pytest.raises(errors.ProviderError):
        score(job, service)

    failed = [row for row in rows(job.out) if row["status"] == "failed"]
    assert job.breaker - 1 <= len(failed) < job.breaker + job.concurrency


def test_a_run_goes_on_where_it_stopped_and_sends_nothing_twice(job: Job) -> None:
    """The first start is stopped by a refused key half way."""
    first = Service(lambda data, _: refusal(401, "unauthenticated") if data == b"picture 20" else None)
    with pytest.raises(errors.AuthenticationError):
        score(job, first)
    done = set(names(job))
    assert 0 < len(done) < 40

    second = Service()
    score(job, second)

    assert names(job) == ALL
    assert {data.decode() for data in second.sent} == {f"picture {int(name[:2])}" for name in set(ALL) - done}


def test_disturbed_and_undisturbed_runs_agree(job: Job, tmp_path: Path) -> None:
    """Whatever happens on the wire, the rows are a function of the images."""
    score(job, Service(at_first(lambda: refusal(503, "overloaded"))))
    calm = replace(job, out=tmp_path / "calm.jsonl", concurrency=1)
    score(calm, Service())

    assert comparable(iter(rows(job.out))) == comparable(iter(rows(calm.out)))


def test_failures_are_tried_again_only_when_asked(job: Job) -> None:
    score(job, Service(lambda data, _: refusal(422, "corrupt_image") if data == b"picture 7" else None))

    again = Service()
    score(job, again)
    assert not again.sent
    score(replace(job, retry_failed=True), again)

    assert dict(again.sent) == {b"picture 7": 1}
    assert names(job) == ALL
    assert {row["status"] for row in rows(job.out)} == {"scored"}


def test_equal_contents_are_scored_once_when_asked(job: Job, photos: Path) -> None:
    for number in range(10):
        (photos / f"copy-{number}.jpg").write_bytes(b"picture 3")
    service = Service()

    score(replace(job, dedupe=True), service)

    assert service.sent[b"picture 3"] == 1
    copies = [row for row in rows(job.out) if row["sha256"] == rows_of(job, "03.jpg")["sha256"]]
    assert len(copies) == 11
    assert {row["class_index"] for row in copies} == {rows_of(job, "03.jpg")["class_index"]}
    assert sum(row["duplicate_of"] is None for row in copies) == 1
    assert {row["duplicate_of"] for row in copies} - {None} == {
        row["image"] for row in copies if row["duplicate_of"] is None
    }


def test_equal_contents_are_recognised_after_a_restart(job: Job, photos: Path) -> None:
    score(replace(job, dedupe=True), Service())
    (photos / "copy.jpg").write_bytes(b"picture 3")
    service = Service()

    score(replace(job, dedupe=True), service)

    assert not service.sent
    assert rows_of(job, "copy.jpg")["duplicate_of"] == "03.jpg"


def rows_of(job: Job, image: str) -> dict[str, object]:
    return next(row for row in rows(job.out) if row["image"] == image)


def test_two_models_do_not_mix(job: Job, photos: Path) -> None:
    """Scores of two models in one column are compared by somebody sooner or later."""
    score(job, Service())
    (photos / "new.jpg").write_bytes(b"new")
    other = Service()
    other.sha256 = "6" * 64

    with pytest.raises(errors.RunError, match="mix-models"):
        score(job, other)
    assert names(job) == ALL
    score(replace(job, mix_models=True), other)

    assert names(job) == [*ALL, "new.jpg"]
    manifest = read_manifest(manifest_path(job.out))
    assert manifest is not None
    assert [model["sha256"][0] for model in manifest.models] == ["5", "6"]


def test_a_model_that_changes_under_the_run_stops_it(job: Job) -> None:
    """A service restarted with a new bundle half way."""
    service = Service()

    def swap(*_: object) -> None:
        if sum(service.sent.values()) >= 20:
            service.sha256 = "6" * 64

    service.misbehave = swap
    with pytest.raises(errors.RunError, match="now serves"):
        score(job, service)

    assert {row["model_sha256"][0] for row in rows(job.out)} == {"5"}


def test_other_options_are_refused(job: Job) -> None:
    score(job, Service())

    with pytest.raises(errors.RunError, match="begun with top_k=None, now top_k=3"):
        score(replace(job, options={"top_k": 3}), Service())


def test_rows_of_another_schema_are_not_mixed(job: Job) -> None:
    """Begun by an older client, gone on with after an upgrade that renamed a column."""
    score(job, Service())
    before = job.out.read_bytes()
    path = manifest_path(job.out)
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, "schema_version": 0, "client_version": "0.0.9"}))

    with pytest.raises(
        errors.RunError, match=r"schema 0, written by saliserve-client 0\.0\.9.*another --out"
    ):
        score(replace(job, retry_failed=True), Service())

    assert job.out.read_bytes() == before


def test_a_file_that_no_run_made_is_left_alone(job: Job) -> None:
    """Mending drops lines that are not rows; in somebody's own file that is everything."""
    job.out.write_text("my thesis\n")

    with pytest.raises(errors.RunError, match="exists"):
        score(job, Service())

    assert job.out.read_text() == "my thesis\n"


def test_the_manifest_counts_what_the_table_holds(job: Job) -> None:
    score(job, Service(lambda data, _: refusal(422, "empty_image") if data == b"picture 7" else None))

    manifest = read_manifest(manifest_path(job.out))
    assert manifest is not None
    assert manifest.counts == {"images": 40, "scored": 39, "failed": 1}
    assert manifest.models == ({"name": "toy", "version": "1", "sha256": "5" * 64},)
    assert manifest.finished >= manifest.started > "2020"
    assert manifest.starts == 1


def test_no_more_are_in_flight_than_allowed(job: Job) -> None:
    service = Service()

    score(replace(job, concurrency=3), service)

    assert service.peak <= 3


def test_an_output_of_unknown_kind_is_refused(job: Job) -> None:
    with pytest.raises(errors.RunError, match=r"\.jsonl or \.parquet"):
        replace(job, out=Path("table.csv"))


def test_failures_with_answers_in_between_do_not_stop_the_run(job: Job) -> None:
    """Every other image fails, twenty in all, but no twenty in a row."""
    odd = {f"picture {number}".encode() for number in range(1, 40, 2)}
    service = Service(lambda data, _: refusal(500, "explanation_error") if data in odd else None)

    score(replace(job, concurrency=1), service)

    assert sum(row["status"] == "failed" for row in rows(job.out)) == job.breaker
    assert names(job) == ALL


def test_a_second_row_of_an_image_is_refused(job: Job) -> None:
    """The last line of defence of "each image once", should the scheduling above it be wrong one day."""
    output = Output(job, RunManifest(job.deciding()))
    row = failed(Content("00.jpg"), errors.FileError("gone"), attempts=0)
    output.add(row)

    with pytest.raises(errors.RunError, match="has a row already"):
        output.add(row)
    output.close()

    assert names(job) == ["00.jpg"]


def test_pictures_go_where_their_names_say(job: Job, photos: Path, tmp_path: Path) -> None:
    """A list may name files outside its folder; what is written must stay inside the one given."""
    (photos / "deep").mkdir()
    (photos / "deep" / "a.jpg").write_bytes(b"a")
    listed = photos / "list.txt"
    listed.write_text(f"deep/a.jpg\n../photos/01.jpg\n{photos / '02.jpg'}\n")
    maps, overlays = tmp_path / "maps", tmp_path / "overlays"

    score(
        replace(job, source=Source(str(listed)), explain=True, maps=maps, overlays=overlays),
        Service(lambda *_: httpx2.Response(200, json=explain_answer())),
    )

    for row in rows(job.out):
        assert (maps / row["map"]).read_bytes().startswith(b"\x93NUMPY")
        assert (overlays / row["overlay"]).read_bytes().startswith(b"\x89PNG")
        assert (maps / row["map"]).resolve().is_relative_to(maps)
    assert len({row["map"] for row in rows(job.out)}) == 3
    assert rows_of(job, "deep/a.jpg")["map"] == "deep/a.jpg.map.npy"


@pytest.mark.parametrize("lose", [Path.unlink, lambda file: file.write_bytes(b"")])
def test_a_row_whose_map_is_gone_is_made_again(
    job: Job, tmp_path: Path, lose: Callable[[Path], object]
) -> None:
    """A power cut may keep the row and lose the file, or keep its name and lose its content."""
    maps = tmp_path / "maps"
    job = replace(job, explain=True, maps=maps)
    answering = Service(lambda *_: httpx2.Response(200, json=explain_answer()))
    score(job, answering)
    lose(maps / "07.jpg.map.npy")

    again = Service(lambda *_: httpx2.Response(200, json=explain_answer()))
    score(job, again)

    assert dict(again.sent) == {b"picture 7": 1}
    assert names(job) == ALL
    assert (maps / "07.jpg.map.npy").read_bytes() == (maps / "06.jpg.map.npy").read_bytes()


def test_what_is_refused_drops_no_row_first(job: Job) -> None:
    """Options are held against the run's own before the failures that are to be tried again are let go."""
    score(job, Service(lambda data, _: refusal(422, "corrupt_image") if data == b"picture 7" else None))
    before = job.out.read_bytes()

    with pytest.raises(errors.RunError, match="top_k"):
        score(replace(job, options={"top_k": 3}, retry_failed=True), Service())

    assert job.out.read_bytes() == before


@pytest.mark.parametrize("empty", [False, True])
def test_a_folder_of_maps_that_is_not_there_costs_no_row(job: Job, tmp_path: Path, *, empty: bool) -> None:
    """A share that is not mounted would otherwise have every image scored again."""
    maps = tmp_path / "maps"
    job = replace(job, explain=True, maps=maps)
    answering = Service(lambda *_: httpx2.Response(200, json=explain_answer()))
    score(job, answering)
    before = job.out.read_bytes()
    maps.rename(tmp_path / "elsewhere")
    if empty:
        maps.mkdir()

    with pytest.raises(errors.RunError, match="is it mounted"):
        score(job, answering)

    assert job.out.read_bytes() == before
    assert set(answering.sent.values()) == {1}
    shutil.rmtree(maps, ignore_errors=True)
    (tmp_path / "elsewhere").rename(maps)
    score(job, answering)
    assert set(answering.sent.values()) == {1}


@pytest.mark.parametrize("ending", [".jsonl", ".parquet"])
def test_names_that_are_no_utf8_have_their_rows(job: Job, photos: Path, tmp_path: Path, ending: str) -> None:
    """Archives of other systems hold such; no table can, so the bytes are written out."""
    job = replace(job, out=tmp_path / f"odd{ending}", explain=True, maps=tmp_path / "maps")
    (photos / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"odd")
    (photos / os.fsdecode(b"gone\xe9.jpg")).symlink_to("nowhere")
    answering = Service(lambda *_: httpx2.Response(200, json=explain_answer()))

    score(job, answering)
    score(job, answering)

    found = {row["image"]: row for row in rows(journal_path(job.out))}
    assert len(found) == 42
    assert found["caf\\xe9.jpg"]["map"] == "caf\\xe9.jpg.map.npy"
    assert "gone\\xe9.jpg: no such file" in found["gone\\xe9.jpg"]["error_detail"]
    assert answering.sent[b"odd"] == 1


def test_a_folder_whose_name_is_no_utf8_is_gone_on_with(job: Job, photos: Path) -> None:
    """The manifest holds it, and a report looks for the pictures there."""
    odd = photos.rename(photos.with_name(os.fsdecode(b"caf\xe9")))
    job = replace(job, source=Source(str(odd)))

    score(job, Service())
    score(job, Service())

    manifest = read_manifest(manifest_path(job.out))
    assert manifest is not None
    assert (Path(manifest.source), manifest.starts) == (odd, 2)


def test_a_run_that_wrote_nothing_takes_no_other_runs_journal_away(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its journal must be gone before its hold is: who took it in between would write into a file without a name."""
    let_go = Journal.close
    left: list[bool] = []

    def watched(self: Journal) -> None:
        left.append(self.path.exists())
        let_go(self)

    monkeypatch.setattr(Journal, "close", watched)

    Output(job, RunManifest(job.deciding())).close()

    assert left == [False]


def cut_short() -> dict[str, Any]:
    """As a service answers at its deadline: one of two operators, and all the time spent."""
    answer = explain_answer()
    answer["receipt"]["protocol"]["operators"] = {"blur": "", "mean": ""}
    del answer["receipt"]["operators"][1]
    answer["timings_ms"]["receipt"] = 99_000.0
    return answer


def test_what_the_deadline_cut_is_asked_again_with_fewer_at_a_time(job: Job) -> None:
    """Eight receipts at once may each miss a deadline that one alone would meet; a cut one is no function of the image."""
    service, clock = Service(), Clock()

    def answer(*_: object) -> Outcome:
        crowded = service.in_flight > 2
        clock.now_s += 99.0 if crowded else 1.0
        return httpx2.Response(200, json=cut_short() if crowded else explain_answer())

    service.misbehave = answer
    score(replace(job, explain=True), service, clock)

    assert all(len(json.loads(row["receipt"])["operators"]) == 2 for row in rows(job.out))
    assert max(row["attempts"] for row in rows(job.out)) > 1


def test_what_the_deadline_cuts_even_alone_is_kept_as_it_is(job: Job) -> None:
    """There is nothing better to be had; warnings and columns say what it is."""
    service, clock = Service(), Clock()

    def answer(*_: object) -> Outcome:
        clock.now_s += 99.0
        return httpx2.Response(200, json=cut_short())

    service.misbehave = answer
    score(replace(job, explain=True), service, clock)

    assert names(job) == ALL


def test_an_image_that_never_meets_the_deadline_slows_the_others_down_once(job: Job) -> None:
    """Then it is sent by itself, and kept as it is. It used to halve the pace again and again, down to one."""
    service, clock = Service(), Clock()
    beside: list[int] = []
    paces: list[int] = []

    def answer(data: bytes, sent: int) -> Outcome:
        clock.now_s += 10.0
        if data != b"picture 20":
            return httpx2.Response(200, json=explain_answer())
        if sent > 2:
            beside.append(service.in_flight - 1)
        return httpx2.Response(200, json=cut_short())

    service.misbehave = answer
    score(replace(job, explain=True), service, clock, watch=lambda run: paces.append(run.at_a_time))

    assert {row["image"]: row["attempts"] for row in rows(job.out) if row["attempts"] > 1} == {"20.jpg": 3}
    assert beside == [0]
    fastest_before = max(paces[:20])
    assert fastest_before >= 4
    assert min(paces[20:]) >= fastest_before // 2
