"""The order of the stages: a request goes in, a result comes out, and nothing is printed."""
