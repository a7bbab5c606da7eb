"""Networks that are saved to, and loaded from, the Hugging Face hub and folders like its own.

The classes here are the networks of `models/` with the three methods that users of huggingface_hub
expect: `save_pretrained`, `push_to_hub` and `from_pretrained`. They are a small mixin of ours and
not huggingface_hub's `ModelHubMixin`: that one must be imported before a class is defined, which
costs more than a second at every start, and it knows of a `config` where a network here has one
`Description`. So the networks stay pure, and the hub is imported when it is asked for something.
"""

import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeVar

from video_uniformer.description import Description, said_in
from video_uniformer.models.uniformer import dense
from video_uniformer.models.uniformer import network as networks
from video_uniformer.models.uniformer.building import Kinds
from video_uniformer.weights.card import PLACEHOLDER, model_card
from video_uniformer.weights.hub import DEFAULT_FILE, DEFAULT_REVISION, HubFile, fetch
from video_uniformer.weights.loading import load_network
from video_uniformer.weights.reading import identify, read_weights
from video_uniformer.weights.writing import CARD_FILE, count_parameters, save_without_card

if TYPE_CHECKING:
    from huggingface_hub import ModelCard

Network = TypeVar("Network", bound="HubMethods")

_EXPECTED = "what save_pretrained or `video-uniformer convert --hub` writes"
_REPO = re.compile(r"[^/@\s:]+/[^/@\s:]+")


class HubMethods(networks.Described):
    """A network that is saved to, and loaded from, a folder or a repository of the hub."""

    @classmethod
    def from_pretrained(
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
            return _load(cls, name, Path(name) / DEFAULT_FILE)
        if not _REPO.fullmatch(name):
            raise ValueError(f"{name!r} is neither a folder nor owner/repo; {_elsewhere()}")
        try:
            path = fetch(
                HubFile(name, revision=revision or DEFAULT_REVISION),
                force_download=force_download,
                token=token,
                cache_dir=cache_dir,
                local_files_only=local_files_only,
            )
        except ValueError as error:
            raise ValueError(f"{error}; {_elsewhere()}") from None
        return _load(cls, name, path)

    def save_pretrained(
        self, save_directory: str | Path, *, repo_id: str | None = None, push_to_hub: bool = False
    ) -> None:
        """Write `model.safetensors`, `config.json`, and a `README.md` where there is none.

        Args:
            save_directory: Made if there is none.
            repo_id: Owner and name of the repository, for the card's examples and the upload.
            push_to_hub: Whether to upload it too, to `repo_id`, or else to the folder's name.

        Raises:
            ValueError: the network was not built by arguments, so that no file could say what it
                is.
        """
        folder, description = Path(save_directory), self._described()
        save_without_card(folder, self.state_dict(), description)
        card = folder / CARD_FILE
        if not card.exists():
            text = model_card(description, self._num_parameters(), repo_id or PLACEHOLDER)
            card.write_text(text, encoding="utf-8")
        if push_to_hub:
            self.push_to_hub(repo_id or folder.name)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        commit_message: str = "Upload a network of video-uniformer",
        private: bool | None = None,
        token: str | None = None,
        branch: str | None = None,
        create_pr: bool | None = None,
    ) -> str:
        """Upload the network's folder to a repository of the hub, made if there is none.

        Args:
            repo_id: Owner and name.
            commit_message: Of the commit.
            private: Whether a new repository is private; default: as the owner's settings say.
            token: Default: that of `hf auth login`.
            branch: Default: main.
            create_pr: Whether to open a pull request in place of a commit.

        Returns:
            The address of the commit.
        """
        from huggingface_hub import HfApi  # late: it takes a second, and the networks need no hub

        api = HfApi(token=token)
        repo = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
        with TemporaryDirectory() as folder:
            self.save_pretrained(folder, repo_id=repo)
            return api.upload_folder(
                repo_id=repo,
                folder_path=folder,
                commit_message=commit_message,
                revision=branch,
                create_pr=create_pr,
            )

    def generate_model_card(self, repo: str = PLACEHOLDER) -> "ModelCard":
        """The model card; `repo` is the repository's owner and name, for the examples."""
        from huggingface_hub import ModelCard  # late: as above

        return ModelCard(model_card(self._described(), self._num_parameters(), repo))

    def _num_parameters(self) -> int:
        return count_parameters(self.state_dict())

    def _described(self) -> Description:
        if not self.config:
            raise ValueError(
                f"config of this {type(self).__name__} is empty, expected the arguments of "
                "create_uniformer, which sets them"
            )
        return self.description


class UniFormer(HubMethods, networks.UniFormer):
    """`models.uniformer.network.UniFormer`, and the hub's three methods."""


class UniFormerMaps(HubMethods, networks.UniFormerMaps):
    """`models.uniformer.network.UniFormerMaps`, and the hub's three methods."""


class Segmenter(HubMethods, dense.Segmenter):
    """`models.uniformer.dense.Segmenter`, and the hub's three methods."""


class PoseNetwork(HubMethods, dense.PoseNetwork):
    """`models.uniformer.dense.PoseNetwork`, and the hub's three methods."""


KINDS = Kinds(UniFormer, UniFormerMaps, Segmenter, PoseNetwork)


def _elsewhere() -> str:
    return f"expected {_EXPECTED} (create_uniformer(weights=...) takes other sources)"


def _load(kind: type[Network], name: str, path: Path) -> Network:
    if not path.is_file():
        raise ValueError(f"{name} holds no {DEFAULT_FILE}, expected {_EXPECTED}")
    content = read_weights(path)
    checkpoint = identify(content, name)
    if said_in(content) is None or not checkpoint.description.network:
        raise ValueError(
            f"{DEFAULT_FILE} of {name} does not say which UniFormer it is, expected {_EXPECTED}"
        )
    network = load_network(checkpoint, kinds=KINDS, exactly=True)
    if not isinstance(network, kind):
        built = type(network).__name__
        raise ValueError(f"{name} holds a {built}: load it by {built}.from_pretrained")
    return network.eval()
