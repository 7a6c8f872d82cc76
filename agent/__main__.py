"""Entry point of the ``tidegate`` command."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; a fault of this program ends it with one line and exit code 70."""
    try:
        from agent.cli.serving import at_once  # noqa: PLC0415 - start-up time

        ended = at_once(sys.argv[1:])
        if ended is not None:
            sys.exit(int(ended))
        from agent.cli.main import cli  # noqa: PLC0415

        cli.main()
    except KeyboardInterrupt:  # before the command line was loaded, which says more
        sys.exit(130)
    except Exception as error:  # noqa: BLE001 - boundary
        from agent.cli.crash import report  # noqa: PLC0415

        sys.exit(report(error, sys.argv[1:]))


if __name__ == "__main__":
    main()
