"""Run the gateway as a folder: ``python3 -I -S /serai/lib/gateway``, wherever it is mounted."""

import importlib
import sys
from pathlib import Path

if __name__ == "__main__":
    folder = Path(__file__).resolve().parent
    sys.path[0] = str(folder.parent)
    importlib.import_module(f"{folder.name}.server").main(sys.argv[1:])
