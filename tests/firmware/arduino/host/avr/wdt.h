/* Stands in for avr-libc's where the compiler is the host's. */
enum { WDTO_15MS = 0, WDTO_2S = 7 };
void wdt_enable(int timeout);
void wdt_disable(void);
void wdt_reset(void);
