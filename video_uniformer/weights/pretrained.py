"""Networks that are saved to, and loaded from, the Hugging Face hub and folders like its own."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import huggingface_hub
from huggingface_hub import ModelCard, ModelHubMixin, errors
from huggingface_hub.constants import DEFAULT_REVISION
from torch import nn

from video_uniformer.weights.loading import load_weights
from video_uniformer.weights.reading import identify, read_weights
from video_uniformer.weights.sources import DEFAULT_FILE
from video_uniformer.weights.writing import (
    PLACEHOLDER,
    count_parameters,
    model_card,
    save_weights_and_facts,
)

Network = TypeVar("Network", bound="HubModule")

_EXPECTED = "what save_pretrained or `video-uniformer-convert --hub` writes"


class HubModule(nn.Module, ModelHubMixin):
    """A network that is saved to, and loaded from, a folder or a repository of the hub.

    `save_pretrained` and `push_to_hub` are huggingface_hub's; they write `model.safetensors` and
    `config.json`, and a `README.md` where there is none.

    Attributes:
        config: The arguments of `create_uniformer` that build this network.
        facts: What came with its weights, if it was said: `class_names`, `clip` (fields of
            `ClipSpec`), `fusion`, `source`. It is saved with them.
        from_config: Of the class: `config` -> network, randomly initialised.
    """

    from_config: ClassVar[Any]

    def __init__(self) -> None:
        super().__init__()
        self.config: dict[str, Any] = {}
        self.facts: dict[str, Any] = {}

    @classmethod
    def from_pretrained(  # type: ignore[override]  # huggingface_hub takes any further keyword
        cls: type[Network],
        pretrained_model_name_or_path: str | Path,
        *,
        force_download: bool = False,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        revision: str | None = None,
    ) -> Network:
        """Load a network that `save_pretrained`, `push_to_hub` or the converter wrote.

        The hub is asked for what the revision holds now; a commit as `revision` pins it.

        Args:
            pretrained_model_name_or_path: A folder, or "owner/repo" on the hub.
            force_download: Whether to download again what is in the cache.
            token: For private repositories; default: that of `hf auth login`.
            cache_dir: Default: huggingface_hub's.
            local_files_only: Whether to look into the cache only.
            revision: A branch, tag or commit; default: main.

        Returns:
            The network in evaluation mode, in the type of numbers that the file holds.

        Raises:
            ValueError: there is no such folder or repository, or it holds no network of ours, or
                another kind of network than this class.
        """
        name = str(pretrained_model_name_or_path)
        if Path(name).is_dir():
            path = Path(name) / DEFAULT_FILE
        else:
            fetch = partial(
                huggingface_hub.hf_hub_download,
                name,
                DEFAULT_FILE,
                revision=revision,
                cache_dir=cache_dir,
                force_download=force_download,
                token=token,
                local_files_only=local_files_only,
            )
            path = _download(fetch, name, revision)
        return _load(cls, name, path)

    def _save_pretrained(self, save_directory: Path) -> None:
        """Write what is not left to the mixin: it writes the card, unless there is one."""
        save_weights_and_facts(save_directory, self.state_dict(), self._all_facts())

    def generate_model_card(self, repo: str = PLACEHOLDER) -> ModelCard:
        """The model card; `repo` is the repository's owner and name, for the examples."""
        state = self.state_dict()
        return ModelCard(model_card(self._all_facts(), count_parameters(state), repo))

    def _all_facts(self) -> dict[str, Any]:
        if not self.config:
            raise ValueError(
                f"config of this {type(self).__name__} is empty, expected the arguments of "
                "create_uniformer, which sets them"
            )
        return {**self.facts, "network": self.config}


def _load(kind: type[Network], name: str, path: Path) -> Network:
    if not path.is_file():
        raise ValueError(f"{name} holds no {DEFAULT_FILE}, expected {_EXPECTED}")
    content = read_weights(path)
    checkpoint = identify(content, name)
    if "classifier" not in content or "network" not in checkpoint.facts:
        raise ValueError(
            f"{DEFAULT_FILE} of {name} does not say which UniFormer it is, expected {_EXPECTED}"
        )
    network = kind.from_config(checkpoint.facts["network"])
    if not isinstance(network, kind):
        built = type(network).__name__
        raise ValueError(f"{name} holds a {built}: load it by {built}.from_pretrained")
    dtypes = {value.dtype for value in checkpoint.state.values() if value.is_floating_point()}
    network = network.to(dtypes.pop()) if len(dtypes) == 1 else network
    report = load_weights(network, checkpoint)
    odd = (*report.inflated, *report.reinitialised, *report.unexpected)
    if odd:
        raise ValueError(f"{name} does not hold the network that it names: look at {odd[0]!r}")
    return network.eval()


def _download(fetch: Callable[[], str], repo: str, revision: str | None) -> Path:
    wanted = revision or DEFAULT_REVISION
    try:
        return Path(fetch())
    except errors.LocalEntryNotFoundError:
        reason = (
            f"{repo!r} is no folder, and in the cache there is no {DEFAULT_FILE} of this name at "
            f"revision {wanted!r}; run `hf download {repo} {DEFAULT_FILE} --revision {wanted}` "
            "once with network access"
        )
    except errors.RevisionNotFoundError:
        reason = f"the repository {repo!r} has no revision {revision!r}"
    except errors.RepositoryNotFoundError:
        reason = (
            f"huggingface.co shows no repository {repo!r}; if it is private or gated, run "
            "`hf auth login`"
        )
    except errors.EntryNotFoundError:
        reason = f"{repo!r} holds no {DEFAULT_FILE} at revision {wanted!r}"
    except errors.HFValidationError:
        reason = f"{repo!r} is neither a folder nor owner/repo"
    raise ValueError(
        f"{reason}; expected {_EXPECTED} (create_uniformer(weights=...) takes other sources)"
    )
