# SPDX-License-Identifier: ISC
"""`@clauses("S1-04", "S1-58")`: which clauses a test proves.

regress/clauses.py reads this form out of the source files and compares it
with regress/clauses.txt.
"""
import pytest

clauses = pytest.mark.clauses
