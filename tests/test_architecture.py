"""The rooms of the package: who may import whom, what an import may load and change, where keys are spelled."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from scgenept import _keys

SRC = Path(__file__).parents[1] / "src" / "scgenept"

# Rooms from the ground up; a room imports from itself and from lower floors only.
FLOORS = (
    {"_errors", "_keys", "_logging", "_settings", "_types", "_version"},
    {"_arguments", "_device", "_extra", "_io", "_memory", "_progress", "perturbation"},
    {"_random", "genes", "nn", "pickles", "registry"},
    {"weights", "data", "knowledge"},
    {"training", "prediction", "evaluation"},
    {"datasets", "get", "metrics", "models", "pl", "pp", "tl"},
    {"cli"},
    {"__main__", ""},
)
FLOOR = {room: height for height, rooms in enumerate(FLOORS) for room in rooms}

# Doors that stand on other doors: tools load models and read results, figures read results, imported data are set up.
DOORS_OVER_DOORS = {"datasets": {"pp"}, "pl": {"get"}, "tl": {"get", "models"}}

HEAVY = ("anndata", "captum", "lightning", "matplotlib", "pandas", "pooch", "scanpy", "sentence_transformers", "torch")


def modules() -> dict[str, Path]:
    """Dotted name of every module of the package, without the package's own name; "" is the package."""
    found = {}
    for path in sorted(SRC.rglob("*.py")):
        parts = path.relative_to(SRC).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def room(module: str) -> str:
    return module.split(".", maxsplit=1)[0]


def imports(module: str, *, eager_only: bool = False) -> set[str]:
    """Modules of ours that a module imports; ``eager_only`` leaves out functions and TYPE_CHECKING blocks."""
    path = MODULES[module]
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    package = [part for part in package if part]
    found: set[str] = set()
    for node in _nodes(ast.parse(path.read_text(encoding="utf-8")), eager_only=eager_only):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.split(".")[0] == "scgenept"]
            found |= {name.removeprefix("scgenept").removeprefix(".") for name in names}
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                base = [*package[: len(package) - node.level + 1], *(node.module or "").split(".")]
            elif (node.module or "").split(".")[0] == "scgenept":
                base = (node.module or "").split(".")[1:]
            else:
                continue
            name = ".".join(part for part in base if part)
            for alias in node.names:
                inner = f"{name}.{alias.name}" if name else alias.name
                found.add(inner if inner in MODULES else name)
    return found


def _nodes(tree: ast.AST, *, eager_only: bool) -> list[ast.AST]:
    if not eager_only:
        return list(ast.walk(tree))
    nodes: list[ast.AST] = []
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        nodes += [child, *_nodes(child, eager_only=True)]
    return nodes


BLOCKER = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked}:
            raise ModuleNotFoundError(f"{{name}} is blocked by the test")
sys.meta_path.insert(0, Blocker())
"""


def run(code: str, *, blocked: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter in which some packages cannot be imported."""
    code = BLOCKER.format(blocked=set(blocked)) + code if blocked else code
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300)


def check(code: str, *, blocked: tuple[str, ...] = ()) -> None:
    done = run(code, blocked=blocked)
    assert done.returncode == 0, done.stderr[-3000:]


def test_every_room_has_a_floor() -> None:
    assert {room(module) for module in MODULES} <= set(FLOOR)


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module: str) -> None:
    here = room(module)
    for target in imports(module):
        there = room(target)
        if there == here or there in DOORS_OVER_DOORS.get(here, ()):
            continue
        if here == "" and not target.startswith("cli"):
            continue  # the package itself opens all doors
        if here == "nn":
            assert there in {"_errors", "_types"}, f"{module} imports {target}; nn knows torch only"
        assert FLOOR[there] < FLOOR[here], f"{module} imports {target}, which is not on a lower floor"


def test_no_cycles() -> None:
    # A submodule needs its package, but a package that re-exports its submodules is no cycle.
    graph = {module: {target for target in imports(module, eager_only=True) if target != module} for module in MODULES}
    tuple(TopologicalSorter(graph).static_order())


def test_files_are_short() -> None:
    long = {
        str(path.relative_to(SRC)): n for path in MODULES.values() if (n := len(path.read_text().splitlines())) > 400
    }
    assert long == {}


@pytest.mark.parametrize("module", ["nn", "training.step"])
def test_torch_is_enough(module: str) -> None:
    check(
        f"import scgenept.{module}",
        blocked=(
            *("anndata", "lightning", "mudata", "pandas", "pooch", "safetensors", "scanpy", "scipy"),
            *("sklearn", "tqdm", "yaml"),
        ),
    )


@pytest.mark.parametrize(
    "door", ["data", "datasets", "evaluation", "genes", "get", "knowledge", "metrics", "pickles", "pp"]
)
def test_no_torch(door: str) -> None:
    check(f"import scgenept.{door}", blocked=("torch", "lightning"))


def test_import_is_light() -> None:
    check(f"import sys, scgenept; loaded = set({HEAVY!r}) & set(sys.modules); assert not loaded, loaded")


def test_import_changes_nothing() -> None:
    # Whatever the dependencies do when they are loaded is theirs, so they are loaded first.
    check("""
import logging, os, random, sys, warnings
import numpy as np
import anndata, matplotlib, mudata, pandas, pooch, scanpy, torch
def state():
    root = logging.getLogger()
    return (
        list(warnings.filters), warnings.showwarning, dict(matplotlib.rcParams), dict(os.environ),
        root.level, list(root.handlers), random.getstate(), repr(np.random.get_state()),
        torch.get_rng_state().tolist(), torch.get_default_dtype(), torch.get_num_threads(), np.geterr(),
    )
before = state()
import scgenept
for door in ("datasets", "get", "knowledge", "metrics", "models", "pl", "pp", "tl"):
    getattr(scgenept, door)
for i, (old, new) in enumerate(zip(before, state(), strict=True)):
    assert old == new, (i, old, new)
ours = logging.getLogger("scgenept")
assert ours.level == logging.NOTSET and ours.propagate and not ours.handlers
""")


OPTIONAL = ("captum", "lightning", "pytorch_lightning", "sentence_transformers", "transformers")


def test_load_and_predict_without_lightning_or_compiler() -> None:
    check(
        """
import scgenept as sgp
cells = sgp.datasets.k562_mini()[:4].copy()
sgp.tl.predict_perturbation(cells, ["KLF1", "MAP2K6"], model=sgp.models.load("scgenept-mini"))
assert cells.layers["KLF1+MAP2K6"].shape == cells.shape
import sys
assert not {"torch._dynamo", "torch._inductor"} & set(sys.modules)  # nothing is compiled unasked
""",
        blocked=OPTIONAL,
    )


def test_demo_without_lightning() -> None:
    check("import scgenept.cli.demo, scgenept.cli.app", blocked=OPTIONAL)


# Of the words in _keys, those that mean nothing else in code.
KEYS = {value for name, value in vars(_keys).items() if name.isupper() and isinstance(value, str) and "_" in value}


@pytest.mark.parametrize("module", [name for name in MODULES if name != "_keys"])
def test_keys_are_spelled_once(module: str) -> None:
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    spelled = {
        (node.lineno, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in KEYS
    }
    exported = {constant.value for constant in _names_of_all(tree)}
    assert {item for item in spelled if item[1] not in exported} == set(), "take the key from scgenept._keys"


def _names_of_all(tree: ast.Module) -> list[ast.Constant]:
    """The strings of ``__all__``: names of functions, which may be called like a key."""
    lists = [
        node.value for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ]
    return [item for value in lists for item in ast.walk(value) if isinstance(item, ast.Constant)]
