"""GitHub: the comment on the pull request, the approval it carries, the drift issue, the run's outputs."""
