/* Hostile bytes for the C device: random ones, and good frames that were damaged on their way; checked after each.
 *
 * Usage: fuzz SEED BYTES FRAMES. Built under AddressSanitizer and UBSan, which find what goes out of bounds; the checks
 * here find a ring that no longer makes sense, and a damaged frame that was taken for a good one. Written for the
 * tests.
 */
#define LL_CH 3
#define LL_HAS_CMD
#define LL_IMPLEMENTATION
#include "larder_link.h"

#include <stdio.h>
#include <stdlib.h>

#define FRAME_MAX 64

static const ll_channel channels[LL_CH] = {
    LL_CHANNEL(LL_TEMPERATURE, -3, LL_KEEP_HIGHEST, -55000, 125000, 100, 62, "Cel", "cold-1"),
    LL_CHANNEL(LL_TEMPERATURE, -3, LL_KEEP_FARTHEST, -55000, 125000, 100, 62, "Cel", "room"),
    LL_CHANNEL(LL_DOOR, 0, LL_EVENT | LL_KEEP_LATEST, 0, 1, 600, 0, "/", "door-1"),
};
static uint64_t state;
static uint32_t said, done;

static uint32_t any(void)
{
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)(state >> 33);
}

static void check(int is_so, const char *what)
{
    if (is_so) return;
    fprintf(stderr, "after %lu frames said: %s\n", (unsigned long)said, what);
    exit(1);
}

void ll_tx(void *user, const uint8_t *bytes, uint16_t n)
{
    uint16_t i;
    (void)user;
    check(n >= 10 && bytes[n - 1] == 0, "a frame ends with a delimiter");
    for (i = 1; i + 1 < n; i++) check(bytes[i] != 0, "a frame holds no delimiter");
    said++;
}

uint8_t ll_cmd(void *user, uint8_t op, const uint8_t *args)
{
    (void)user, (void)args;
    done++;
    return op == LL_TARE ? LL_DONE : (uint8_t)(any() % 5);
}

static void check_ring(const ll_ctx *c)
{
    const ll_control *k = &c->ring;
    check(k->used <= LL_RING && k->fixed <= k->used && k->slot < LL_RING, "the ring makes sense");
    check(c->seen <= k->fixed && c->next <= k->fixed && c->seen <= c->next, "what was sent makes sense");
}

/* Write a message of a host as it is on the wire; returns its length. */
static uint8_t good_frame(ll_ctx *c, uint8_t *to)
{
    static const uint8_t lengths[4] = {4, 12, 8, 7};
    uint8_t type = (uint8_t)(any() % 4), n = lengths[type], i, code_at = 0, count = 1, raw[32] = {1};
    uint32_t crc, boot = any() % 8 ? c->ring.boot : any();
    raw[1] = (uint8_t)(0x80 + type);
    if (type) raw[2] = (uint8_t)boot, raw[3] = (uint8_t)(boot >> 8);
    for (i = 4; i < n; i++) raw[i] = (uint8_t)any();
    if (type == 1) {
        uint32_t next = c->ring.tail + any() % (c->ring.fixed + 2U), seen = next + any() % 4;
        for (i = 0; i < 4; i++) raw[4 + i] = (uint8_t)(next >> 8 * i), raw[8 + i] = (uint8_t)(seen >> 8 * i);
    }
    if (type == 3) {
        raw[6] = (uint8_t)(any() % 7);
        n = (uint8_t)(n + any() % 5);
        for (i = 7; i < n; i++) raw[i] = (uint8_t)(any() % 4);
    }
    crc = ll_crc(0, raw, n);
    for (i = 0; i < 4; i++) raw[n++] = (uint8_t)(crc >> 8 * i);
    for (i = 0; i < n; i++) {
        if (raw[i] == 0) to[code_at] = (uint8_t)(count - code_at), code_at = count;
        to[count++] = raw[i];
    }
    to[code_at] = (uint8_t)(count - code_at);
    to[count++] = 0;
    return count;
}

/* Damage a frame so that it is another one; returns its new length. */
static uint8_t damage(uint8_t *frame, uint8_t n)
{
    uint8_t at = (uint8_t)(any() % (n - 1U)), i;
    switch (any() % 4) {
    case 0: frame[at] = (uint8_t)(frame[at] ^ (1U << any() % 8)); break;
    case 1: frame[at] = (uint8_t)(frame[at] + 1 + any() % 255); break;
    case 2:
        for (i = at; i + 1 < n; i++) frame[i] = frame[i + 1];
        return (uint8_t)(n - 1);
    default:
        for (i = n; i > at; i--) frame[i] = frame[i - 1];
        frame[at] = (uint8_t)(1 + any() % 255);
        return (uint8_t)(n + 1);
    }
    return n;
}

static void live_a_little(ll_ctx *c, uint32_t now)
{
    if (any() % 4 == 0)
        ll_put(c, (uint8_t)(any() % 4), (uint8_t)(any() % 8 ? 0 : LL_FAULT), (int32_t)(any() % 9999), now);
    if (any() % 4 == 0) (void)ll_poll(c, now);
}

int main(int argc, char **argv)
{
    static ll_ctx c;
    ll_config cfg = {channels, 0, 0x0100, 9, {1, 2, 3, 4, 5, 6, 7, 8}, LL_BY_PIN, LL_CH};
    uint8_t frame[FRAME_MAX] = {0}, whole[FRAME_MAX] = {0};
    uint32_t now = 0xFFFF0000UL, i, taken = 0, mutated = 0;
    if (argc != 4) return 2;
    state = strtoull(argv[1], NULL, 10);
    ll_init(&c, &cfg);
    for (i = 0; i < strtoul(argv[2], NULL, 10); i++, now += any() % 3) {
        /* Zeros often enough that segments of every length end. */
        ll_rx(&c, (uint8_t)(any() % 16 ? any() : 0), now);
        live_a_little(&c, now);
        check_ring(&c);
    }
    check(done == 0, "random bytes are no command");
    ll_rx(&c, 0, now);
    for (i = 0; i < strtoul(argv[3], NULL, 10); i++, now += any() % 3) {
        uint8_t n = good_frame(&c, frame), is_damaged = any() % 2, at;
        uint32_t refused = c.refused;
        memcpy(whole, frame, n);
        if (is_damaged) n = damage(frame, n);
        is_damaged = memcmp(whole, frame, n) != 0;
        for (at = 0; at < n; at++) ll_rx(&c, frame[at], now);
        ll_rx(&c, 0, now);
        if (!is_damaged)
            taken += c.refused == refused;
        else
            mutated++, check(c.refused > refused, "a damaged frame was taken for a good one");
        live_a_little(&c, now);
        check_ring(&c);
        if (any() % 4096 == 0) ll_init(&c, &cfg);
    }
    printf("%lu frames taken, %lu damaged, %lu said\n", (unsigned long)taken, (unsigned long)mutated,
           (unsigned long)said);
    return taken > 0 || argv[3][0] == '0' ? 0 : 1;
}
