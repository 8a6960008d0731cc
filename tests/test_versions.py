"""One version of srlib, and exact ones of all that it stands on."""

import re
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import srlib
from srlib.util import paths

PROJECT = tomllib.loads((paths.ROOT / "pyproject.toml").read_text())["project"]
ASKED = [*PROJECT["dependencies"], *(one for some in PROJECT["optional-dependencies"].values() for one in some)]
ASKED = sorted({one for one in ASKED if not one.startswith("srlib[")})  # an extra may take in another
LINES = [line for line in (paths.ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
PINNED = {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in LINES)}
CITATION = yaml.safe_load((paths.ROOT / "CITATION.cff").read_text())


@pytest.mark.parametrize("line", LINES)
def test_a_constraint_is_a_name_and_an_exact_version(line):
    """No address, no hash, no local version such as +cpu."""
    assert re.fullmatch(r"[\w.-]+==\d[\w.]*", line)


@pytest.mark.parametrize("asked", ASKED)
def test_every_dependency_has_a_version_in_its_range(asked):
    requirement = Requirement(asked)
    assert requirement.specifier.contains(PINNED[canonicalize_name(requirement.name)])


def test_make_installs_these_versions():
    assert "--constraint constraints.txt --editable" in (paths.ROOT / "Makefile").read_text()


def test_conda_installs_these_versions():
    environment = yaml.safe_load((paths.ROOT / "environment.yml").read_text())
    (pip,) = (entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert pip == ["-c constraints.txt", "-e .[notebooks,demo,batch,slurm,book,test]"]


@pytest.mark.parametrize("version", [srlib.__version__, CITATION["version"]])
def test_the_version_is_said_once(version):
    assert version == PROJECT["version"]


def test_the_citation_has_what_its_format_asks_for():
    assert CITATION["cff-version"] == "1.2.0"
    assert {"message", "title", "authors", "license"} <= CITATION.keys()


@pytest.mark.parametrize("paper", CITATION["references"], ids=lambda paper: paper["title"])
def test_a_cited_paper_can_be_found(paper):
    assert {"type", "title", "authors", "year"} <= paper.keys()
    assert re.fullmatch(r"10\.48550/arXiv\.\d{4}\.\d{5}", paper["doi"])
    assert paper["url"].rsplit("/", 1)[1] == paper["doi"].rsplit("arXiv.", 1)[1]
