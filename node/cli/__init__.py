"""The verbs: `larder VERB`, the plain text twin of every screen. They print once and end."""
