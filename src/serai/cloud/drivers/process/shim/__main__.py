"""Start a part of the shim: ``python3 -I -S <this file> main|launch|visit …``; see the modules of these names."""

import importlib
import os
import sys

if __name__ == "__main__":
    # Isolated mode leaves the script's folder out of the path. Last, so that no file here can hide a standard module.
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120  pathlib costs 4 ms of each start
    sys.path.append(os.path.dirname(here))  # noqa: PTH120
    verb = sys.argv[1] if sys.argv[1:] and sys.argv[1] in ("launch", "visit") else "main"
    importlib.import_module("shim." + verb).main(sys.argv[2:])
