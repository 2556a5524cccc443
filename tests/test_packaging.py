"""What a package index and pip are told: dependencies, extras, links, and the files of the wheel."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]

REPOSITORY = urlsplit(PROJECT["project"]["urls"]["Homepage"]).path
"""Where the project is on its host: the path of its address."""

PLATFORMS = {
    "Linux on x86-64": {"sys_platform": "linux", "platform_machine": "x86_64", "platform_system": "Linux"},
    "Linux on Arm": {"sys_platform": "linux", "platform_machine": "aarch64", "platform_system": "Linux"},
    "macOS": {"sys_platform": "darwin", "platform_machine": "arm64", "platform_system": "Darwin"},
    "Windows": {"sys_platform": "win32", "platform_machine": "AMD64", "platform_system": "Windows"},
}

MODULES = {
    **dict.fromkeys(("tensorflow", "tensorflow-cpu", "tensorflow-macos", "tf-nightly"), "tensorflow"),
    **dict.fromkeys(("faiss-cpu", "faiss-gpu", "faiss-gpu-cu12", "faiss-gpu-cu11"), "faiss"),
}
"""The module that packages bring, where several bring the same one and replace each other's files."""

PACKAGES = {"faiss": "faiss-cpu", "PIL": "pillow", "sklearn": "scikit-learn", "umap": "umap-learn"}
"""The package that brings a module, where it has another name."""

UNDECLARED = {"torch", "datasets"}
"""Modules that encoders and data sets of others come with, and that nothing of ours imports before."""


def test_the_readme_names_every_package_that_an_installation_brings():
    (line,) = re.findall(
        r"^pip install \. +# .*: (.+)$", (ROOT / "README.md").read_text(encoding="utf-8"), re.M
    )
    named = {name.strip().lower() for name in line.split(",")}
    assert named == {Requirement(each).name for each in PROJECT["project"]["dependencies"]}


def _packages(extra, platform):
    """Return the names of the packages that pip installs for an extra, with those of the extras in it."""
    names = set()
    for text in EXTRAS[extra]:
        requirement = Requirement(text)
        if requirement.marker and not requirement.marker.evaluate(PLATFORMS[platform]):
            continue
        if requirement.name == "latentknn":
            names |= set().union(*(_packages(each, platform) for each in requirement.extras))
        else:
            names.add(requirement.name)
    return names


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("extra", EXTRAS)
def test_no_extra_installs_two_packages_of_the_same_module(extra, platform):
    modules = [MODULES[name] for name in _packages(extra, platform) if name in MODULES]
    assert len(modules) == len(set(modules)), modules


@pytest.mark.parametrize("platform", PLATFORMS)
def test_everything_installs_the_packages_that_most_people_have(platform):
    """Who has `tensorflow` or `faiss-cpu` already keeps the files of it."""
    chosen = {name for name in _packages("all", platform) if name in MODULES}
    assert chosen == {"tensorflow", "faiss-cpu"}


def test_smaller_tensorflow_is_asked_for_where_it_is_published():
    assert "tensorflow-cpu" in _packages("all-cpu", "Linux on x86-64")
    for platform in ("Linux on Arm", "macOS", "Windows"):
        assert "tensorflow" in _packages("all-cpu", platform)
        assert "tensorflow-cpu" not in _packages("all-cpu", platform)


@cache
def _declared():
    texts = [*PROJECT["project"]["dependencies"], *(each for extra in EXTRAS.values() for each in extra)]
    return {Requirement(text).name for text in texts}


def _imports(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module


@pytest.mark.parametrize("path", sorted((ROOT / "python").rglob("*.py")), ids=lambda path: path.stem)
def test_what_is_imported_is_declared(path):
    modules = {name.partition(".")[0] for name in _imports(ast.parse(path.read_text(encoding="utf-8")))}
    foreign = modules - set(sys.stdlib_module_names) - {"latentknn"} - UNDECLARED
    assert {PACKAGES.get(name, name.replace("_", "-")) for name in foreign} <= _declared()


def _on_an_index(text):
    hook = PROJECT["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]
    for each in hook["substitutions"]:
        replacement = each["replacement"].replace("$HFPR_VERSION", PROJECT["project"]["version"])
        text = re.sub(each["pattern"], replacement, text)
    return text


def test_links_and_pictures_of_the_readme_lead_somewhere_from_a_package_index():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    before, after = (re.findall(r"(!?)\[[^\]]*\]\(([^)]+)\)", each) for each in (text, _on_an_index(text)))
    assert len(after) == len(before) > 10
    for (_, link), (picture, absolute) in zip(before, after, strict=True):
        host = "https://raw.githubusercontent.com" if picture else "https://github.com"
        assert absolute == link or absolute.startswith(f"{host}{REPOSITORY}/")
        assert absolute.startswith("https://")
        assert absolute.endswith(link)


def test_the_address_of_the_project_stands_in_one_file():
    """Who moves the project changes its address there, in all lines alike."""
    address = re.compile(r"github(?:usercontent)?\.com" + re.escape(REPOSITORY))
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("needs a clone of the repository")
    texts = {
        name: (ROOT / name).read_bytes().decode("utf-8", "replace")
        for name in listed.stdout.split("\0")
        if name
    }
    assert [name for name, text in texts.items() if address.search(text)] == ["pyproject.toml"]
    assert {urlsplit(each).path[: len(REPOSITORY)] for each in PROJECT["project"]["urls"].values()} == {
        REPOSITORY
    }


def test_links_of_the_readme_are_files_of_the_repository():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    paths = {link.partition("#")[0] for link in re.findall(r"\]\((?!https?:|#)([^)]+)\)", text)}
    assert all((ROOT / path).exists() for path in paths)


def test_licences_of_what_is_compiled_in_are_named():
    files = {path.name for pattern in PROJECT["project"]["license-files"] for path in ROOT.glob(pattern)}
    assert files == {"LICENSE", "pybind11.txt", "cuda-runtime.txt", "compiler-runtimes.txt"}


def test_wheels_are_configured_by_files_that_there_are():
    configured = PROJECT["tool"]["cibuildwheel"]
    commands = [configured["test-command"], configured["linux"]["repair-wheel-command"]]
    commands += [each.get("before-all", "") for each in configured["overrides"]]
    paths = re.findall(r"\{project\}/(\S+)", " ".join(commands))
    assert len(paths) >= 3
    assert all((ROOT / path).is_file() for path in paths)
    versions = [each.removeprefix("cp3").removesuffix("-*") for each in configured["build"]]
    classified = re.findall(r"Python :: 3\.(\d+)", " ".join(PROJECT["project"]["classifiers"]))
    assert versions == classified
