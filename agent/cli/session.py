"""What every verb is given: the global options, the site and where to print."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent.cli.output import Output
from agent.cli.speaking import site_file

if TYPE_CHECKING:
    from pathlib import Path

    from agent.config import Site
    from agent.configuration.load import Folders


@dataclass(slots=True, kw_only=True)
class Session:
    """One call of the command.

    Attributes:
        site: the file that ``--site`` names, None if it was not given.
        out: where to print.
        environ: the environment, as it was given.
    """

    site: str | None = None
    out: Output = field(default_factory=Output)
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def site_path(self) -> Path:
        """Give the site file: ``--site``, else $TIDEGATE_SITE, else ./site.toml if it is there, else the system's."""
        from pathlib import Path  # noqa: PLC0415 - start-up time

        return Path(site_file(self.site, self.environ))

    def load_site(self) -> Site:
        """Read the site file; ConfigError if it is wrong."""
        from agent.configuration.load import load_site  # noqa: PLC0415 - start-up time
        from drivers.profile_load import builtin_roots  # noqa: PLC0415

        return load_site(self.site_path(), builtin_roots())

    def folders(self) -> Folders:
        """Read where state and control socket lie, whatever else is wrong with the site file."""
        from agent.configuration.load import load_folders  # noqa: PLC0415 - start-up time

        return load_folders(self.site_path())
