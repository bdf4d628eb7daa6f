"""Curves of a training for TensorBoard: event files in the run's folder, also when that is in an object store."""

from __future__ import annotations

import tempfile
import time
import uuid
from pathlib import Path

from raysep.corpus import storage


class Events:
    """Writes figures by step. A training that goes on from a state opens another file; what it repeats is superseded.

    An object store cannot be appended to: the files are written to a temporary folder, and ``save`` copies them.
    tensorboardX's own ``SummaryWriter`` hands events to a thread that no flush waits for; its records are written here
    without one.
    """

    def __init__(self, uri: str, step: int = 0) -> None:
        """``step`` is the number of steps done: events of later ones, from before a kill, are no longer shown."""
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog

        self.uri = uri
        self._temporary = tempfile.TemporaryDirectory() if storage.is_remote(uri) else None
        self._folder = Path(self._temporary.name if self._temporary else storage.absolute(uri))
        self._folder.mkdir(parents=True, exist_ok=True)
        # Files are named by the second: the suffix tells apart two that are opened within one.
        self._writer = EventsWriter(str(self._folder / "events"), f".{uuid.uuid4().hex[:8]}")
        start = SessionLog(status=SessionLog.START)
        self._writer.write_event(Event(wall_time=time.time(), step=step + 1, session_log=start))

    def add(self, step: int, figures: dict[str, float]) -> None:
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.proto.summary_pb2 import Summary

        values = [Summary.Value(tag=name, simple_value=value) for name, value in figures.items()]
        self._writer.write_event(Event(wall_time=time.time(), step=step, summary=Summary(value=values)))
        self._writer.flush()

    def save(self) -> None:
        """Everything so far is where the run is."""
        self._writer.flush()
        if self._temporary:
            for file in sorted(self._folder.iterdir()):
                storage.write_bytes(storage.join(self.uri, file.name), file.read_bytes())

    def close(self) -> None:
        self.save()
        self._writer.close()
        if self._temporary:
            self._temporary.cleanup()
