"""The language that people read, and the catalogue that holds it.

``_`` marks and translates, ``N_`` only marks (for tables and help texts that are translated when they are shown).
English is the message id itself, so a missing catalogue never loses a sentence.
"""

from __future__ import annotations

import gettext
import os
from collections.abc import Mapping, MutableMapping
from enum import Enum
from functools import cache
from typing import Final

DOMAIN: Final = "tidegate"
LOCALE_DIR: Final = os.path.join(os.path.dirname(__file__), "locale")  # noqa: PTH118, PTH120 - pathlib costs --help 4 ms
VARIABLE: Final = "TIDEGATE_LANG"


class Language(Enum):
    """Languages of everything a person reads."""

    EN = "en"
    ZH = "zh"


@cache
def catalogue(language: Language) -> gettext.NullTranslations:
    """Give the compiled catalogue of ``language``; one that answers in English where there is none."""
    if language is Language.EN:
        return gettext.NullTranslations()
    return gettext.translation(DOMAIN, LOCALE_DIR, languages=[language.value], fallback=True)


class _Active:
    """What ``use`` chose; one for the process, as a screen has one reader."""

    language = Language.EN


def use(language: Language, environ: MutableMapping[str, str] = os.environ) -> None:
    """Make ``_`` answer in ``language``, and click, which asks the process-wide gettext domain."""
    _Active.language = language
    environ["LANGUAGE"] = language.value
    gettext.bindtextdomain(DOMAIN, LOCALE_DIR)
    gettext.textdomain(DOMAIN)


def active() -> Language:
    """Tell which language is in use."""
    return _Active.language


def N_(sentence: str) -> str:  # noqa: N802 - the name that every extractor knows
    """Mark ``sentence`` for the catalogue and give it back as it is."""
    return sentence


def _(sentence: str) -> str:
    """Translate ``sentence``, whose fields are named braces and are filled in afterwards."""
    return translate(sentence, _Active.language)


def translate(sentence: str, language: Language) -> str:
    """Translate ``sentence`` into ``language``."""
    return catalogue(language).gettext(sentence) if sentence else ""


def parse(name: str) -> Language | None:
    """Read ``zh``, ``zh-CN``, ``zh_CN.UTF-8``, ``en_GB``; None for a language that is not here (or ``C``)."""
    short = name.replace("_", "-").partition("-")[0].partition(".")[0].lower()
    return next((language for language in Language if language.value == short), None)


def choose(flag: str | None, environ: Mapping[str, str], site: str | None) -> Language:
    """Choose by the first of these that names a language here: flag, TIDEGATE_LANG, site file, locale; else English.

    The locale is LC_ALL, LC_MESSAGES or LANG, the first one that is set (POSIX.1-2017, 8.2).
    """
    locale = environ.get("LC_ALL") or environ.get("LC_MESSAGES") or environ.get("LANG")
    for name in (flag, environ.get(VARIABLE), site, locale):
        language = parse(name) if name else None
        if language is not None:
            return language
    return Language.EN


def drawable(language: Language, environ: Mapping[str, str], encoding: str = "utf-8") -> Language:
    """Fall back to English where Chinese cannot be shown: no glyphs (TERM=linux), or none in the ``encoding``."""
    if language is Language.ZH and (environ.get("TERM") == "linux" or not _encodes_chinese(encoding)):
        return Language.EN
    return language


def _encodes_chinese(encoding: str) -> bool:
    try:
        "中".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True
