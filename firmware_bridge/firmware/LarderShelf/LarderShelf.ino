/* LarderShelf.ino: a sensor board for one shelf and one cold unit, on an Arduino Uno or Nano (ATmega328P).
 *
 * Not calibrated: COUNTS_PER_GRAM comes from the data sheet of the load cell, and what is still wrong is corrected by the
 * shop's computer, which knows two true weights. Nothing is installed but this folder; larder_link.h beside it is the
 * library (if your editor does not follow links, copy it here).
 *
 * Wiring (5 V boards; SHT3x modules with their own level shifter or at 3.3 V):
 *   DS18B20  data D2, 4.7 kOhm from D2 to 5 V       HX711   data D3, clock D4
 *   SHT3x    SDA A4, SCL A5, address 44h            reed    D5 to ground, closed when the door is closed
 * A capacitor of 10 uF from RESET to GND (plus to RESET) keeps a computer that opens the port from resetting the board;
 * take it off to load a new sketch. Set the last byte of UID before the first use: no two boards may share one.
 */
#define UID {0x4C, 0x53, 0, 0, 0, 0, 0, 1}
/* Full load of the cell, and 4,194,304 counts for each 2 mV/V of it: 20 kg at 2 mV/V, 5 kg at 1 mV/V (419), ... */
#define RATED_KG 20L
#define COUNTS_PER_GRAM 210L

#define LL_RING 48
#define LL_MAXREC 12
#define LL_CH 5
#define LL_HAS_CMD
#define LL_IMPLEMENTATION
#include <Wire.h>
#include <avr/eeprom.h>
#include <avr/wdt.h>

#include "larder_link.h"
#include "sensors.h"

#define BAUD 115200
#define PIN_HX711_DATA 3
#define PIN_HX711_CLOCK 4
#define PIN_REED 5
#define SHT3X_ADDRESS 0x44
#define CONVERSION_MS 750UL  /* a DS18B20 at 12 bits */
#define SHT3X_MS 16UL        /* single shot, high repeatability */
#define HX711_READY_MS 150UL /* 10 samples a second, and some */
#define BOOT_ADDRESS ((uint16_t *)0)
#define TARE_ADDRESS ((uint32_t *)2) /* counts; a new board has FFFFFFFF there, which is -1 */

enum { CH_COLD, CH_WEIGHT, CH_ROOM, CH_HUMIDITY, CH_DOOR };

static const ll_channel channels[LL_CH] LL_FLASH = {
    LL_CHANNEL(LL_TEMPERATURE, -3, LL_KEEP_HIGHEST, -55000L, 125000L, 100, 62, "Cel", "cold-1"),
    /* In milligrams; -2 % to 120 % of the full load can be true. */
    LL_CHANNEL(LL_WEIGHT, -6, LL_KEEP_LATEST, -20000L * RATED_KG, 1200000L * RATED_KG, 10, 300, "kg", "shelf-1"),
    LL_CHANNEL(LL_TEMPERATURE, -3, LL_KEEP_FARTHEST, -45000L, 130000L, 600, 100, "Cel", "room"),
    LL_CHANNEL(LL_HUMIDITY, -3, LL_KEEP_HIGHEST, 0L, 100000L, 600, 1000, "%RH", "room humidity"),
    LL_CHANNEL(LL_DOOR, 0, LL_EVENT | LL_KEEP_LATEST, 0L, 1L, 600, 0, "/", "door-1"),
};
static const uint16_t periods_ds[LL_CH] = {100, 10, 600, 600, 600};

static ll_config config = {channels, 0, 0x0100, 0, UID, LL_BY_PIN, LL_CH};
static ll_ctx ctx __attribute__((section(".noinit")));
static uint8_t reset_flags __attribute__((section(".noinit"))); /* why we started, before anything changes it */
static uint32_t due_at[LL_CH];
static uint32_t cold_asked_at, room_asked_at;
static uint8_t is_cold_asked, is_room_asked, samples_taken;
static int32_t samples[5];
static int32_t tare_counts;
static reed door;

/* ---- what the link asks of a program ---- */

void ll_tx(void *, const uint8_t *bytes, uint16_t n) { Serial.write(bytes, n); }

uint8_t ll_cmd(void *, uint8_t op, const uint8_t *args)
{
    uint8_t blinks;
    if (op == LL_TARE) {
        if (args[0] != CH_WEIGHT || samples_taken < 5) return LL_BUSY;
        tare_counts = median_of_5(samples);
        eeprom_update_dword(TARE_ADDRESS, (uint32_t)tare_counts); /* the shelf is no heavier after a power cut */
    }
    if (op == LL_SET_PERIOD && args[0] == CH_DOOR) return LL_BAD_ARGS; /* a door speaks when it moves */
    if (op == LL_BLINK)
        for (blinks = 0; blinks < 2 * args[0] && blinks < 20; blinks++) {
            digitalWrite(LED_BUILTIN, !(blinks & 1));
            delay(50); /* the host waits a second for an answer */
        }
    if (op == LL_REBOOT) {
        wdt_enable(WDTO_15MS);
        for (;;) {
        }
    }
    return LL_DONE;
}

/* Runs before anything else: the flags say why, and a watchdog that is on would reset us again. A boot loader that
 * clears the flags leaves 0, which is taken for the reset pin: the ring's own check sum then decides. */
void note_reset(void) __attribute__((naked, used, section(".init3")));
void note_reset(void)
{
    reset_flags = MCUSR;
    MCUSR = 0;
    wdt_disable();
}

static uint8_t reset_cause(void)
{
    if (reset_flags & _BV(PORF)) return LL_BY_POWER;
    if (reset_flags & _BV(BORF)) return LL_BY_BROWN_OUT;
    return reset_flags & _BV(WDRF) ? LL_BY_WATCHDOG : LL_BY_PIN;
}

/* ---- DS18B20: one sensor on the bus ---- */

/* The port itself and not digitalWrite, which takes as long as a whole slot may. D2 is PD2. */
static void onewire_low(void)
{
    PORTD &= (uint8_t)~_BV(PD2);
    DDRD |= _BV(PD2);
}

static void onewire_free(void) { DDRD &= (uint8_t)~_BV(PD2); }
static uint8_t onewire_level(void) { return (PIND & _BV(PD2)) != 0; }

static uint8_t onewire_reset(void)
{
    uint8_t is_there;
    onewire_low();
    delayMicroseconds(480);
    noInterrupts();
    onewire_free();
    delayMicroseconds(70);
    is_there = !onewire_level();
    interrupts();
    delayMicroseconds(410);
    return is_there;
}

/* Write a byte and return what was on the bus meanwhile: writing ones is reading. */
static uint8_t onewire_byte(uint8_t byte)
{
    uint8_t bit, heard = 0;
    for (bit = 0; bit < 8; bit++, byte >>= 1) {
        noInterrupts(); /* a slot is 60 us, and the sensor does not wait */
        onewire_low();
        delayMicroseconds(3);
        if (byte & 1) onewire_free();
        delayMicroseconds(9); /* it must be read within 15 us of the start */
        heard = (uint8_t)(heard >> 1 | (onewire_level() ? 0x80 : 0));
        delayMicroseconds(53);
        onewire_free();
        interrupts();
        delayMicroseconds(5);
    }
    return heard;
}

static void look_at_cold(uint32_t now)
{
    uint8_t pad[9], i, status;
    int32_t milli_c = 0;
    if (!is_cold_asked) {
        is_cold_asked = 1;
        cold_asked_at = now;
        if (onewire_reset()) {
            onewire_byte(0xCC); /* to whoever is there */
            onewire_byte(0x44); /* convert */
            return;
        }
        status = LL_FAULT_STATUS(LL_OPEN);
    } else {
        if (now - cold_asked_at < CONVERSION_MS) return;
        status = LL_FAULT_STATUS(LL_OPEN);
        if (onewire_reset()) {
            onewire_byte(0xCC);
            onewire_byte(0xBE); /* read the scratchpad */
            for (i = 0; i < sizeof pad; i++) pad[i] = onewire_byte(0xFF);
            status = ds18b20_decode(pad, &milli_c);
        }
    }
    is_cold_asked = 0;
    ll_put(&ctx, CH_COLD, status, milli_c, cold_asked_at);
    due_at[CH_COLD] = cold_asked_at;
}

/* ---- HX711 ---- */

static uint32_t hx711_read(void)
{
    uint32_t raw = 0;
    uint8_t bit;
    for (bit = 0; bit < 25; bit++) { /* 24 bits, and one that chooses channel A at gain 128 */
        noInterrupts();              /* 60 us high would switch it off */
        digitalWrite(PIN_HX711_CLOCK, HIGH);
        delayMicroseconds(1);
        if (bit < 24) raw = raw << 1 | (digitalRead(PIN_HX711_DATA) ? 1 : 0);
        digitalWrite(PIN_HX711_CLOCK, LOW);
        interrupts();
        delayMicroseconds(1);
    }
    return raw;
}

/* Take a sample when there is one; the last five make a weight. */
static void look_at_weight(uint32_t now)
{
    static uint32_t heard_at;
    static uint8_t status;
    uint8_t i;
    uint32_t period_ms = (uint32_t)100 * (ctx.period_ds[CH_WEIGHT] ? ctx.period_ds[CH_WEIGHT] : periods_ds[CH_WEIGHT]);
    if (!digitalRead(PIN_HX711_DATA)) {
        int32_t counts;
        heard_at = now;
        status = hx711_decode(hx711_read(), &counts);
        if (status == SENSOR_GOOD) {
            for (i = 4; i > 0; i--) samples[i] = samples[i - 1];
            samples[0] = counts;
            if (samples_taken < 5) samples_taken++;
        }
    } else if (now - heard_at >= HX711_READY_MS) {
        status = LL_FAULT_STATUS(LL_OPEN);
    }
    if (now - due_at[CH_WEIGHT] < period_ms || (status == SENSOR_GOOD && samples_taken < 5)) return;
    due_at[CH_WEIGHT] = now;
    ll_put(&ctx, CH_WEIGHT, status,
           status == SENSOR_GOOD ? milligrams(median_of_5(samples) - tare_counts, COUNTS_PER_GRAM) : 0, now);
}

/* ---- SHT3x ---- */

static void look_at_room(uint32_t now)
{
    uint8_t words[6], i, status = LL_FAULT_STATUS(LL_OPEN), damp = status;
    int32_t milli_c = 0, milli_percent = 0;
    if (!is_room_asked) {
        is_room_asked = 1;
        room_asked_at = now;
        Wire.beginTransmission(SHT3X_ADDRESS);
        Wire.write(0x24); /* single shot, no clock stretching, high repeatability */
        Wire.write(0x00);
        if (Wire.endTransmission() == 0) return;
    } else {
        if (now - room_asked_at < SHT3X_MS) return;
        if (Wire.requestFrom(SHT3X_ADDRESS, (int)sizeof words) == sizeof words) {
            for (i = 0; i < sizeof words; i++) words[i] = (uint8_t)Wire.read();
            status = sht3x_temperature(words, &milli_c);
            damp = sht3x_humidity(words + 3, &milli_percent);
        }
    }
    is_room_asked = 0;
    ll_put(&ctx, CH_ROOM, status, milli_c, room_asked_at);
    ll_put(&ctx, CH_HUMIDITY, damp, milli_percent, room_asked_at);
    due_at[CH_ROOM] = room_asked_at;
}

/* ---- the board ---- */

static uint8_t is_due(uint8_t ch, uint32_t now)
{
    uint16_t period_ds = ctx.period_ds[ch] ? ctx.period_ds[ch] : periods_ds[ch];
    return now - due_at[ch] >= (uint32_t)100 * period_ds;
}

void setup(void)
{
    uint32_t now = millis();
    uint8_t ch;
    Serial.begin(BAUD);
    Wire.begin();
    pinMode(PIN_HX711_DATA, INPUT);
    pinMode(PIN_HX711_CLOCK, OUTPUT);
    pinMode(PIN_REED, INPUT_PULLUP);
    pinMode(LED_BUILTIN, OUTPUT);
    config.boot = (uint16_t)(eeprom_read_word(BOOT_ADDRESS) + 1);
    config.cause = reset_cause();
    tare_counts = (int32_t)eeprom_read_dword(TARE_ADDRESS);
    ll_init(&ctx, &config);
    eeprom_update_word(BOOT_ADDRESS, ctx.ring.boot);
    for (ch = 0; ch < LL_CH; ch++) due_at[ch] = now - (uint32_t)100 * periods_ds[ch];
    reed_begin(&door, (uint8_t)digitalRead(PIN_REED), now);
    wdt_enable(WDTO_2S);
}

void loop(void)
{
    uint32_t now = millis(), edge_at;
    wdt_reset();
    while (Serial.available() > 0) ll_rx(&ctx, (uint8_t)Serial.read(), now);
    if (is_cold_asked || is_due(CH_COLD, now)) look_at_cold(now);
    if (is_room_asked || is_due(CH_ROOM, now)) look_at_room(now);
    look_at_weight(now);
    /* The contact is closed, and low, when the door is closed: 1 is open. */
    if (reed_look(&door, (uint8_t)digitalRead(PIN_REED), now, &edge_at)) ll_put(&ctx, CH_DOOR, 0, door.steady, edge_at);
    (void)ll_poll(&ctx, now);
}
