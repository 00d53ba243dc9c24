"""telemetry.db: what the sensors said, when, and what is missing. One writer, any number of readers."""
