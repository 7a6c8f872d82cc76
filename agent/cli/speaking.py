"""Before the first word: which site file is meant, in which language people are told, what a terminal can print."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from agent.language import active, choose, drawable, use

SITE_VARIABLE: Final = "TIDEGATE_SITE"
SYSTEM_SITE: Final = "/etc/tidegate/site.toml"


def site_file(flag: str | None, environ: Mapping[str, str]) -> str:
    """Give the name of the site file (see ``Session.site_path``)."""
    named = flag or environ.get(SITE_VARIABLE)
    if named:
        return named
    return "site.toml" if os.path.exists("site.toml") else SYSTEM_SITE  # noqa: PTH110 - pathlib costs --help 4 ms


def site_language(path: str) -> str | None:
    """Look up the language of the site file; None where there is none to be had."""
    if not os.path.exists(path):  # noqa: PTH110 - as above
        return None
    import tomllib  # noqa: PLC0415 - only where there is a file

    try:
        with open(path, "rb") as file:  # noqa: PTH123 - as above
            site = tomllib.load(file).get("site")
    except (OSError, ValueError):
        return None
    language = site.get("language") if isinstance(site, dict) else None
    return language if isinstance(language, str) else None


def speak(flag: str | None, site: str, environ: Mapping[str, str]) -> None:
    """Choose the language before anything is printed, and survive a terminal that cannot print all of it.

    Args:
        flag: language that the command line asks for, None if it does not.
        site: name of the site file, which may name one.
        environ: of the call.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # click takes an ASCII stream for misconfigured and writes UTF-8 to it; Latin-1 it believes
            ascii_only = (stream.encoding or "").lower() in ("ascii", "us-ascii", "ansi_x3.4-1968")
            stream.reconfigure(encoding="latin-1" if ascii_only else None, errors="backslashreplace")
    wanted = choose(flag, environ, None)
    if flag is None and not environ.get("TIDEGATE_LANG"):
        wanted = choose(None, environ, site_language(site))
    encoding = sys.stdout.encoding or "utf-8"
    use(drawable(wanted, environ, encoding))
    if active() is not wanted:
        glyphs = drawable(wanted, environ) is wanted
        where = f"The output ({encoding})" if glyphs else "This terminal (TERM=linux)"
        sys.stderr.write(f"{where} has no Chinese characters: in English instead.\n")


def silence() -> None:
    """The reader of our output went away (``| head -1``): let the interpreter's last flush fall into the void."""
    void = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
        with suppress(OSError, ValueError):
            if stream is sys.stdout:
                os.dup2(void, stream.fileno())
    os.close(void)
