"""Arguments of a class or function, read from its source: importing Lightning takes seconds."""

import ast
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Signature(NamedTuple):
    """The names of arguments, and whether others are taken too (`**kwargs`)."""

    names: tuple[str, ...]
    is_open: bool


def read_signature(target: str) -> Signature | None:
    """What a call of `target` takes; None where the source does not tell.

    Args:
        target: A dotted name, which may be re-exported from another module.

    Example:
        >>> read_signature("video_uniformer.clip.ImageSpec").names[0]
        'size'
    """
    module, _, name = target.rpartition(".")
    found = _find(module, name)
    if found is None:
        return None
    module, node = found
    if isinstance(node, ast.ClassDef):
        return _of_class(module, node)
    return _of_function(node, skip=0)


def _of_class(module: str, node: ast.ClassDef) -> Signature | None:
    for item in node.body:
        if isinstance(item, Function) and item.name == "__init__":
            return _of_function(item, skip=1)
    if any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
        fields = [item.target for item in node.body if isinstance(item, ast.AnnAssign)]
        return Signature(tuple(ast.unparse(field) for field in fields), is_open=False)
    for base in node.bases:
        found = _find(module, ast.unparse(base))
        if found is not None and isinstance(found[1], ast.ClassDef):
            return _of_class(found[0], found[1])
    return None


def _of_function(node: Function, skip: int) -> Signature:
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args][skip:]
    names = tuple(argument.arg for argument in (*positional, *arguments.kwonlyargs))
    return Signature(names, is_open=arguments.kwarg is not None)


def _find(module: str, name: str) -> tuple[str, ast.ClassDef | Function] | None:
    """Where a name is defined, and its definition, through any number of `from ... import`."""
    seen = set()
    while (module, name) not in seen:
        seen.add((module, name))
        path = _source(module)
        if path is None:
            return None
        origin = None
        for node in _statements(ast.parse(path.read_bytes())):
            if isinstance(node, ast.ClassDef | Function) and node.name == name:
                return module, node
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    if (alias.asname or alias.name) == name:
                        origin = _absolute(module, path, node), alias.name
        if origin is not None:
            module, name = origin
    return None


def _statements(tree: ast.Module) -> Iterator[ast.stmt]:
    """A module's own statements, those below an `if` or `try` among them."""
    waiting = list(tree.body)
    while waiting:
        node = waiting.pop(0)
        yield node
        if isinstance(node, ast.If | ast.Try):
            waiting += [*node.body, *node.orelse]


def _absolute(module: str, path: Path, node: ast.ImportFrom) -> str:
    """The module that a `from ... import` names."""
    if not node.level:
        return node.module or ""
    parents = module.split(".")
    kept = len(parents) - node.level + (path.name == "__init__.py")
    return ".".join((*parents[:kept], *filter(None, [node.module])))


def _source(module: str) -> Path | None:
    """A module's file. Only its outermost package is asked for, which imports nothing."""
    package, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return None
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder, *rest)
        for file in (path.with_name(f"{path.name}.py"), path / "__init__.py"):
            if file.is_file():
                return file
    return None
