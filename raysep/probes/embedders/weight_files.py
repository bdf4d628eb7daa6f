"""Where an embedder's weights come from: a path, an object store, or the model hub. And which they were: a digest.

What comes from an object store is kept on the node, in the folder of ``cache_folder``, under a key of its time
and its content: an object that was written again is fetched anew, any other once, however many workers ask.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from raysep.corpus import storage
from raysep.errors import BadInput

HUB = "hub:"
TENSORS = ("*.safetensors", "*.bin", "*.pt", "*.pth", "*.npz")
SETTINGS = ("config.json", "preprocessor_config.json")  # they shape the network, so they count as weights
PATTERNS = (*TENSORS, *SETTINGS)
OPTIONS = "--embedder-weights (of raysep fad) or scoring.embedder_weights (of raysep clean)"
BLOCK = 1 << 20  # bytes read at once
PARTS, PART = 8, 1 << 16  # of a remote file, spread evenly, in bytes


def locate(weights: str, name: str, patterns: Sequence[str] = PATTERNS) -> Path:
    """A file or folder on this node with the weights of the embedder ``name``.

    ``weights`` is a path, ``s3://bucket/key`` (a file, or a folder of which the files that match ``patterns`` are
    fetched, ``loaded`` ones only) or ``hub:owner/name`` (through huggingface_hub and its own cache). Raises ``BadInput``
    for what is not there.
    """
    if not weights:
        raise BadInput(f"embedder {name!r} ships no weights: give {OPTIONS} a path, s3://bucket/key or {HUB}owner/name")
    if weights.startswith(HUB):
        return _from_hub(weights, name)
    if storage.is_remote(weights):
        return _from_store(storage.absolute(weights), name, patterns)
    path = Path(storage.absolute(weights))
    if not path.exists():
        raise BadInput(
            f"{weights}: embedder {name!r} finds no weights here; a path must be there on every node, "
            "an s3:// URI is fetched by each"
        )
    return path


def absolute(weights: str) -> str:
    """The same place, independent of the working directory: workers have another one."""
    return weights if not weights or weights.startswith(HUB) else storage.absolute(weights)


def digest(path: Path) -> str:
    """sha256 of a weight file's content; of a folder, the names and contents of its weight files in order."""
    if path.is_file():
        return _sha256(path)
    names = loaded(file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file())
    total = hashlib.sha256()
    for name in sorted(names):
        total.update(f"{name}\t{_sha256(path / name)}\n".encode())
    return total.hexdigest()


def loaded(names: Iterable[str], patterns: Sequence[str] = PATTERNS) -> list[str]:
    """Of the paths below a folder, those of weights, without tensors in another format beside safetensors.

    Those are the same network once more, or not: nobody loads them, so a node may have them and another one not.
    """
    matching = [name for name in names if _matches(PurePosixPath(name).name, patterns)]
    safe = {PurePosixPath(name).parent for name in matching if name.endswith(".safetensors")}
    others = TENSORS[1:]
    return [n for n in matching if not (PurePosixPath(n).parent in safe and _matches(PurePosixPath(n).name, others))]


def cache_folder() -> Path:
    """``$RAYSEP_CACHE``, or else ``raysep`` in the user's cache folder."""
    if own := os.environ.get("RAYSEP_CACHE"):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "raysep"


def load_tensors(path: Path, name: str) -> dict:
    """The tensors of one file by name, nothing executed on load. Raises ``BadInput`` naming the file."""
    import torch
    from safetensors.torch import load_file

    try:
        tensors = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    except Exception as error:  # each format has its own errors, down to pickle's
        raise BadInput(f"{path}: embedder {name!r} cannot read these weights ({error})") from error
    if not isinstance(tensors, dict):
        raise BadInput(f"{path}: embedder {name!r} finds a {type(tensors).__name__} here, not tensors by name")
    return tensors


def _from_store(uri: str, name: str, patterns: Sequence[str]) -> Path:
    try:
        files = _files_of(uri, patterns)
        if not files:
            raise BadInput(
                f"{uri}: embedder {name!r} finds no weights here; give the URI of a file or folder of weights"
            )
        key = hashlib.sha256(uri.encode())
        for source, relative in sorted(files.items()):
            key.update(f"{relative}\t{_version(source)}\n".encode())
        kept = cache_folder() / "weights" / key.hexdigest()[:32]
        if not kept.exists():
            with _alone(kept.with_name(f".{kept.name}.lock")):
                if not kept.exists():
                    _fetch(files, kept)
    except OSError as error:
        raise BadInput(
            f"{uri}: the weights of embedder {name!r} cannot be fetched to {cache_folder()} ({error}); check the URI, "
            "the access rights and AWS_ENDPOINT_URL, or set RAYSEP_CACHE to a folder with room"
        ) from error
    return kept / files[uri] if uri in files else kept


def _version(uri: str) -> str:
    """The store's time, which may be of whole seconds, and parts of the content: to read it all would be to fetch it."""
    system, path = storage.filesystem(uri)
    info = system.get_file_info(path)
    digest = hashlib.sha256(f"{info.size} bytes of {info.mtime_ns}".encode())
    with storage.open_random(uri) as stream:
        for part in range(PARTS):
            stream.seek(max(0, info.size - PART) * part // (PARTS - 1))
            digest.update(stream.read(PART))
    return digest.hexdigest()


def _files_of(uri: str, patterns: Sequence[str]) -> dict[str, str]:
    """URI → path below the folder, of a lone file or of a folder's files that match."""
    listed = [storage.uri_of(uri, info) for info in storage.list_files(uri)]
    if not listed:
        return {uri: uri.rsplit("/", 1)[1]} if storage.exists(uri) else {}
    return {f"{uri}/{name}": name for name in loaded((file[len(uri) + 1 :] for file in listed), patterns)}


def _fetch(files: dict[str, str], target: Path) -> None:
    """Copy to a folder of another name and rename it: a reader sees all of it or none, also after a crash."""
    unfinished = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
    try:
        for source, relative in files.items():
            file = unfinished / relative
            file.parent.mkdir(parents=True, exist_ok=True)
            with storage.open_random(source) as stream, file.open("wb") as out:
                while block := stream.read(BLOCK):
                    out.write(block)
        try:
            unfinished.rename(target)
        except OSError:
            if not target.exists():  # where locks do not work another may have been first, with the same content
                raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Workers of a node one at a time, so that one fetches and the others find it. A dead one holds nothing up."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as handle:
        try:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX)
        except (ImportError, OSError):
            pass  # a file system or a platform without locks: two may fetch, and the rename keeps both whole
        yield


def _from_hub(weights: str, name: str) -> Path:
    repository = weights.removeprefix(HUB)
    if repository.count("/") != 1 or not all(repository.split("/")):
        raise BadInput(f"{weights}: not a model of the hub; write {HUB}owner/name")
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise BadInput(
            f"{weights}: embedder {name!r} needs huggingface_hub to fetch it; pip install 'raysep[embedders]'"
        ) from error
    try:
        folder = Path(snapshot_download(repository, allow_patterns=["*.safetensors", *SETTINGS]))
        if not any(folder.glob("*.safetensors")):
            folder = Path(snapshot_download(repository, allow_patterns=list(PATTERNS)))
    except Exception as error:  # the hub's own kinds, and those of its network client, which change with its version
        raise BadInput(
            f"{weights}: embedder {name!r} cannot fetch it from the hub ({type(error).__name__}: {error}). Without a "
            f"connection: run `hf download {repository} --local-dir FOLDER` on a machine that has one, copy FOLDER to "
            f"every node or to an object store, and give {OPTIONS} that path or s3:// URI"
        ) from error
    return folder


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
