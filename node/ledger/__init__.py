"""The signed append-only log and its fold into SQLite tables. Owns invariant 3: facts are only added."""
