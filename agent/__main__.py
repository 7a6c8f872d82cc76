"""Entry point of the ``tidegate`` command."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from agent.cli.main import cli  # noqa: PLC0415 - start-up time

    cli()


if __name__ == "__main__":
    main()
