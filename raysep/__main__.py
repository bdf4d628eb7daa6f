"""``python -m raysep …``: the `raysep` command, for where no script of that name is on the path, as in a submitted job."""

from raysep.cli import main

if __name__ == "__main__":
    main()
