"""Fail where a file has over 600 lines or a function over 80."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

MAX_FILE = 600
MAX_FUNCTION = 80


def main() -> int:
    """Print each offender; return 1 where there is one."""
    faults = []
    for path in sorted(p for top in ("src", "tests", "bench", "scripts") for p in Path(top).rglob("*.py")):
        text = path.read_text()
        if (lines := text.count("\n")) > MAX_FILE:
            faults.append(f"{path}: {lines} lines, at most {MAX_FILE}")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > MAX_FUNCTION:
                    faults.append(f"{path}:{node.lineno}: {node.name} has {length} lines, at most {MAX_FUNCTION}")
    for fault in faults:
        print(fault)
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
