"""From the desired and the live state to a plan: resolve, compare, lint, guard. No I/O."""
