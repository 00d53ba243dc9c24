"""A MySensors gateway on a serial port. LINK section 5."""
