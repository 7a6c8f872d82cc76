"""``python -m hil.demo``: what ``deploy/demo`` runs once everything is installed."""

from __future__ import annotations

import random
import sys

from hil.demo.options import parse
from hil.demo.run import run

if __name__ == "__main__":
    sys.exit(run(parse(sys.argv[1:], random.SystemRandom().randrange(2**31))))
