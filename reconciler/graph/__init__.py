"""Everything that knows HTTP and Microsoft: sign-in, Graph's wire format, retries. Does I/O when used."""
