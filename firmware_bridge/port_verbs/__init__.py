"""`larder-bridge ports`: list the serial ports, look at what speaks there, give one a name. LINK sections 4 and 5."""
