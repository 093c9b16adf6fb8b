"""The ontology itself: names of terms, current ids, ancestors. Read by obonet."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from .._errors import DataError
from .._extra import need

if TYPE_CHECKING:
    from pathlib import Path

_ASPECTS: Final = {"molecular_function": "F", "biological_process": "P", "cellular_component": "C"}


@dataclass(frozen=True)
class Ontology:
    """Terms by id.

    Attributes
    ----------
    names
        Id -> name of every current term.
    namespaces
        Id -> namespace.
    replaced
        Old id -> current id.
    parents
        Id -> relation and parent, for each parent.
    subsets
        Subset, such as ``goslim_generic`` -> ids.
    """

    names: dict[str, str]
    namespaces: dict[str, str]
    replaced: dict[str, str]
    parents: dict[str, tuple[tuple[str, str], ...]]
    subsets: dict[str, frozenset[str]]
    _known: dict[tuple[str, tuple[str, ...]], frozenset[str]] = field(default_factory=dict, repr=False)

    def current(self, identifier: str) -> str | None:
        """Return the current id of a term, or nothing for an obsolete or unknown one."""
        identifier = self.replaced.get(identifier, identifier)
        return identifier if identifier in self.names else None

    def aspect(self, identifier: str) -> str:
        """Return F, P or C."""
        return _ASPECTS.get(self.namespaces[identifier], "")

    def ancestors(self, identifier: str, relations: tuple[str, ...]) -> frozenset[str]:
        """Return the ancestors of a term along some relations, without the term and the roots."""
        key = (identifier, relations)
        if key not in self._known:
            seen: set[str] = set()
            left = [identifier]
            while left:
                for relation, parent in self.parents.get(left.pop(), ()):
                    if relation in relations and parent not in seen:
                        seen.add(parent)
                        left.append(parent)
            roots = {term for term in seen if self.names.get(term) in _ASPECTS}
            self._known[key] = frozenset(seen & self.names.keys()) - roots - {identifier}
        return self._known[key]


def read_ontology(path: Path) -> Ontology:
    """Read an OBO file; obsolete terms are left out.

    Raises
    ------
    MissingExtraError
        obonet is not installed.
    DataError
        The file is missing or is no OBO file.
    """
    obonet = need("obonet", "go")
    if not path.is_file():
        msg = f"There is no file {path}."
        raise DataError(msg)
    try:
        graph = obonet.read_obo(path, ignore_obsolete=True)
    except (OSError, UnicodeDecodeError, ValueError, KeyError) as error:
        msg = f"{path} is not a whole OBO file ({error})."
        raise DataError(msg) from error
    terms = {term: data for term, data in graph.nodes(data=True) if "name" in data}
    if not terms:
        msg = f"{path} names no term: is it an OBO file?"
        raise DataError(msg)
    subsets: dict[str, set[str]] = {}
    for term, data in terms.items():
        for subset in data.get("subset", ()):
            subsets.setdefault(subset, set()).add(term)
    return Ontology(
        names={term: data["name"] for term, data in terms.items()},
        namespaces={term: data.get("namespace", "") for term, data in terms.items()},
        replaced={old: term for term, data in terms.items() for old in data.get("alt_id", ())},
        parents={term: tuple((key, parent) for _, parent, key in graph.out_edges(term, keys=True)) for term in terms},
        subsets={subset: frozenset(members) for subset, members in subsets.items()},
    )
