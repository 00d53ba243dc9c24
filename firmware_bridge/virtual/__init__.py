"""Virtual sensor boards on pseudo terminals: the real protocol, plausible physics, no hardware."""
