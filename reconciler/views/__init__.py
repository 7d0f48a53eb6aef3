"""Views turn a plan, a result or diagnostics into text. They print nothing and decide no colours."""
