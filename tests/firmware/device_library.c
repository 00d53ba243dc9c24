/* The header and the sensor decoders as a shared library, so that Python can hold a board in its hand.
 *
 * Written for the tests: ll_tx collects what the board says until somebody takes it. Several boards may live side by
 * side.
 */
#define LL_CH 32
#define LL_HAS_CMD
#define LL_IMPLEMENTATION
#include "larder_link.h"

#include <stdlib.h>

#include "LarderShelf/sensors.h"

typedef struct {
    ll_ctx ctx; /* first: what a reset keeps */
    ll_config config;
    ll_channel channels[LL_CH];
    uint8_t out[1 << 16];
    uint32_t out_count, commands;
    uint8_t last_op, last_args[16], next_status;
} device;

void ll_tx(void *user, const uint8_t *bytes, uint16_t n)
{
    device *d = (device *)user;
    if (n > sizeof d->out - d->out_count) abort(); /* the test takes too seldom */
    memcpy(d->out + d->out_count, bytes, n);
    d->out_count += n;
}

uint8_t ll_cmd(void *user, uint8_t op, const uint8_t *args)
{
    device *d = (device *)user;
    d->commands++;
    d->last_op = op;
    memcpy(d->last_args, args, 3);
    return d->next_status;
}

#ifdef LL_HAS_SAVE
static uint32_t saves;
void ll_save(void *user) { (void)user, saves++; }
uint32_t save_count(void) { return saves; }
#endif

device *device_new(const uint8_t *uid, uint16_t firmware)
{
    device *d = (device *)calloc(1, sizeof *d);
    if (!d) abort();
    d->config.channels = d->channels;
    d->config.user = d;
    d->config.firmware = firmware;
    memcpy(d->config.uid, uid, 8);
    return d;
}

void device_free(device *d) { free(d); }

void device_describe(device *d, uint8_t ch, uint8_t kind, int exp10, uint8_t flags, int32_t lo, int32_t hi,
                     uint16_t period_ds, uint16_t noise, const char *unit, const char *name)
{
    ll_channel channel = LL_CHANNEL(kind, exp10, flags, lo, hi, period_ds, noise, "", "");
    memcpy(channel.unit, unit, strlen(unit));
    memcpy(channel.name, name, strlen(name));
    d->channels[ch] = channel;
    if (ch >= d->config.channel_count) d->config.channel_count = (uint8_t)(ch + 1);
}

/* Start, with whatever the memory holds; first_seq only where there is no ring in it. */
void device_start(device *d, uint8_t cause, uint16_t boot, uint32_t first_seq)
{
    d->config.cause = cause;
    d->config.boot = boot;
    ll_init(&d->ctx, &d->config);
    if (d->ctx.flags & LL_KEPT) return;
    d->ctx.ring.tail = first_seq;
    ll_store(&d->ctx);
}

void device_put(device *d, uint8_t ch, uint8_t status, int32_t value, uint32_t ms)
{
    ll_put(&d->ctx, ch, status, value, ms);
}

void device_rx(device *d, const uint8_t *bytes, uint32_t n, uint32_t ms)
{
    while (n--) ll_rx(&d->ctx, *bytes++, ms);
}

/* Poll until there is nothing more to say; returns how often there was. */
uint32_t device_poll(device *d, uint32_t ms)
{
    uint32_t polls = 0;
    while (ll_poll(&d->ctx, ms)) polls++;
    return polls;
}

uint32_t device_take(device *d, uint8_t *to)
{
    uint32_t n = d->out_count;
    memcpy(to, d->out, n);
    d->out_count = 0;
    return n;
}

enum {
    GET_TAIL,
    GET_USED,
    GET_FIXED,
    GET_DROPPED,
    GET_BOOT,
    GET_LINKED,
    GET_SEEN,
    GET_REFUSED,
    GET_REASON,
    GET_COMMANDS,
    GET_OP,
    GET_KEPT,
    GET_RING,
    GET_RTO,
    GET_HALVINGS,
    GET_DESC_CRC,
    GET_NEXT
};

uint32_t device_get(const device *d, int what)
{
    const ll_ctx *c = &d->ctx;
    switch (what) {
    case GET_TAIL: return c->ring.tail;
    case GET_USED: return c->ring.used;
    case GET_FIXED: return c->ring.fixed;
    case GET_DROPPED: return c->ring.dropped;
    case GET_BOOT: return c->ring.boot;
    case GET_LINKED: return c->flags & LL_LINKED;
    case GET_SEEN: return c->seen;
    case GET_REFUSED: return c->refused;
    case GET_REASON: return c->refused_for;
    case GET_COMMANDS: return d->commands;
    case GET_OP: return d->last_op;
    case GET_KEPT: return (c->flags & LL_KEPT) != 0;
    case GET_RING: return LL_RING;
    case GET_RTO: return c->rto_ms;
    case GET_HALVINGS: return c->halvings;
    case GET_DESC_CRC: return c->desc_crc;
    default: return c->next;
    }
}

/* What the golden messages say of a board that no run would bring about. */
void device_pretend(device *d, uint32_t tail, uint32_t used, uint32_t fixed, uint32_t dropped, uint32_t desc_crc)
{
    d->ctx.ring.tail = tail;
    d->ctx.ring.used = (ll_place)used;
    d->ctx.ring.fixed = (ll_place)fixed;
    d->ctx.ring.dropped = dropped;
    d->ctx.desc_crc = desc_crc;
    ll_store(&d->ctx);
}

void device_count(device *d, uint32_t refused, uint32_t resent, uint16_t vcc_mv, int mcu_temp_c10)
{
    d->ctx.refused = refused;
    d->ctx.resent = resent;
    d->ctx.vcc_mv = vcc_mv;
    d->ctx.mcu_temp_c10 = (int16_t)mcu_temp_c10;
}

void device_say_hello(device *d, uint8_t is_kept, uint32_t ms)
{
    d->ctx.now = ms;
    d->ctx.flags = (uint8_t)((d->ctx.flags & ~LL_KEPT) | LL_SPOKE | (is_kept ? LL_KEPT : 0));
    ll_say_hello(&d->ctx);
}

void device_say_stat(device *d)
{
    d->ctx.flags |= LL_SPOKE;
    ll_say_stat(&d->ctx);
}

void device_say_desc(device *d, uint8_t ch)
{
    d->ctx.flags |= LL_SPOKE;
    ll_desc(&d->ctx, ch);
    ll_end(&d->ctx);
}

/* Link as if an ACK had come, with nothing on its way. */
void device_link(device *d)
{
    d->ctx.flags |= LL_LINKED | LL_SPOKE;
    d->ctx.rto_ms = LL_RTO_START;
    d->ctx.seen = d->ctx.next = 0;
    d->ctx.ring.fixed = 0;
}

void device_set_boot(device *d, uint16_t boot) { d->ctx.ring.boot = boot; }

/* The record so many places behind the oldest, as ms, value, boot, channel, status. */
void device_record(device *d, uint32_t place, int64_t *to)
{
    const ll_record *r = ll_at(&d->ctx, (ll_place)place);
    to[0] = r->ms, to[1] = r->value, to[2] = r->boot, to[3] = r->ch, to[4] = r->status;
}

/* Flip a bit of what a reset keeps: byte n of the first or the second control. */
void device_damage(device *d, int which, uint32_t n)
{
    uint8_t *control = (uint8_t *)(which ? &d->ctx.before : &d->ctx.ring);
    control[n % sizeof(ll_control)] ^= 0x10;
}

uint32_t check_sum(const uint8_t *bytes, uint32_t n) { return ll_crc(0, bytes, (uint8_t)n); }

/* The decoders return a status; the value is in *value where that is not a fault. */
uint8_t decode_ds18b20(const uint8_t *pad, int32_t *value) { return ds18b20_decode(pad, value); }
uint8_t decode_sht3x(const uint8_t *word, int32_t *value) { return sht3x_temperature(word, value); }
uint8_t decode_humidity(const uint8_t *word, int32_t *value) { return sht3x_humidity(word, value); }
uint8_t decode_hx711(uint32_t raw, int32_t *value) { return hx711_decode(raw, value); }
int32_t weight_mg(int32_t counts, int32_t counts_per_gram) { return milligrams(counts, counts_per_gram); }
int32_t median(const int32_t *samples) { return median_of_5(samples); }

/* Play a contact, one look a millisecond; writes the times and levels of what is said, returns how many. */
uint32_t play_reed(const uint8_t *levels, uint32_t n, uint32_t start_ms, uint32_t *at, uint8_t *said)
{
    reed r;
    uint32_t i, count = 0, when;
    reed_begin(&r, levels[0], start_ms);
    for (i = 0; i < n; i++) {
        if (!reed_look(&r, levels[i], start_ms + i, &when)) continue;
        at[count] = when;
        said[count++] = r.steady;
    }
    return count;
}
