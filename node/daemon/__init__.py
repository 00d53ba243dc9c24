"""larder-node: what runs beside the staff. Everything on the screen works without it."""
