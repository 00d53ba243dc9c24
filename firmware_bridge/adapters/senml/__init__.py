"""SenML packs and plain JSON objects, one a line. LINK section 5, RFC 8428."""
