"""Every way to sign in, each behind one protocol; MSAL is imported at the first token."""
