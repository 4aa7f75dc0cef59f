"""The output of a run: journal, manifest and table, and which images are already in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from saliserve_client.errors import RunError
from saliserve_client.results import ModelIdentity
from saliserve_client.scoring import parquet
from saliserve_client.scoring.job import Job
from saliserve_client.scoring.journal import Journal, Row, whole_lines
from saliserve_client.scoring.manifest import RunManifest, now, read_manifest


class Output:
    """What a run has written so far; opening it resumes.

    Args:
        job: Of the run.
        manifest: Of the run as if it were new.

    Raises:
        RunError: The output is not of such a run, or another process is writing it.
        OutputError: It cannot be written.
        MissingPackageError: It is Parquet and pyarrow is not installed.
    """

    def __init__(self, job: Job, manifest: RunManifest) -> None:
        self._job = job
        self._table = job.out if job.out.suffix == ".parquet" else None
        if self._table:
            parquet.pyarrow()  # missing now is better than missing after ten hours
        self._journal_path = journal_path(job.out)
        self._manifest_path = manifest_path(job.out)
        self._check_ours(manifest)
        self._journal = Journal(self._journal_path, durability=job.durability, keep=self._is_kept)
        try:
            self._open(manifest)
        except BaseException:
            self.close()
            raise

    def _open(self, manifest: RunManifest) -> None:
        previous = read_manifest(self._manifest_path)
        self._fresh = previous is None
        self._untold = True
        self.manifest = previous.resumed(manifest) if previous else replace(manifest, started=now())
        self.counts: Counter[str] = Counter()
        self.verdicts: Counter[str] = Counter()
        self._done: set[str] = set()
        self._failed: set[str] = set()
        self.first_of: dict[str, int] = {}
        """With dedupe: where the journal's line of the first image of each content begins."""
        for entry in self._journal.entries():
            self._note(entry.row, entry.offset)
        self.resumed_images = len(self._done)

    def is_done(self, image: str) -> bool:
        """Tell whether the image has its row."""
        return image in self._done

    def is_scored(self, image: str) -> bool:
        """Tell whether that row holds an answer."""
        return image in self._done and image not in self._failed

    def admit(self, model: ModelIdentity) -> None:
        """Take note of the model that answers; call before :meth:`add`.

        Raises:
            RunError: The output holds another model's answers.
        """
        admitted = self.manifest.with_model(model, mix=self._job.mix_models)
        if admitted is not self.manifest:
            self.manifest = admitted
            self._write_manifest()

    def add(self, row: Row) -> None:
        """Append an image's row.

        Raises:
            OutputError: It cannot be written.
            RunError: The image has a row already; a fault of the caller.
        """
        if row["image"] in self._done:
            raise RunError(f"{row['image']}: has a row already")
        if self._untold:
            self._write_manifest()
        self._note(row, self._journal.append(row))

    def original(self, sha256: str) -> Row | None:
        """Find the row of an image of this content, if one was scored."""
        offset = self.first_of.get(sha256)
        return None if offset is None else self._journal.at(offset)

    def finish(self) -> None:
        """Make the table, and say in the manifest that the run is complete."""
        if self._table:
            parquet.write(self._table, (entry.row for entry in self._journal.entries()))
        self.manifest = replace(self.manifest, finished=now())
        self._write_manifest()

    def close(self) -> None:
        """Let go of the files; a run that wrote nothing leaves nothing behind."""
        empty = getattr(self, "_fresh", False)
        if not empty and hasattr(self, "manifest"):
            self._write_manifest()
        if empty:
            self._journal.remove()
        self._journal.close()

    def _note(self, row: Row, offset: int) -> None:
        self._done.add(row["image"])
        if row["status"] == "failed":
            self._failed.add(row["image"])
        self.counts["images"] += 1
        self.counts["duplicates" if row["duplicate_of"] else row["status"]] += 1
        if row["verdict"]:
            self.verdicts[row["verdict"]] += 1
        if self._job.dedupe and row["status"] == "scored" and row["sha256"]:
            self.first_of.setdefault(row["sha256"], offset)

    def _write_manifest(self) -> None:
        self._fresh = self._untold = False
        self.manifest = replace(self.manifest, counts=dict(self.counts))
        self.manifest.write(self._manifest_path)

    def _check_ours(self, manifest: RunManifest) -> None:
        """Refuse a file that no run made, or another one did, before anything in it is touched."""
        previous = read_manifest(self._manifest_path)
        if previous is not None:
            previous.resumed(manifest)
            self._check_pictures()
            return
        for path in {self._job.out, self._journal_path}:
            if path.exists() and (path.is_dir() or path.stat().st_size):
                raise RunError(
                    f"{path}: exists, and {self._manifest_path.name} that would say which run made it does not. "
                    "Choose another --out."
                )

    def _check_pictures(self) -> None:
        """Refuse a folder that is not there, or not mounted: every row would be dropped and made again."""
        for folder, name in self._folders():
            if not _holds_anything(folder) and self._names_files(name):
                raise RunError(
                    f"{folder}: holds nothing, and the rows of {self._job.out} name files in it. Bring it back (is it "
                    f"mounted, and is this its name?), or choose another --out to make all of them again."
                )

    def _names_files(self, column: str) -> bool:
        path = self._journal_path
        return path.is_file() and any(entry.row.get(column) for entry in whole_lines(path))

    def _folders(self) -> Iterator[tuple[Path, str]]:
        """Give the folders of this run, each with the column that names files in it."""
        for folder, name in ((self._job.maps, "map"), (self._job.overlays, "overlay")):
            if folder is not None:
                yield folder, name

    def _is_kept(self, row: Row) -> bool:
        """Drop what is to be tried again: failures if asked, and rows whose files a power cut took."""
        if self._job.retry_failed and row["status"] == "failed":
            return False
        return all(not row[name] or _has_content(folder / row[name]) for folder, name in self._folders())


def _has_content(file: Path) -> bool:
    """Tell a file from none; one that a power cut took may have kept its name and lost its content."""
    try:
        return file.stat().st_size > 0
    except OSError:
        return False


def _holds_anything(folder: Path) -> bool:
    return folder.is_dir() and next(folder.iterdir(), None) is not None


def journal_path(out: Path) -> Path:
    """The journal of an output; of JSON lines the output itself."""
    return out if out.suffix == ".jsonl" else out.with_name(f"{out.name}.journal.jsonl")


def manifest_path(out: Path) -> Path:
    """The run manifest of an output."""
    return out.with_name(f"{out.name}.manifest.json")
