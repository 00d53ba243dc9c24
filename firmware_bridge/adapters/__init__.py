"""Other people's hardware: each adapter turns what it hears into the events of the native link. LINK section 5."""
