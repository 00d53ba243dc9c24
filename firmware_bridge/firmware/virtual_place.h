/* virtual_place.h: what a fridge, a freezer, a shelf scale, a room or a counter would measure, from a seed.
 *
 * Not a board and not a protocol. Time is an argument, in seconds of the place; a step never looks back. The curves are
 * those of firmware_bridge/virtual/physics.py: engineering choices that a shopkeeper would recognise.
 */
#ifndef LARDER_VIRTUAL_PLACE_H
#define LARDER_VIRTUAL_PLACE_H

#include <math.h>
#include <stdint.h>

#define STEP_S 5.0 /* longest stretch integrated at once */
#define DAY_S 86400.0
#define ROOM_C 21.0
#define OPEN_S_MEAN 12.0
#define OPEN_S_MAX 55.0
#define UNIT_G 500 /* what is taken from a shelf, one to three at a time */
#define UNITS_FULL 24

typedef enum { FRIDGE, FREEZER, SHELF, AMBIENT, COUNTER } place_kind;

/* How a cooled cabinet behaves; degrees Celsius and seconds (time constants of a first-order lag). */
typedef struct {
    double thermostat_c, hysteresis_c, coil_c, cooling_s, warming_s, open_s, probe_s, openings_per_day, noise_c;
} cabinet;

static const cabinet cabinets[2] = {{3.0, 0.8, -12.0, 1500, 9000, 240, 60, 60, 0.03},
                                    {-19.0, 1.0, -32.0, 1800, 14000, 420, 90, 12, 0.03}};

typedef struct {
    place_kind kind;
    uint64_t random;
    double at_s, air_c, probe_c, open_until_s, next_s, drift_c;
    int is_cooling, units;
    int32_t count;
} place;

/* The next number of a sequence that depends on the seed alone (splitmix64, public domain algorithm of S. Vigna). */
static uint64_t random_bits(uint64_t *state)
{
    uint64_t z = (*state += 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
}

/* From 0 (not reached) to 1. */
static double random_share(uint64_t *state) { return ((double)(random_bits(state) >> 11) + 0.5) / 9007199254740992.0; }
static double random_wait(uint64_t *state, double mean) { return -mean * log(random_share(state)); }

static double random_normal(uint64_t *state)
{
    return sqrt(-2.0 * log(random_share(state))) * cos(6.283185307179586 * random_share(state));
}

static void place_begin(place *p, place_kind kind, uint64_t seed)
{
    *p = (place){.kind = kind, .random = seed, .units = UNITS_FULL};
    if (kind == FRIDGE || kind == FREEZER) {
        const cabinet *k = &cabinets[kind];
        p->air_c = p->probe_c = k->thermostat_c + (random_share(&p->random) - 0.5) * k->hysteresis_c;
        p->is_cooling = random_share(&p->random) < 0.5;
        p->next_s = random_wait(&p->random, DAY_S / k->openings_per_day);
    } else {
        p->next_s = random_wait(&p->random, DAY_S / 120.0);
    }
}

static void cabinet_step(place *p, const cabinet *k, double step_s)
{
    int is_open = p->at_s < p->open_until_s;
    double open_s;
    if (!is_open && p->at_s >= p->next_s) {
        open_s = random_wait(&p->random, OPEN_S_MEAN);
        p->open_until_s = p->at_s + (open_s < OPEN_S_MAX ? open_s : OPEN_S_MAX);
        p->next_s = p->at_s + random_wait(&p->random, DAY_S / k->openings_per_day);
        is_open = 1;
    }
    if (p->air_c > k->thermostat_c + k->hysteresis_c) p->is_cooling = 1;
    if (p->air_c < k->thermostat_c - k->hysteresis_c) p->is_cooling = 0;
    p->air_c += (ROOM_C - p->air_c) * -expm1(-step_s / k->warming_s);
    if (p->is_cooling) p->air_c += (k->coil_c - p->air_c) * -expm1(-step_s / k->cooling_s);
    if (is_open) p->air_c += (ROOM_C - p->air_c) * -expm1(-step_s / k->open_s);
    p->probe_c += (p->air_c - p->probe_c) * -expm1(-step_s / k->probe_s);
    p->at_s += step_s;
}

/* Move on to at_s and measure, in thousandths (a counter: by one); says whether a door stands open. */
static int32_t place_measure(place *p, double at_s, int *is_open)
{
    *is_open = 0;
    if (p->kind == COUNTER) return p->count++;
    if (p->kind == AMBIENT) {
        p->drift_c = 0.99 * p->drift_c + 0.02 * random_normal(&p->random);
        return (int32_t)lrint(1000 * (20.5 + 1.8 * sin(6.283185307179586 * (at_s / DAY_S - 0.3)) + p->drift_c));
    }
    if (p->kind == SHELF) {
        while (p->next_s <= at_s) {
            int taken = random_bits(&p->random) % 5 < 3 ? 1 : 2;
            p->units = p->units - taken < 2 ? UNITS_FULL : p->units - taken;
            p->next_s += random_wait(&p->random, DAY_S / 120.0);
        }
        return (int32_t)lrint(p->units * UNIT_G + 0.6 * random_normal(&p->random));
    }
    while (p->at_s < at_s) cabinet_step(p, &cabinets[p->kind], at_s - p->at_s < STEP_S ? at_s - p->at_s : STEP_S);
    *is_open = p->at_s < p->open_until_s;
    /* A DS18B20 speaks in sixteenths of a degree. */
    return (int32_t)floor(62.5 * rint((p->probe_c + cabinets[p->kind].noise_c * random_normal(&p->random)) * 16.0));
}

#endif
