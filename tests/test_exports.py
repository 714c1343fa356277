"""The public names are exactly those of ``__all__``, and they say so to every tool."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import nacre
from nacre import errors

SOURCE = Path(nacre.__file__)


def test_all_is_sorted_and_each_name_is_there() -> None:
    assert list(nacre.__all__) == sorted(nacre.__all__)
    for name in nacre.__all__:
        assert getattr(nacre, name) is not None


def test_lazy_names_and_names_for_type_checkers_are_those_of_all() -> None:
    lazy = {name for names in nacre._HOMES.values() for name in names}
    tree = ast.parse(SOURCE.read_text())
    checked = {
        alias.name
        for block in tree.body
        if isinstance(block, ast.If)
        for statement in block.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }
    assert lazy == checked == set(nacre.__all__) - {"__version__"}


def test_dir_lists_the_public_names() -> None:
    assert dir(nacre) == nacre.__all__


def test_every_error_is_public() -> None:
    named = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert named <= set(nacre.__all__)


def test_a_name_that_is_not_public_is_an_attribute_error() -> None:
    assert not hasattr(nacre, "enocde")


def test_version_is_written_once() -> None:
    project = tomllib.loads((SOURCE.parent.parent / "pyproject.toml").read_text())
    if "version" in project["project"]:
        assert project["project"]["version"] == nacre.__version__
    else:
        dynamic = project["tool"]["setuptools"]["dynamic"]["version"]
        assert dynamic == {"attr": "nacre.__version__"}


def test_types_are_shipped() -> None:
    assert (SOURCE.parent / "py.typed").is_file()
