/* Stands in for avr-libc's where the compiler is the host's. */
#include <stdint.h>
uint16_t eeprom_read_word(const uint16_t *address);
void eeprom_update_word(uint16_t *address, uint16_t value);
uint32_t eeprom_read_dword(const uint32_t *address);
void eeprom_update_dword(uint32_t *address, uint32_t value);
