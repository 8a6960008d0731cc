"""A digest of the code that a number depends on, by definitions: an edit of one decoder leaves the digests of the others.

>>> code = Code()
>>> code.digest(["srlib.models.liif:LIIF", "srlib.evaluate:score"], stop=["srlib.models.catalogue"])

From each root the names that its syntax tree looks up are followed through modules, imports and re-exports.

Counts: a class whole; a function with its decorators and defaults; of a module used as a bare object, all in it. The
module's statements that do more than define a name, those of the packages around it too, count wherever something of it is
reached; so do definitions under a decorator of the package, which may register them.
Does not count: comments, layout, docstrings and other bare strings, blocks under `if TYPE_CHECKING` and `if __name__ ==
"__main__"`, an import of which no name is used. Annotations are never followed; those of functions without a decorator are
not in the hash either, those of fields are.
Not seen: files other than Python, modules named by strings, methods of objects whose class nothing reached names (make the
classes of a model's parts roots), and other packages, but for the names that are imported from them.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import inspect
import itertools
import json
import linecache
import symtable
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, ModuleType

Reference = tuple[str, str]  # a module, and a name in it or one of the two:
LOOSE, ALL = "", "*"  # the statements that do more than define a name; everything
NOT_RUN = {"TYPE_CHECKING", "typing.TYPE_CHECKING", "__name__ == '__main__'"}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
BLOCKS = (*FUNCTIONS, ast.ClassDef)
ASSIGNMENTS = (ast.Assign, ast.AnnAssign, ast.AugAssign)


class Code:
    """The sources of a package as they are on disk now: make it when the package is imported, not after an edit.

    root: the package's folder. package: its name. ValueError where there is no source. A file is parsed when it is reached;
    then comes the ValueError for one that cannot be.
    """

    def __init__(self, root: Path = Path(__file__).parents[1], package: str = "srlib"):
        self.package, self.modules, self.digests = package, {}, {}
        for path in sorted(root.rglob("*.py")):
            name = ".".join([package, *path.relative_to(root).with_suffix("").parts]).removesuffix(".__init__")
            self.modules[name] = _read(path, name, path.stat().st_mtime_ns, path.stat().st_size)
        if not self.modules:
            raise ValueError(f"no Python source in {root}, where that of {package} was expected")

    def root(self, thing: type | FunctionType) -> str:
        """A class or function of the package -> "module:name", the name of the top-level definition that it is in."""
        root = f"{thing.__module__}:{_top(thing)}"
        self._find(root)
        return root

    def roots_in(self, source: str) -> list[str]:
        """The roots that Python source refers to, a notebook's cells without their magics say; sorted."""
        text = _Module(source, "the source")
        used = {reference for name in [*text.definitions, LOOSE] for reference in self._uses(text, name)}
        return sorted(f"{m}:{n}".removesuffix(f":{ALL}") for m, n in used if m in self.modules and n != LOOSE)

    def digest(self, roots: Iterable[str], extra: Sequence[type] = (), stop: Collection[str] = ()) -> str:
        """16 hexadecimal digits for all of `closure`; of the package's own classes alone found once."""
        asked = (tuple(roots), tuple(stop))
        if extra:
            return _hash(json.dumps(self.closure(asked[0], extra, stop)))
        if asked not in self.digests:
            self.digests[asked] = _hash(json.dumps(self.closure(*asked[:1], stop=stop)))
        return self.digests[asked]

    def closure(self, roots: Iterable[str], extra: Sequence[type] = (), stop: Collection[str] = ()) -> dict[str, str]:
        """What is reached, sorted: "module:name", or "module" for its statements that do more than define -> hash of the tree.

        roots: "module:name", or "module" for everything in it. extra: classes, also from outside the package (a notebook, a
        test); with them counts what they use of the package and of their own module, of values of other cells plain data.
        stop: "module" (with all in it if it is a package) or "module:name": left out, with what only they reach.
        ValueError for a root or stop that does not exist, and for a class whose source cannot be had.
        """
        stops = {f"{m}:{n}".removesuffix(f":{ALL}") for name in stop for m, n in self._find(name)}
        todo = [reference for root in roots for reference in self._find(root)]
        modules = dict(self.modules)
        for thing in extra:
            if thing.__module__ in self.modules:
                todo += self._find(self.root(thing))
            else:
                _borrow(modules.setdefault(thing.__module__, _Module("", thing.__module__)), _top(thing), thing)
                todo.append((thing.__module__, _top(thing)))
        reached = {}
        while todo:
            module, name = todo.pop()
            around = list(itertools.accumulate(module.split("."), "{}.{}".format))  # its packages and itself
            if (module, name) not in reached and stops.isdisjoint([*around, f"{module}:{name}"]):
                reached[module, name] = None if name == ALL else modules[module].part(name)
                todo += self._everything(module) if name == ALL else self._uses(modules[module], name)
                todo += [(package, LOOSE) for package in around if package in modules]
        return {
            f"{m}:{n}".removesuffix(":"): part.hash for (m, n), part in sorted(reached.items()) if part and part.nodes
        }

    def _find(self, root: str) -> list[Reference]:
        module, _, name = root.partition(":")
        known = module in self.modules and (not name or name in self.modules[module].names)
        found = list(self._resolve(module, (name,) if name else ())) if known else []
        if not found:
            raise ValueError(
                f"no {root!r} in {self.package}; expected 'module', or 'module:name' of a top-level definition"
            )
        return found

    def _everything(self, module: str) -> Iterator[Reference]:
        """All of a module: its definitions, those it imports, and the modules in it if it is a package."""
        for name in self.modules[module].names:
            yield from (found for found in self._resolve(module, (name,)) if found[1] != ALL)
        yield from ((inner, ALL) for inner in self.modules if inner.startswith(module + "."))

    def _uses(self, module: _Module, name: str) -> Iterator[Reference]:
        """What one definition of a module, or its loose statements, refer to."""
        part = module.part(name)
        for first, *rest in part.uses:
            if first in module.definitions:
                yield module.name, first
            for target in part.imports.get(first, set()) | module.imports.get(first, set()):
                yield from self._resolve(target[0], (*target[1:], *rest))

    def _resolve(self, module: str, names: tuple[str, ...], seen: frozenset = frozenset()) -> Iterator[Reference]:
        """The definitions that a dotted name in a module means; ALL of a module where it means that, or cannot be told."""
        if module.split(".")[0] != self.package or (module, names) in seen:
            return
        if module not in self.modules:
            raise ValueError(f"{module} is imported, but {self.package} has no source of it")
        if not names or names[0] == "*":
            yield module, ALL
            return
        here, first, rest = self.modules[module], names[0], names[1:]
        if first in here.definitions:
            yield module, first
        for target in here.imports.get(first, ()):
            yield from self._resolve(target[0], (*target[1:], *rest), seen | {(module, names)})
        if f"{module}.{first}" in self.modules:
            yield from self._resolve(f"{module}.{first}", rest, seen)
        elif first not in here.names:
            yield module, LOOSE if first.startswith("__") else ALL


Imports = dict[str, set[tuple[str, ...]]]  # name -> what it is bound to: a module, or a module and a name in it


@dataclass(frozen=True)
class _Part:
    """Statements that count together: the dotted names they look up, what they import themselves, the hash of their trees."""

    nodes: list[ast.stmt]
    uses: set[tuple[str, ...]]
    imports: Imports
    hash: str


class _Module:
    """One source text: the statements that define each top-level name, the imports that bind it, the loose statements."""

    def __init__(self, text: str, name: str, package: str = ""):
        self.text, self.name, self.package = text, name, package  # the package is what relative imports start from
        self.parts: dict[str, _Part] = {}  # filled when asked for, as are those that follow

    @functools.cached_property
    def statements(self) -> list[ast.stmt]:
        try:
            return list(_executed(ast.parse(self.text).body))
        except SyntaxError as error:
            raise ValueError(f"{self.name} cannot be parsed as Python: {error}") from error

    @functools.cached_property
    def imports(self) -> Imports:
        return _imports([node for node in self.statements if not isinstance(node, BLOCKS)], self.package)

    @functools.cached_property
    def defining(self) -> list[tuple[ast.stmt, set[str]]]:
        """The statements but for imports, with the names that each binds."""
        plain = [
            node
            for node in self.statements
            if not isinstance(node, (ast.Import, ast.ImportFrom)) or "*" in (a.name for a in node.names)
        ]
        return [(node, {node.name} if isinstance(node, BLOCKS) else _stored(node)) for node in plain]

    @functools.cached_property
    def definitions(self) -> dict[str, list[ast.stmt]]:
        found: dict[str, list[ast.stmt]] = {}
        for node, names in self.defining:
            for defined in names:
                found.setdefault(defined, []).append(node)
        return found

    @functools.cached_property
    def loose(self) -> list[ast.stmt]:
        return [node for node, names in self.defining if self._acts(node) or not names]

    @property
    def names(self) -> set[str]:
        return self.definitions.keys() | self.imports.keys()

    def _acts(self, node: ast.stmt) -> bool:
        """Whether a statement may do more than define: `a.b = 1`, a loop, a decorator of the package, as it may register."""
        if isinstance(node, BLOCKS):
            decorators = [_dotted(d.func if isinstance(d, ast.Call) else d)[:1] for d in node.decorator_list]
            top = self.name.split(".")[0]
            ours = {name for name, targets in self.imports.items() if any(t[0].split(".")[0] == top for t in targets)}
            return any(name in ours | self.definitions.keys() for names in decorators for name in names)
        stores = (n.ctx for n in ast.walk(node) if isinstance(n, (ast.Attribute, ast.Subscript)))
        return not isinstance(node, ASSIGNMENTS) or any(isinstance(ctx, ast.Store) for ctx in stores)

    def part(self, name: str) -> _Part:
        if name not in self.parts:
            nodes = self.loose if name == LOOSE else self.definitions[name]
            imports = _imports(nodes, self.package)
            tables = (symtable.symtable(ast.unparse(node), self.name, "exec") for node in nodes)
            visible = set(imports).union(*map(_globals, tables))
            uses = {names for node in nodes for names in _lookups(node) if names[0] in visible}
            bound = sorted((names[0], sorted(self.imports.get(names[0], ()))) for names in uses)
            self.parts[name] = _Part(nodes, uses, imports, _hash(f"{_tree(nodes)} {bound}"))
        return self.parts[name]


@functools.lru_cache(maxsize=1024)
def _read(path: Path, name: str, mtime_ns: int, size: int) -> _Module:
    """A module from its file, parsed once for each state of the file."""
    return _Module(path.read_text("utf-8"), name, name if path.name == "__init__.py" else name.rpartition(".")[0])


def _executed(nodes: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The top-level statements that an import runs."""
    for node in nodes:
        if isinstance(node, ast.If) and ast.unparse(node.test) in NOT_RUN:
            yield from _executed(node.orelse)
        elif not _is_prose(node):
            yield node


def _is_prose(node: object) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _stored(node: ast.stmt) -> set[str]:
    """The names that a statement binds; also those of the functions in a compound one."""
    names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return names | {n.name for n in ast.walk(node) if isinstance(n, BLOCKS)}


def _imports(nodes: Iterable[ast.AST], package: str) -> Imports:
    """What the imports anywhere in the nodes bind."""
    found: Imports = {}
    for node in (inner for outer in nodes for inner in ast.walk(outer)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.split(".")[0]
                found.setdefault(alias.asname or top, set()).add((alias.name if alias.asname else top,))
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")
            above = parents[: len(parents) + 1 - node.level] if node.level else []
            module = ".".join([*above, node.module] if node.module else above)
            for alias in node.names:
                found.setdefault(alias.asname or alias.name, set()).add((module, alias.name))
    return found


def _globals(table: symtable.SymbolTable) -> set[str]:
    """The names that a text may look up in its module: all but the variables of functions."""
    names = {s.get_name() for s in table.get_symbols() if s.is_global() or isinstance(table, symtable.Class)}
    return names.union(*map(_globals, table.get_children()))


def _lookups(node: ast.AST) -> Iterator[tuple[str, ...]]:
    """The dotted names in a tree, but for annotations: a.b.c is ("a", "b", "c"), a star import ("*",)."""
    if names := _dotted(node):
        yield names
        return
    if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
        yield ("*",)
    for key, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and key not in ("annotation", "returns"):
                yield from _lookups(child)


def _dotted(node: ast.AST) -> tuple[str, ...]:
    names = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return (node.id, *reversed(names)) if isinstance(node, ast.Name) else ()


def _tree(node: object, plain: bool = False) -> str:
    """A syntax tree as text, without places, empty fields and prose: the same in every version of Python.

    plain: in a function without a decorator, where nothing reads the annotations.
    """
    if isinstance(node, list):
        return f"[{' '.join(_tree(n, plain) for n in node if not _is_prose(n))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    if isinstance(node, BLOCKS):
        plain = isinstance(node, FUNCTIONS) and not node.decorator_list
    without = {"ctx", "kind", "type_comment", *(("annotation", "returns") if plain else ())}
    fields = [(key, value) for key, value in ast.iter_fields(node) if value is not None and value != []]
    return f"{type(node).__name__}({' '.join(f'{k}={_tree(v, plain)}' for k, v in fields if k not in without)})"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _top(thing: type | FunctionType) -> str:
    return thing.__qualname__.split(".")[0]


def _source(thing: type | FunctionType) -> tuple[_Module, Mapping[str, object]]:
    """The text that defines a class or function, a file or a notebook's cell, and the globals it runs with."""
    module = vars(sys.modules[thing.__module__]) if thing.__module__ in sys.modules else {}
    inside = [thing] if isinstance(thing, FunctionType) else vars(thing).values()
    methods = [inspect.unwrap(f) for f in inside if isinstance(f, FunctionType)]
    for file, values in [
        *((f.__code__.co_filename, f.__globals__) for f in methods),
        (module.get("__file__", ""), module),
    ]:
        linecache.checkcache(file)
        text = _Module("".join(linecache.getlines(file, values)), thing.__module__)
        if _top(thing) in text.definitions:
            return text, values
    raise ValueError(
        f"the source of {thing.__qualname__} in {thing.__module__} cannot be had; define it in a file, or with a method in "
        "a notebook's cell"
    )


def _borrow(into: _Module, name: str, value: object) -> None:
    """Define `name` in `into` as a value outside the package, with all it uses: by its source, else by live values."""
    value = inspect.unwrap(value) if callable(value) else value
    if isinstance(value, ModuleType):
        into.imports[name] = {(value.__name__,)}
    elif not isinstance(value, (type, FunctionType, BuiltinFunctionType)):
        with contextlib.suppress(TypeError, ValueError):  # no plain data
            into.definitions[name] = ast.parse(f"{name} = {json.dumps(value)!r}").body
    elif value.__module__ != into.name:
        into.imports[name] = {(str(value.__module__), _top(value))}
    else:
        text, values = _source(value)
        into.definitions[name] = text.definitions[_top(value)]
        todo = [_top(value)]
        for inner in todo:
            into.definitions[inner] = text.definitions[inner]
            for used in {names[0] for names in text.part(inner).uses}:
                if used in text.imports:
                    into.imports[used] = text.imports[used]
                if used in text.definitions:
                    todo += [] if used in todo else [used]
                elif used in values and used not in into.names | text.names:
                    _borrow(into, used, values[used])
