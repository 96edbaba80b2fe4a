"""`python -m console` is the `tailrace` command."""

from console.main import main

main()
