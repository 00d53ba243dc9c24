/* sensors.h: what the bytes of a DS18B20, an SHT3x, an HX711 and a reed contact mean; pure, no pins, no time but
 * arguments.
 *
 * Not a driver: LarderShelf.ino moves the bytes. Owns the promise that a value that cannot be true never leaves the
 * board as a number: each decoder returns SENSOR_GOOD or the status of a fault; a value is set only without one.
 */
#ifndef LARDER_SENSORS_H
#define LARDER_SENSORS_H

#include <stdint.h>

#include "larder_link.h"

#define SENSOR_GOOD 0 /* the status of a reading that may be trusted */

/* ---- DS18B20 (Maxim 19-7487): nine bytes of scratchpad ---- */

/* CRC-8 of 1-Wire: reflected polynomial 8C, begins at 0. */
static uint8_t onewire_crc(const uint8_t *bytes, uint8_t n)
{
    uint8_t crc = 0, bit;
    while (n--) {
        crc ^= *bytes++;
        for (bit = 0; bit < 8; bit++) crc = (uint8_t)(crc & 1 ? crc >> 1 ^ 0x8C : crc >> 1);
    }
    return crc;
}

/* Read a scratchpad as thousandths of a degree; the checks are in the order in which they can be believed. Nine zero
 * bytes pass the check sum and would read as a fine 0.00 C: a shorted bus. A genuine part has byte 6 = 10h - (byte 0 &
 * 0Fh) after a conversion and 0Ch before the first one, when it says 85.0 C. */
static uint8_t ds18b20_decode(const uint8_t pad[9], int32_t *milli_c)
{
    int16_t sixteenths = (int16_t)(uint16_t)(pad[0] | pad[1] << 8);
    if (onewire_crc(pad, 8) != pad[8]) return LL_FAULT_STATUS(LL_CRC);
    if ((pad[4] & 0x1F) != 0x1F || pad[5] == 0) return LL_FAULT_STATUS(LL_SHORT);
    if (sixteenths == 85 * 16 && pad[6] == 0x0C) return LL_FAULT_STATUS(LL_POWER_ON_VALUE);
    if (sixteenths == -127 * 16) return LL_FAULT_STATUS(LL_OPEN);
    if (sixteenths < -55 * 16 || sixteenths > 125 * 16) return LL_FAULT_STATUS(LL_OTHER);
    /* 62.5 thousandths each, halves to even. The part's lower bits are 0 below 12 bits of resolution. */
    {
        int32_t halves = (int32_t)sixteenths * 125;
        int32_t whole = halves / 2;
        if (halves % 2 && whole % 2) whole += halves < 0 ? -1 : 1;
        *milli_c = whole;
    }
    return SENSOR_GOOD;
}

/* ---- SHT3x (Sensirion): two words, each with a CRC-8 ---- */

/* Polynomial 31, begins at FF; the word BEEF gives 92. */
static uint8_t sht3x_crc(uint8_t high, uint8_t low)
{
    uint8_t crc = 0xFF, i, bit;
    for (i = 0; i < 2; i++) {
        crc ^= i ? low : high;
        for (bit = 0; bit < 8; bit++) crc = (uint8_t)(crc & 0x80 ? crc << 1 ^ 0x31 : crc << 1);
    }
    return crc;
}

/* raw * span / 65535 + least, rounded; span up to 175,000. */
static int32_t sht3x_scale(uint16_t raw, uint32_t span, int32_t least)
{
    uint32_t whole = span / 65535UL * raw, rest = span % 65535UL;
    return (int32_t)(whole + (rest * raw + 32767UL) / 65535UL) + least;
}

static uint8_t sht3x_temperature(const uint8_t word[3], int32_t *milli_c)
{
    if (sht3x_crc(word[0], word[1]) != word[2]) return LL_FAULT_STATUS(LL_CRC);
    *milli_c = sht3x_scale((uint16_t)(word[0] << 8 | word[1]), 175000UL, -45000);
    return SENSOR_GOOD;
}

/* Thousandths of a percent. At 100 % there is water on the sensor: kept, and marked as clipped. */
static uint8_t sht3x_humidity(const uint8_t word[3], int32_t *milli_percent)
{
    if (sht3x_crc(word[0], word[1]) != word[2]) return LL_FAULT_STATUS(LL_CRC);
    *milli_percent = sht3x_scale((uint16_t)(word[0] << 8 | word[1]), 100000UL, 0);
    return *milli_percent >= 100000 ? LL_CLIPPED : SENSOR_GOOD;
}

/* ---- HX711: 24 bits, two's complement; its ends mean that the amplifier is saturated ---- */

static uint8_t hx711_decode(uint32_t raw24, int32_t *counts)
{
    if (raw24 == 0x7FFFFFUL || raw24 == 0x800000UL) return LL_FAULT_STATUS(LL_SATURATED);
    *counts = (int32_t)(raw24 ^ 0x800000UL) - 0x800000L;
    return SENSOR_GOOD;
}

/* Counts of 25 bits, tare taken off, as milligrams, towards zero; 32 to 2,000,000 counts a gram stay within 32 bits. */
static int32_t milligrams(int32_t counts, int32_t counts_per_gram)
{
    const int32_t thousand = 1000;
    return counts / counts_per_gram * thousand + counts % counts_per_gram * thousand / counts_per_gram;
}

/* The median of five: one garbage sample, as after the clock line was held high, does not reach the host. */
static int32_t median_of_5(const int32_t samples[5])
{
    int32_t sorted[5], moved;
    uint8_t i, j;
    for (i = 0; i < 5; i++) {
        for (moved = samples[i], j = i; j > 0 && sorted[j - 1] > moved; j--) sorted[j] = sorted[j - 1];
        sorted[j] = moved;
    }
    return sorted[2];
}

/* ---- reed contact ---- */

#define REED_DEBOUNCE_MS 50U
#define REED_HEARTBEAT_MS 60000UL

typedef struct {
    uint32_t changed_at, said_at; /* uptimes in ms */
    uint8_t level, steady, is_new;
} reed;

static void reed_begin(reed *r, uint8_t level, uint32_t now)
{
    r->level = r->steady = level;
    r->changed_at = r->said_at = now;
    r->is_new = 1;
}

/* Look at the contact; returns 1 when there is something to say: an edge that has stood for 50 ms, whose time is when
 * it began (*at), or the level once a minute. */
static uint8_t reed_look(reed *r, uint8_t level, uint32_t now, uint32_t *at)
{
    *at = now;
    if (level != r->level) {
        r->level = level;
        r->changed_at = now;
    }
    if (r->level != r->steady && (uint32_t)(now - r->changed_at) >= REED_DEBOUNCE_MS) {
        r->steady = r->level;
        *at = r->changed_at;
    } else if (!r->is_new && (uint32_t)(now - r->said_at) < REED_HEARTBEAT_MS) {
        return 0;
    }
    r->is_new = 0;
    r->said_at = now;
    return 1;
}

#endif
