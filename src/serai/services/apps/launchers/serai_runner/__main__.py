"""Run the folder: ``python3 /serai/lib/serai_runner SOCKET …``, wherever it is mounted."""

import importlib
import sys
from pathlib import Path

if __name__ == "__main__":
    folder = Path(__file__).resolve().parent
    sys.path[0] = str(folder.parent)
    importlib.import_module(f"{folder.name}.runner").main(sys.argv[1:])
