"""The import directions: who may know whom, read from the source."""

import ast
import functools
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = "video_uniformer"
FILES = sorted((ROOT / PACKAGE).rglob("*.py"))
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in FILES
}


@functools.cache
def imports(path: Path) -> frozenset[str]:
    """Every imported module or name, dotted, wherever in the file the import stands."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names}
    return frozenset(found)


def reaches(name: str, target: str) -> bool:
    return name == target or name.startswith(f"{target}.")


class Rule(NamedTuple):
    """Modules within `inside` import nothing within `banned`."""

    inside: str
    banned: tuple[str, ...]


RULES = [
    Rule("video_uniformer.models", ("video_uniformer.data", "video_uniformer.training")),
    Rule("video_uniformer.models", ("video_uniformer.inference", "video_uniformer.export")),
    Rule("video_uniformer.models", ("video_uniformer.weights", "safetensors", "pathlib", "io")),
    Rule("video_uniformer.weights", ("torchvision",)),
    Rule("video_uniformer.description", ("torch",)),
    Rule("video_uniformer.data", ("video_uniformer.models", "video_uniformer.training")),
    Rule("video_uniformer.data", ("video_uniformer.inference", "video_uniformer.export")),
    Rule(
        "video_uniformer.training",
        ("video_uniformer.inference", "video_uniformer.export"),
    ),
    Rule("video_uniformer.inference", ("video_uniformer.training",)),
    Rule("video_uniformer.export", ("video_uniformer.training",)),
    Rule("video_uniformer", ("scripts", "tests")),
    Rule("video_uniformer", ("torchvision.transforms.functional_tensor", "pytorch_lightning")),
]

# Library -> the only parts of the package that may import it.
ONLY_IN = {
    "lightning": ("video_uniformer.training", "video_uniformer.cli"),
    "hydra": ("video_uniformer.cli",),
    "video_uniformer.cli": ("video_uniformer.cli",),
    "pytorchvideo.transforms": ("video_uniformer.data",),
    "pytorchvideo.data": ("video_uniformer.data",),
    "decord": ("video_uniformer.data.decoding",),
    "huggingface_hub": ("video_uniformer.weights",),
    "timm": ("video_uniformer.weights.timm",),
    "random": (),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.inside}-not-{rule.banned[0]}")
def test_imports_follow_their_direction(rule: Rule) -> None:
    wrong = [
        f"{module} imports {name}"
        for module, path in MODULES.items()
        if reaches(module, rule.inside)
        for name in imports(path)
        if any(reaches(name, banned) for banned in rule.banned)
    ]
    assert not wrong


@pytest.mark.parametrize("library", ONLY_IN)
def test_library_is_imported_only_where_it_belongs(library: str) -> None:
    wrong = [
        f"{module} imports {name}"
        for module, path in MODULES.items()
        if not any(reaches(module, place) for place in ONLY_IN[library])
        for name in imports(path)
        if reaches(name, library)
    ]
    assert not wrong


def test_no_import_is_relative() -> None:
    wrong = [m for m, path in MODULES.items() if any(n.startswith(".") for n in imports(path))]
    assert not wrong


def test_no_module_is_a_drawer() -> None:
    drawers = {"utils", "util", "common", "helpers", "helper", "base", "misc"}
    assert not [module for module in MODULES if drawers & set(module.split("."))]


def test_imports_have_no_cycle() -> None:
    graph = {
        module: {name for name in MODULES if any(reaches(i, name) for i in imports(path))}
        for module, path in MODULES.items()
    }
    # A package's own name is reached by every import of one of its modules; only leaves count.
    graph = {m: {n for n in to if MODULES[n].name != "__init__.py"} for m, to in graph.items()}
    while ready := [module for module, to in graph.items() if not to & graph.keys()]:
        graph = {module: to for module, to in graph.items() if module not in ready}
    assert not graph


def test_nothing_is_imported_late_but_what_a_platform_may_lack() -> None:
    late = {
        module
        for module, path in MODULES.items()
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef)
        and any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(function))
    }
    assert late <= {
        "video_uniformer.data.decoding.opening",  # decord has wheels for one platform only
        # huggingface_hub takes a second, and files on the disk need none of it.
        "video_uniformer.weights.card",
        "video_uniformer.weights.hub",
        "video_uniformer.weights.lock",
        "video_uniformer.weights.pretrained",
        # A command needs torch to work, not to refuse or help.
        "video_uniformer.cli.answer_printing",
        "video_uniformer.cli.predict",
    }
