"""``python -m medpipe``."""

from medpipe.cli import main

if __name__ == "__main__":
    main()
