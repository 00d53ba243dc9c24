/* As much of Arduino.h as LarderShelf.ino needs to be compiled: declarations alone, no behaviour. Written for this test. */
#ifndef ARDUINO_H
#define ARDUINO_H
#include <stddef.h>
#include <stdint.h>

enum { LOW, HIGH };
enum { INPUT, OUTPUT, INPUT_PULLUP };
#define LED_BUILTIN 13

void pinMode(uint8_t pin, uint8_t mode);
void digitalWrite(uint8_t pin, uint8_t level);
int digitalRead(uint8_t pin);
uint32_t millis(void); /* unsigned long on a board, which has 32 bits there */
void delay(unsigned long ms);
void delayMicroseconds(unsigned int us);
void noInterrupts(void);
void interrupts(void);

class SerialPort
{
  public:
    void begin(unsigned long baud);
    int available(void);
    int read(void);
    size_t write(const uint8_t *bytes, size_t n);
};
extern SerialPort Serial;

#ifndef __AVR__
extern volatile uint8_t MCUSR, PORTD, DDRD, PIND;
enum { PD2 = 2 };
enum { PORF, EXTRF, BORF, WDRF };
#define _BV(bit) (1 << (bit))
#else
#include <avr/io.h>
#endif
#endif
