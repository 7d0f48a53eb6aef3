"""GitOps for Microsoft Intune compliance policies: declare targets in YAML, see a plan, apply it."""
