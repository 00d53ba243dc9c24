"""Scales that speak MT-SICS. LINK section 5."""
