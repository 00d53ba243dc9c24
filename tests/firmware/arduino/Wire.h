/* As much of Wire.h as LarderShelf.ino needs to be compiled. Written for this test. */
#ifndef WIRE_H
#define WIRE_H
#include "Arduino.h"

class TwoWire
{
  public:
    void begin(void);
    void beginTransmission(int address);
    size_t write(int byte);
    uint8_t endTransmission(void);
    uint8_t requestFrom(int address, int n);
    int read(void);
};
extern TwoWire Wire;
#endif
