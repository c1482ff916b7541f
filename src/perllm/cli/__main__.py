"""`python -m perllm.cli`: the command line without its script."""

from perllm.cli import main

if __name__ == "__main__":
    main()
