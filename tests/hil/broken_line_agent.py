"""The agent with one promise of the line broken, for the self-test of the pair: ``broken_line_agent.py MUTANT ...``.

The mutants are those that the fault matrix has to find too.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import pytest

from agent.__main__ import main
from tests.hil.fault_matrix import test_fault_matrix_mutants as mutants

if __name__ == "__main__":
    getattr(mutants, sys.argv.pop(1))(pytest.MonkeyPatch())
    main()
