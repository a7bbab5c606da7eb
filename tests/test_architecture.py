"""The house's rules, read from the source; `docs/design.md` draws them."""

import ast
import functools
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = "video_uniformer"
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / PACKAGE).rglob("*.py"))
}

# Rooms that know each other only downwards: a room imports what stands in the tuples after its own.
# Two rooms of one tuple do not import each other, but those of the ground floor may.
FLOORS = (
    ("__main__",),
    ("cli",),
    ("reports", "serve"),
    ("inference", "export", "training", "collection", "demo"),
    ("weights", "data"),
    ("models",),
    ("clip", "description", "outcomes", "skeleton", "labels", "system", "_compat"),
)

# Library -> the only parts of the package that may import it.
ONLY_IN = {
    "argparse": ("cli",),
    # Lightning's progress bar is made of rich's columns.
    "rich": ("cli", "training.callbacks.progress"),
    "hydra": ("cli",),
    "omegaconf": ("cli",),
    "lightning": ("training", "cli"),
    "torchmetrics": ("training", "reports"),
    "huggingface_hub": ("weights",),
    "safetensors": ("weights",),
    "timm": ("weights.timm", "data.image"),
    "pytorchvideo.transforms": ("data.video",),
    "pytorchvideo.data": ("data.decoding",),
    "decord": ("data.decoding",),
    "torchcodec": ("data.decoding",),
    "webdataset": ("data.annotations.shards",),
    "av": ("data", "collection", "demo", "inference.video_writer"),
    # The evaluation of COCO; its files are read without it.
    "pycocotools": ("training.metrics",),
    "matplotlib": ("reports",),
    # For training: elsewhere Pillow decodes.
    "simplejpeg": ("data.image.quick_crop",),
    # timm draws from it, so that it is seeded where pictures are augmented and mixed.
    "random": ("data.image.seeding", "training.callbacks.step_seeds"),
    "pytorch_lightning": (),
    "torchvision.transforms.functional_tensor": (),
}
# What reads or writes files, asks the network, or starts processes: no business of a network.
INPUT_AND_OUTPUT = (
    *("io", "os", "pathlib", "pickle", "json", "shutil", "tempfile", "socket", "subprocess"),
    *("urllib", "multiprocessing", "torch.hub", "huggingface_hub", "safetensors"),
)
MOST_LINES = 350


class Import(NamedTuple):
    """An import: what, and whether it stands inside a function."""

    name: str
    is_late: bool


@functools.cache
def imports(path: Path) -> frozenset[Import]:
    """Every imported module or name, dotted, but those that type checkers alone see."""
    found: set[Import] = set()

    def visit(node: ast.AST, is_late: bool) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if isinstance(node, ast.Import):
            found.update(Import(alias.name, is_late) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = f"{'.' * node.level}{node.module or ''}"
            found.update(Import(f"{origin}.{alias.name}", is_late) for alias in node.names)
        inside = is_late or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for child in ast.iter_child_nodes(node):
            visit(child, inside)

    visit(ast.parse(path.read_text()), is_late=False)
    return frozenset(found)


def reaches(name: str, target: str) -> bool:
    return name == target or name.startswith(f"{target}.")


def room(module: str) -> str:
    """The room of a module or of a name in it; "" for the package itself."""
    return module.removeprefix(PACKAGE).lstrip(".").split(".")[0]


def floor(name: str) -> int:
    return next(number for number, rooms in enumerate(FLOORS) if name in rooms)


def may_import(importer: str, imported: str) -> bool:
    if importer == imported:
        return True
    lowest = len(FLOORS) - 1
    if floor(importer) == floor(imported) == lowest:
        return True
    return floor(imported) > floor(importer)


def test_every_room_has_a_floor() -> None:
    assert {room(module) for module in MODULES} - {""} <= {name for row in FLOORS for name in row}


def test_rooms_import_downwards() -> None:
    wrong = [
        f"{module} imports {found.name}"
        for module, path in MODULES.items()
        for found in imports(path)
        if room(module) and reaches(found.name, PACKAGE) and room(found.name)
        if not may_import(room(module), room(found.name))
    ]
    assert not wrong


@pytest.mark.parametrize("library", ONLY_IN)
def test_library_is_imported_only_where_it_belongs(library: str) -> None:
    wrong = [
        f"{module} imports {found.name}"
        for module, path in MODULES.items()
        if not any(reaches(module, f"{PACKAGE}.{place}") for place in ONLY_IN[library])
        for found in imports(path)
        if reaches(found.name, library)
    ]
    assert not wrong


def test_networks_have_no_input_and_output() -> None:
    wrong = [
        f"{module} imports {found.name}"
        for module, path in MODULES.items()
        if room(module) == "models"
        for found in imports(path)
        if any(reaches(found.name, library) for library in INPUT_AND_OUTPUT)
    ]
    assert not wrong


def test_package_imports_neither_scripts_nor_tests() -> None:
    names = {found.name for path in MODULES.values() for found in imports(path)}
    assert not [name for name in names if reaches(name, "scripts") or reaches(name, "tests")]


def test_no_import_is_relative() -> None:
    names = {found.name for path in MODULES.values() for found in imports(path)}
    assert not [name for name in names if name.startswith(".")]


def test_no_module_is_a_drawer() -> None:
    drawers = {"utils", "util", "common", "helpers", "helper", "base", "misc"}
    assert not [module for module in MODULES if drawers & set(module.split("."))]


def test_imports_have_no_cycle() -> None:
    graph = {
        module: {name for name in MODULES if any(reaches(i.name, name) for i in imports(path))}
        for module, path in MODULES.items()
    }
    # A package's own name is reached by every import of one of its modules; only leaves count.
    graph = {m: {n for n in to if MODULES[n].name != "__init__.py"} for m, to in graph.items()}
    while ready := [module for module, to in graph.items() if not to & graph.keys()]:
        graph = {module: to for module, to in graph.items() if module not in ready}
    assert not graph


def test_no_file_is_long() -> None:
    lengths = {module: len(path.read_text().splitlines()) for module, path in MODULES.items()}
    assert not {module: n for module, n in lengths.items() if n > MOST_LINES}


def test_rooms_hand_each_other_no_dict_of_anything() -> None:
    """Facts that cross a room's door have a type; plain values are for files, and for libraries."""
    wrong = [
        f"{module}.{function.name}"
        for module, path in MODULES.items()
        if room(module) != "cli"
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef) and not function.name.startswith("_")
        if any(
            note is not None and ast.unparse(note) == "dict[str, Any]"
            for note in (function.returns, *(a.annotation for a in function.args.args))
        )
    ]
    # What Lightning and PyTorch hand over, and what is written as JSON.
    hooks = {f"{verb}_{what}" for verb in ("save", "load") for what in ("checkpoint", "state_dict")}
    hooks |= {"state_dict", "on_save_checkpoint", "on_load_checkpoint"}
    assert {name for name in wrong if not is_hook(name, hooks)} <= {
        "video_uniformer.collection.scan.outputs.summary",
    }


def is_hook(name: str, hooks: set[str]) -> bool:
    return name.startswith("video_uniformer.training.") and name.rsplit(".", 1)[1] in hooks
