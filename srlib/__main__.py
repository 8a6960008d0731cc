"""python -m srlib COMMAND ...: data (fetch data sets), train, run (notebooks), bench (fast against literal paths)."""

import importlib
import sys

COMMANDS = ("data", "train", "run", "bench")


def main(words: list[str]) -> int:
    if not words or words[0] not in COMMANDS:
        print(f"{__doc__}\nHelp of one: python -m srlib COMMAND --help", file=sys.stderr)
        return 0 if words in (["-h"], ["--help"]) else 2
    return importlib.import_module(f"srlib.{words[0]}").main(words[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
