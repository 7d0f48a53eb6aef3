"""One module per command: click options go in, an exit code comes out."""
