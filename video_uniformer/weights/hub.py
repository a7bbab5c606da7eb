"""Files on the Hugging Face hub: their addresses, and fetching them.

huggingface_hub is imported late throughout: it takes a second, and a file on the disk needs none of
it.
"""

import os
import re
import threading
from pathlib import Path
from typing import NamedTuple

SCHEME = "hf://"
DEFAULT_FILE = "model.safetensors"
DEFAULT_REVISION = "main"
# How long the hub may take to say that it is there. huggingface_hub itself waits for 10 seconds,
# then asks 6 times more, and tells of each.
SECONDS_TO_ANSWER = 3.0
TIMEOUT_VARIABLE = "HF_HUB_ETAG_TIMEOUT"  # huggingface_hub's own, for those on a slow line

_HUB_FILE = re.compile(
    r"hf://(?P<repo>[^/@\s]+/[^/@\s]+)(@(?P<revision>[^/\s]+))?(/(?P<file>[^\s]+))?/?"
)


class HubFile(NamedTuple):
    """A file in a repository of the Hugging Face hub."""

    repo: str
    file: str = DEFAULT_FILE
    revision: str = DEFAULT_REVISION

    def __str__(self) -> str:
        revision = "" if self.revision == DEFAULT_REVISION else f"@{self.revision}"
        return f"{SCHEME}{self.repo}{revision}/{self.file}"


def parse_hub_file(source: str) -> HubFile:
    """Read `hf://owner/repo[@revision][/file]`.

    Args:
        source: The text; a slash in the revision is written `%2F`.

    Raises:
        ValueError: It is something else.
    """
    match = _HUB_FILE.fullmatch(source)
    if match is None:
        raise ValueError(
            f"weights {source!r}: expected {SCHEME}owner/repo/file, {SCHEME}owner/repo "
            f"(for {DEFAULT_FILE}), or {SCHEME}owner/repo@revision/file"
        )
    revision = (match["revision"] or DEFAULT_REVISION).replace("%2F", "/")
    return HubFile(match["repo"], match["file"] or DEFAULT_FILE, revision)


def fetch(
    wanted: HubFile,
    *,
    force_download: bool = False,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
) -> Path:
    """The file in huggingface_hub's cache, downloaded if the hub has a newer one.

    A hub that does not answer within `SECONDS_TO_ANSWER` is taken as out of reach: what the cache
    holds is then taken, at once.

    Args:
        wanted: What to fetch.
        force_download: Whether to download again what is in the cache.
        token: For private repositories; default: that of `hf auth login`.
        cache_dir: Default: huggingface_hub's.
        local_files_only: Whether to look into the cache only.

    Raises:
        ValueError: There is no such file, or it is out of reach; the message says what to do.
    """
    import huggingface_hub  # late: see above
    from huggingface_hub import constants

    repo, file, revision = wanted
    ask = not local_files_only and not constants.HF_HUB_OFFLINE
    try:
        url = huggingface_hub.hf_hub_url(repo, file, revision=revision)
        path = huggingface_hub.hf_hub_download(
            repo,
            file,
            revision=revision,
            cache_dir=cache_dir,
            force_download=force_download,
            token=token,
            local_files_only=not (ask and _answers(url, token)),
        )
    # The HTTP libraries beneath differ from release to release, and each has errors of its own.
    except Exception as error:
        reason = _in_words(error, wanted, cache_dir, asked=ask)
        raise ValueError(f"{wanted}: {reason}") from None
    return Path(path)


def _in_words(
    error: Exception, wanted: HubFile, cache_dir: str | Path | None, *, asked: bool
) -> str:
    from huggingface_hub import errors  # late: see above

    repo, file, revision = wanted
    if isinstance(error, errors.LocalEntryNotFoundError):
        return _how_to_reach(wanted, cache_dir, asked=asked)
    if isinstance(error, errors.RepositoryNotFoundError):
        return (
            f"huggingface.co shows no repository {repo!r}; if it is private or gated, "
            "run `hf auth login`"
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return f"the repository {repo!r} has no revision {revision!r}"
    if isinstance(error, errors.EntryNotFoundError):
        return f"the repository {repo!r} has no file {file!r} at revision {revision!r}"
    first_line = (str(error).strip() or type(error).__name__).split("\n", maxsplit=1)[0]
    return f"the download failed, try again or give the path of a copy: {first_line}"


def _answers(url: str, token: str | bool | None) -> bool:
    """Whether the hub says anything in time: also that it has no such file."""
    answered: list[bool] = []
    seconds = float(os.environ.get(TIMEOUT_VARIABLE) or SECONDS_TO_ANSWER)
    # In a thread: no HTTP library bounds the time that looking up a name takes.
    asking = threading.Thread(
        target=lambda: answered.append(_ask(url, token, seconds)), daemon=True
    )
    asking.start()
    asking.join(seconds + 0.5)
    return answered == [True]


def _ask(url: str, token: str | bool | None, seconds: float) -> bool:
    from huggingface_hub import errors, get_hf_file_metadata  # late: see above

    try:
        get_hf_file_metadata(url, token=token, timeout=seconds)
    except errors.HfHubHTTPError as error:
        return error.response.status_code < 500  # more is of a gateway that has lost the hub
    except Exception:  # as many kinds as there are HTTP libraries; all say that nobody answered
        return False
    return True


def _how_to_reach(wanted: HubFile, cache_dir: str | Path | None, *, asked: bool) -> str:
    from huggingface_hub import constants  # late: see above

    repo, file, revision = wanted
    option = "" if revision == DEFAULT_REVISION else f" --revision {revision}"
    why = "huggingface.co cannot be reached" if asked else "local_files_only forbids downloads"
    if constants.HF_HUB_OFFLINE:
        why = "HF_HUB_OFFLINE forbids downloads"
    return (
        f"not in the cache {cache_dir or constants.HF_HUB_CACHE}, and {why}; run "
        f"`hf download {repo} {file}{option}` once with network access, or give the path of a copy"
    )
