"""Message catalogues: build hook that compiles them into the wheel, and the script that keeps them.

``python deploy/catalogues.py compile`` writes ``tidegate.mo`` beside each ``tidegate.po`` (installing does it too);
``... update`` takes new sentences from the sources into every ``.po``; ``... extract`` prints the template.
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Any, Final

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT: Final = Path(__file__).resolve().parent.parent
DOMAIN: Final = "tidegate"
SOURCES: Final = ("agent", "drivers")
KEYWORDS: Final = {"_": None, "N_": None, "_plural": (1, 2)}


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Compiles every ``.po`` of ``agent/locale`` before the wheel is packed; for an editable install, in place."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        """Compile, and have the results packed although git ignores them."""
        if self.target_name != "wheel":
            return
        for compiled in compile_all(Path(self.root)):
            build_data["artifacts"].append(f"/{compiled.relative_to(self.root).as_posix()}")


def compile_all(root: Path = ROOT) -> tuple[Path, ...]:
    """Compile the catalogues of ``root``; a file that is up to date is left alone. Give all compiled files."""
    compiled = []
    for source in sorted((root / "agent" / "locale").rglob(f"{DOMAIN}.po")):
        target = source.with_suffix(".mo")
        buffer = io.BytesIO()
        write_mo(buffer, _read(source))
        if not target.exists() or target.read_bytes() != buffer.getvalue():
            fresh = target.with_suffix(f".{os.getpid()}")
            fresh.write_bytes(buffer.getvalue())
            fresh.replace(target)
        compiled.append(target)
    return tuple(compiled)


def extract(root: Path = ROOT) -> Catalog:
    """Collect every marked sentence of the sources."""
    catalogue = Catalog(project=DOMAIN, fuzzy=False)
    for folder in SOURCES:
        found = extract_from_dir(root / folder, [("**.py", "python")], keywords=KEYWORDS)
        for name, line, message, comments, context in found:
            catalogue.add(message, locations=[(f"{folder}/{name}", line)], auto_comments=comments, context=context)
    return catalogue


def update(root: Path = ROOT) -> None:
    """Take the sentences of the sources into each ``.po``: new ones empty, gone ones dropped, none guessed."""
    template = extract(root)
    for source in sorted((root / "agent" / "locale").rglob(f"{DOMAIN}.po")):
        catalogue = _read(source)
        catalogue.update(template, no_fuzzy_matching=True)
        catalogue.obsolete.clear()
        source.write_text(_text(catalogue), encoding="utf-8")


def _read(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, locale=path.parent.parent.name, domain=DOMAIN)


def _text(catalogue: Catalog) -> str:
    buffer = io.BytesIO()
    write_po(buffer, catalogue, width=118, sort_output=False, omit_header=False, include_lineno=False)
    lines = buffer.getvalue().decode().split("\n")
    dated = ('"POT-Creation-Date', '"PO-Revision-Date', '"Last-Translator', '"Language-Team', '"Generated-By')
    return "\n".join(line for line in lines if not line.startswith(dated))


def main(words: list[str]) -> int:
    """Do what the word says."""
    match words:
        case ["compile"]:
            for path in compile_all():
                print(path.relative_to(ROOT))
        case ["update"]:
            update()
        case ["extract"]:
            print(_text(extract()))
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
