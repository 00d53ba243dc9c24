"""The version of the tables of telemetry.db, known to the writer and to every reader. Nothing else."""

SCHEMA_VERSION = 2
