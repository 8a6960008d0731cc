"""python -m srlib: the command line, for where `srlib` is not on the path."""

import sys

from srlib.cli import main

if __name__ == "__main__":
    sys.exit(main())
