"""Modbus RTU probes and transmitters on an RS-485 line. LINK section 5."""
