/* larder_link.h: the board's side of Larder Link 1, in one header for any C99 or C++ compiler.
 *
 * It is not a sensor driver and not a port: readings come in by ll_put, bytes by ll_rx, bytes go out by ll_tx. It keeps
 * what the host has not committed, through resets where the memory lasts, and makes room by thinning, not by
 * forgetting. Owns, for boards, the promise of the link: a record leaves only after the host said that it is on disk.
 *
 * Use: in one file of the program `#define LL_IMPLEMENTATION` before the include. No heap, no float, no recursion, no
 * operating system; of libc only memcpy. All state is in ll_ctx, so several may live side by side. Not re-entrant: an
 * interrupt hands its reading over to the loop, which calls ll_put. The loop calls ll_poll at least once a second.
 *
 * The rules (when to resend, what a full ring keeps, what survives a reset) are those of firmware_bridge/link/device.py
 * and ring.py, which speak of the reasons; tests/firmware holds the two against each other.
 */
#ifndef LARDER_LINK_H
#define LARDER_LINK_H

#include <stdint.h>
#include <string.h>

/* Records kept while nobody listens, 12 bytes each. 48 suit an ATmega328P. */
#ifndef LL_RING
#define LL_RING 256
#endif
/* Records in the largest frame: 4 to 29. The frame buffer takes 18 bytes and 8 for each. */
#ifndef LL_MAXREC
#define LL_MAXREC 29
#endif
/* Channels of the board: 1 to 32. */
#ifndef LL_CH
#define LL_CH 8
#endif
/* How often a noisy line may halve the frame; 0 keeps frames as large as they can be. */
#ifndef LL_HALVINGS
#define LL_HALVINGS 3
#endif

/* On an AVR, constants stay in flash; elsewhere they are ordinary memory. */
#if defined(__AVR__)
#include <avr/pgmspace.h>
#define LL_FLASH PROGMEM
#define LL_FLASH_U8(address) pgm_read_byte(address)
#define LL_FLASH_U32(address) pgm_read_dword(address)
#else
#define LL_FLASH
#define LL_FLASH_U8(address) (*(address))
#define LL_FLASH_U32(address) (*(address))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* status of a record: bits, and in bits 5-7 what is wrong with a fault. */
enum { LL_FAULT = 0x01, LL_CLIPPED = 0x02, LL_MERGED = 0x04, LL_UNSTABLE = 0x08, LL_EARLIER_BOOT = 0x10 };
enum { LL_OPEN = 1, LL_SHORT = 2, LL_CRC = 3, LL_POWER_ON_VALUE = 4, LL_STUCK = 5, LL_SATURATED = 6, LL_OTHER = 7 };
#define LL_FAULT_STATUS(code) ((uint8_t)(LL_FAULT | (code) << 5))
/* What a channel measures, its flags, and which value of two is the worse one that a merge keeps. */
enum { LL_KIND_OTHER, LL_TEMPERATURE, LL_HUMIDITY, LL_WEIGHT, LL_DOOR, LL_VOLTAGE, LL_COUNT };
enum {
    LL_EVENT = 1,
    LL_CUMULATIVE = 2,
    LL_KEEP_HIGHEST = 0,
    LL_KEEP_LOWEST = 4,
    LL_KEEP_LATEST = 8,
    LL_KEEP_FARTHEST = 12
};
/* Why the board started. */
enum { LL_BY_POWER = 1, LL_BY_PIN = 2, LL_BY_WATCHDOG = 3, LL_BY_BROWN_OUT = 4, LL_BY_SOFTWARE = 5, LL_BY_COMMAND = 6 };
/* What the host may ask, and what the board answers. */
enum { LL_TARE = 1, LL_SET_PERIOD = 2, LL_SEND_DESC = 3, LL_BLINK = 4, LL_REBOOT = 5 };
enum { LL_DONE = 0, LL_UNKNOWN_OP = 1, LL_BAD_ARGS = 2, LL_BUSY = 3, LL_FAILED = 4 };
/* Why a segment was refused (ll_ctx.refused_for). */
enum {
    LL_NO_REASON,
    LL_OVERSIZE,
    LL_BAD_COBS,
    LL_TOO_SHORT,
    LL_BAD_CRC,
    LL_VERSION,
    LL_TYPE,
    LL_DIRECTION,
    LL_LENGTH,
    LL_FIELD
};

/* One reading. ms: uptime of its boot modulo 2^32; value in raw units of its channel. */
typedef struct {
    uint32_t ms;
    int32_t value;
    uint16_t boot;
    uint8_t ch;
    uint8_t status;
} ll_record;

/* A place in the ring; a byte where the ring is small, since a small processor counts in bytes. */
#if LL_RING <= 120
typedef uint8_t ll_place;
#else
typedef uint16_t ll_place;
#endif

/* The ring: tail is the number of the oldest record, modulo 2^32; it holds `used` records, and the numbers of the first
 * `fixed` of them can no longer change, since they were sent. slot: where the oldest lies. */
typedef struct {
    uint32_t tail, dropped;
    uint16_t boot;
    ll_place used, fixed, slot;
    uint32_t crc;
} ll_control;

/* What a channel is, as the host will hear it; made by LL_CHANNEL and kept in flash (LL_FLASH). */
typedef struct {
    uint8_t kind, exp10, flags, lo[4], hi[4], period_ds[2], noise[2];
    char unit[8], name[16];
    uint8_t sum[4]; /* lo + hi, twice the middle; not sent */
} ll_channel;

/* Value in unit = value * 10^exp10; physical range lo..hi and noise (one sigma) in raw values; period in 0.1 s, for
 * events the heartbeat. unit is a SenML name; text is printable ASCII. Values and range stay within +-2^29, so that the
 * farther of two values can be told in 32 bits. */
#define LL_CHANNEL(kind, exp10, flags, lo, hi, period_ds, noise, unit, name)                                           \
    {                                                                                                                  \
        (kind), (uint8_t)(exp10), (flags), {LL_4(lo)}, {LL_4(hi)}, {LL_2(period_ds)}, {LL_2(noise)}, unit, name,       \
        {                                                                                                              \
            LL_4((lo) + (hi))                                                                                          \
        }                                                                                                              \
    }
#define LL_BYTE(v, bits) (uint8_t)((uint32_t)(v) >> (bits) & 255U)
#define LL_2(v) LL_BYTE(v, 0), LL_BYTE(v, 8)
#define LL_4(v) LL_2(v), LL_BYTE(v, 16), LL_BYTE(v, 24)

/* What the program says of its board; must outlive the context. cause: LL_BY_... boot: any number that differs from the
 * last ones; used when the ring did not survive. */
typedef struct {
    const ll_channel *channels;
    void *user;
    uint16_t firmware, boot;
    uint8_t uid[8];
    uint8_t cause, channel_count;
} ll_config;

#define LL_DATA_RAW (16 + 8 * LL_MAXREC)
#define LL_FRAME ((LL_DATA_RAW > 46 ? LL_DATA_RAW : 46) + 3) /* a DESC has 46; a delimiter, COBS and the end add 3 */
#define LL_HEARD_MAX 27                                      /* the longest message of a host */

/* Everything a board remembers. Put it where a reset does not clear it (section .noinit): ring, before and records are
 * then found again. `before` is the ring one step earlier: a reset in the middle of a step finds one of the two whole.
 */
typedef struct {
    ll_control ring;
    const ll_config *cfg;
    uint8_t *at;                /* where the next byte of the frame goes */
    uint32_t now;               /* uptime at the last ll_rx or ll_poll */
    ll_place seen, next, timed; /* counted from tail: arrived at the host; next to be sent; sent at timed_at */
    uint8_t flags, expiries, frames, frames_resent, halvings, desc_due, heard, left, refused_for;
    uint16_t waiting_at, timed_at, went_back_at, hello_at, stat_at, sent_at, heard_at; /* low half of an uptime */
    uint16_t rto_ms, rtt_ms, answer_id;
    uint8_t answer_status;
    uint16_t vcc_mv; /* this and the next are the program's to set, for STAT */
    int16_t mcu_temp_c10;
    uint32_t resent, refused, desc_crc, tare_seq;
    uint16_t period_ds[LL_CH]; /* as the host set it; 0: as described */
    ll_control before;
    uint8_t rx[1 + LL_HEARD_MAX + 1]; /* what the first code stands for, a message, and one byte that is too many */
    uint8_t frame[LL_FRAME];
    ll_record records[LL_RING];
} ll_ctx;

enum { LL_LINKED = 1, LL_WAITING = 2, LL_TIMED = 4, LL_SPOKE = 8, LL_KEPT = 128 };

/* Begin, with the ring that c holds if it checks and power was never lost, else empty. */
void ll_init(ll_ctx *c, const ll_config *cfg);
/* Keep one reading taken at uptime ms; a channel the board has not is ignored. */
void ll_put(ll_ctx *c, uint8_t ch, uint8_t status, int32_t value, uint32_t ms);
/* Take one byte of the host. */
void ll_rx(ll_ctx *c, uint8_t byte, uint32_t ms);
/* Do what time asks for and send at most one frame of records; returns 1 if there may be more to send at once. */
uint8_t ll_poll(ll_ctx *c, uint32_t ms);

/* What the program supplies. ll_tx: write n bytes; may block, must not call back. */
void ll_tx(void *user, const uint8_t *bytes, uint16_t n);
/* With LL_HAS_CMD: do what the host asks and return LL_DONE or why not. LL_REBOOT is asked after its answer was
 * written. */
uint8_t ll_cmd(void *user, uint8_t op, const uint8_t *args);
/* With LL_HAS_SAVE: ring or records changed. A board that copies them to memory that lasts (FRAM), and back before
 * ll_init, keeps them through a loss of power too. */
void ll_save(void *user);

#ifdef __cplusplus
}
#endif
#endif /* LARDER_LINK_H */

#if defined(LL_IMPLEMENTATION) && !defined(LARDER_LINK_DONE)
#define LARDER_LINK_DONE

#ifdef __cplusplus
extern "C" {
#endif

#define LL_MAGIC (0x334C4C00UL + LL_RING) /* begins the CRC of the ring: one of another size is another ring */
#define LL_NEWEST_KEPT 8                  /* records at the head that are never merged */
#define LL_ENOUGH (LL_RING / 8)           /* door edges merge only when the rest frees less than this */
#define LL_WINDOW 116                     /* records on their way beyond what has arrived */
#define LL_RTO_START 250U
#define LL_RTO_MIN 60U
#define LL_RTO_MAX 4000U
#define LL_EXPIRIES_MAX 5
#define LL_HELLO_EACH 1000U
#define LL_STAT_EACH 60000U
#define LL_SILENCE 2000U    /* drops an unfinished segment */
#define LL_WAKE_AFTER 1000U /* so long a silence is broken by one extra delimiter */
#define LL_FRAME_MIN 4      /* records; smaller frames would be mostly header */
#define LL_FRAMES_JUDGED 32
#define LL_RESENT_HIGH 3 /* of the last 32 frames: more than 10 % */
#define LL_NOBODY 0xFFU  /* channel of a record that was merged away */

/* The compiler must not carry a write to the ring across this line: a reset may come between any two of them. */
#if defined(__GNUC__)
#define LL_BARRIER() __asm__ volatile("" ::: "memory")
#else
#define LL_BARRIER() ((void)0)
#endif

/* What small processors need to be kept apart, since their compiler would copy it to every place of use. */
#if defined(__GNUC__) && !defined(__clang__)
#define LL_APART __attribute__((noinline, noclone))
#else
#define LL_APART
#endif

#define LL_ASSERT(name, is_so) typedef char ll_assert_##name[(is_so) ? 1 : -1]
LL_ASSERT(record, sizeof(ll_record) == 12);
#define LL_CHANNEL_SENT 39 /* bytes of ll_channel */
LL_ASSERT(channel, sizeof(ll_channel) == LL_CHANNEL_SENT + 4);
LL_ASSERT(ring, LL_RING >= 16 && LL_RING <= 16384);
LL_ASSERT(maxrec, LL_MAXREC >= 4 && LL_MAXREC <= 29);
LL_ASSERT(channels, LL_CH >= 1 && LL_CH <= 32);

/* ---- numbers ---- */

static const uint32_t ll_crc_table[16] LL_FLASH = {
    0x00000000UL, 0x1DB71064UL, 0x3B6E20C8UL, 0x26D930ACUL, 0x76DC4190UL, 0x6B6B51F4UL, 0x4DB26158UL, 0x5005713CUL,
    0xEDB88320UL, 0xF00F9344UL, 0xD6D6A3E8UL, 0xCB61B38CUL, 0x9B64C2B0UL, 0x86D3D2D4UL, 0xA00AE278UL, 0xBDBDF21CUL};

LL_APART static uint32_t ll_crc_half(uint32_t crc)
{
    return (crc >> 4) ^ LL_FLASH_U32(&ll_crc_table[(uint8_t)crc & 15]);
}

/* Go on with a CRC-32 that began with 0; several stretches add up to that of all of them. */
LL_APART static uint32_t ll_crc(uint32_t crc, const uint8_t *bytes, uint8_t n)
{
    crc = ~crc;
    while (n--) {
        crc ^= *bytes++;
        crc = ll_crc_half(ll_crc_half(crc));
    }
    return ~crc;
}

LL_APART static uint32_t ll_get32(const uint8_t *p)
{
    uint32_t v = 0;
    uint8_t i = 4;
    while (i--) v = v << 8 | p[i];
    return v;
}
LL_APART static uint16_t ll_get16(const uint8_t *p) { return (uint16_t)(p[0] | (uint16_t)(p[1] << 8)); }

/* ---- the ring ---- */

/* The record so many places behind the oldest. */
LL_APART static ll_record *ll_at(ll_ctx *c, ll_place place)
{
    place = (ll_place)(place + c->ring.slot);
    return &c->records[place < LL_RING ? place : place - LL_RING];
}

static uint32_t ll_control_crc(const ll_control *k)
{
    return ll_crc(LL_MAGIC, (const uint8_t *)k, (uint8_t)(sizeof *k - sizeof k->crc));
}

/* Make the present state of the ring the one that a reset finds. */
LL_APART static void ll_store(ll_ctx *c)
{
    c->ring.crc = ll_control_crc(&c->ring);
    LL_BARRIER();
    memcpy(&c->before, &c->ring, sizeof c->ring);
    LL_BARRIER();
#ifdef LL_HAS_SAVE
    ll_save(c->cfg->user);
#endif
}

LL_APART static uint8_t ll_is_whole(const ll_control *k) { return k->crc == ll_control_crc(k); }

/* Whether the ring of the boot before is there. */
static uint8_t ll_is_kept(ll_ctx *c)
{
    ll_place place;
    if (!ll_is_whole(&c->ring)) memcpy(&c->ring, &c->before, sizeof c->ring);
    if (!ll_is_whole(&c->ring)) return 0;
    for (place = 0; place < c->ring.used; place++)
        if (ll_at(c, place)->ch >= c->cfg->channel_count) return 0; /* another program wrote this */
    return 1;
}

/* Forget the oldest n records, n <= fixed. */
LL_APART static void ll_forget(ll_ctx *c, ll_place n)
{
    ll_control *k = &c->ring;
    k->tail += n;
    k->used = (ll_place)(k->used - n);
    k->fixed = (ll_place)(k->fixed - n);
    k->slot = (ll_place)(k->slot + n);
    if (k->slot >= LL_RING) k->slot = (ll_place)(k->slot - LL_RING);
    c->seen = (ll_place)(c->seen - n);
    c->next = (ll_place)(c->next - n);
    c->timed = (ll_place)(c->timed - n);
    ll_store(c);
}

LL_APART static uint8_t ll_flags(const ll_ctx *c, uint8_t ch) { return LL_FLASH_U8(&c->cfg->channels[ch].flags); }

/* Whether the earlier of two records is the one that must stay. */
LL_APART static uint8_t ll_is_worse(const ll_ctx *c, const ll_record *first, const ll_record *second)
{
    uint8_t keep = ll_flags(c, first->ch) & LL_KEEP_FARTHEST;
    if (keep == LL_KEEP_FARTHEST) {
        const uint8_t *sum = c->cfg->channels[first->ch].sum + 4;
        uint32_t middle = 0;
        int32_t above;
        uint8_t n = 4;
        while (n--) middle = middle << 8 | LL_FLASH_U8(--sum);
        /* Of two values the higher one is farther from the middle if their sum is above that of lo and hi. */
        above = (int32_t)((uint32_t)first->value + (uint32_t)second->value - middle);
        if (above == 0) return 0;
        keep = above < 0 ? LL_KEEP_LOWEST : LL_KEEP_HIGHEST;
    }
    if (keep == LL_KEEP_LOWEST) {
        const ll_record *third = first;
        first = second;
        second = third;
    }
    return keep != LL_KEEP_LATEST && first->value > second->value;
}

/* Merge neighbours of one channel, boot and goodness among the never-sent records, and close the ranks. */
LL_APART static void ll_thin(ll_ctx *c, uint8_t spared)
{
    ll_record *waiting[LL_CH];
    ll_place place, to = c->ring.fixed, used = c->ring.used, last = (ll_place)(used - LL_NEWEST_KEPT);
    uint8_t ch;
    for (ch = 0; ch < LL_CH; ch++) waiting[ch] = 0;
    for (place = to; place < last; place++) {
        ll_record *r = ll_at(c, place), *stays = r, **earlier = &waiting[r->ch], *goes = *earlier;
        if (ll_flags(c, r->ch) & spared) continue;
        *earlier = r;
        /* A fault between two values keeps them apart: the stretch is no longer one. */
        if (!goes || goes->boot != r->boot || ((goes->status ^ r->status) & LL_FAULT)) continue;
        *earlier = 0;
        /* The survivor stays where its own time belongs, so that uptime never runs back in order of numbers. */
        if (ll_is_worse(c, goes, r)) stays = goes, goes = r;
        stays->status |= LL_MERGED;
        goes->ch = LL_NOBODY;
    }
    for (place = to; place < used; place++) {
        const ll_record *r = ll_at(c, place);
        if (r->ch != LL_NOBODY) memcpy(ll_at(c, to++), r, sizeof *r);
    }
    c->ring.used = to;
}

/* Free at least one place: thin what was never sent; only when nothing merges the oldest is lost, and counted. */
LL_APART static void ll_make_room(ll_ctx *c)
{
    /* In the midst of this the numbers mean nothing: a reset now must find no ring, and the host will write a gap. */
    c->ring.crc = c->before.crc ^= 1;
    LL_BARRIER();
    ll_thin(c, LL_EVENT);
    if (c->ring.used > LL_RING - LL_ENOUGH) ll_thin(c, 0);
    if (c->ring.used == LL_RING) {
        c->ring.dropped++;
        if (!c->ring.fixed) c->ring.fixed = 1;
        if (!c->seen) c->seen = 1;
        if (!c->next) c->next = 1;
        c->flags &= (uint8_t)~LL_TIMED;
        ll_forget(c, 1);
        return;
    }
    LL_BARRIER();
    ll_store(c);
}

void ll_put(ll_ctx *c, uint8_t ch, uint8_t status, int32_t value, uint32_t ms)
{
    ll_record *r;
    if (ch >= c->cfg->channel_count) return;
    if (c->ring.used == LL_RING) ll_make_room(c);
    r = ll_at(c, c->ring.used);
    r->ms = ms;
    r->value = value;
    r->boot = c->ring.boot;
    r->ch = ch;
    r->status = status;
    LL_BARRIER();
    c->ring.used++;
    ll_store(c);
}

/* ---- what the board says ---- */

LL_APART static void ll_u8(ll_ctx *c, uint8_t byte) { *c->at++ = byte; }
LL_APART static void ll_u16(ll_ctx *c, uint16_t v) { ll_u8(c, (uint8_t)v), ll_u8(c, (uint8_t)(v >> 8)); }
LL_APART static void ll_u32(ll_ctx *c, uint32_t v) { ll_u16(c, (uint16_t)v), ll_u16(c, (uint16_t)(v >> 16)); }

LL_APART static void ll_bytes(ll_ctx *c, const uint8_t *bytes, uint8_t n)
{
    while (n--) ll_u8(c, *bytes++);
}

/* The message begins at frame[2]: a delimiter and the first code of COBS go in front of it. */
LL_APART static void ll_begin(ll_ctx *c, uint8_t type)
{
    c->at = c->frame + 2;
    ll_u8(c, 1);
    ll_u8(c, type);
}

/* Most messages name our boot after their type. */
LL_APART static void ll_begin_boot(ll_ctx *c, uint8_t type)
{
    ll_begin(c, type);
    ll_u16(c, c->ring.boot);
}

/* Add the bytes written so far to a check sum. */
LL_APART static uint32_t ll_sum(const ll_ctx *c, uint32_t crc)
{
    return ll_crc(crc, c->frame + 2, (uint8_t)(c->at - c->frame - 2));
}

/* Close the message with its check sum, make it COBS where it lies (it fits one block), and write it. */
LL_APART static void ll_end(ll_ctx *c)
{
    uint8_t *code_at = c->frame + 1, *p = code_at;
    ll_u32(c, ll_sum(c, 0));
    ll_u8(c, 0);
    while (++p != c->at) {
        if (*p) continue;
        *code_at = (uint8_t)(p - code_at);
        code_at = p;
    }
    p = c->frame;
    *p = 0;
    if (c->flags & LL_SPOKE) p++;
    c->flags |= LL_SPOKE;
    c->sent_at = (uint16_t)c->now;
    ll_tx(c->cfg->user, p, (uint16_t)(c->at - p));
}

LL_APART static void ll_desc(ll_ctx *c, uint8_t ch)
{
    const uint8_t *from = &c->cfg->channels[ch].kind;
    uint16_t period_ds = c->period_ds[ch];
    uint8_t n = LL_CHANNEL_SENT;
    ll_begin(c, 0x04);
    ll_u8(c, ch);
    while (n--) ll_u8(c, LL_FLASH_U8(from++));
    if (period_ds) {
        c->frame[16] = (uint8_t)period_ds; /* byte 14 of the message */
        c->frame[17] = (uint8_t)(period_ds >> 8);
    }
}

/* The check sum of all descriptions, by which the host knows whether it has them. */
LL_APART static void ll_sum_descriptions(ll_ctx *c)
{
    uint32_t crc = 0;
    uint8_t ch;
    for (ch = 0; ch < c->cfg->channel_count; ch++) {
        ll_desc(c, ch);
        crc = ll_sum(c, crc);
    }
    c->desc_crc = crc;
}

LL_APART static void ll_say_hello(ll_ctx *c)
{
    const ll_control *k = &c->ring;
    const ll_config *cfg = c->cfg;
    c->hello_at = (uint16_t)c->now;
    ll_begin_boot(c, 0x01);
    ll_u32(c, k->tail);
    ll_u32(c, k->tail + k->used);
    ll_u32(c, c->now);
    ll_u32(c, k->dropped);
    ll_bytes(c, cfg->uid, sizeof cfg->uid);
    ll_u16(c, cfg->firmware);
    ll_u8(c, cfg->channel_count);
    ll_u8(c, (uint8_t)(cfg->cause | (c->flags & LL_KEPT)));
    ll_u32(c, c->desc_crc);
    ll_u16(c, LL_RING);
    ll_end(c);
}

LL_APART static void ll_say_stat(ll_ctx *c)
{
    c->stat_at = (uint16_t)c->now;
    ll_begin_boot(c, 0x05);
    ll_u32(c, c->refused);
    ll_u32(c, c->resent);
    ll_u32(c, c->ring.dropped);
    ll_u16(c, c->ring.used);
    ll_u16(c, c->vcc_mv);
    ll_u16(c, (uint16_t)c->mcu_temp_c10);
    ll_end(c);
}

/* ---- sending records: go-back-N ---- */

/* Choose the size of the next frames by how many of the last ones were sent again. */
LL_APART static void ll_judge_line(ll_ctx *c, uint8_t is_resent)
{
    c->frames++;
    c->frames_resent = (uint8_t)(c->frames_resent + is_resent);
    c->resent += is_resent;
    if (c->frames_resent > LL_RESENT_HIGH) {
        if (c->halvings != LL_HALVINGS) c->halvings++;
    } else if (c->frames < LL_FRAMES_JUDGED) {
        return;
    } else if (c->frames_resent == 0 && c->halvings > 0) {
        c->halvings--;
    }
    c->frames = c->frames_resent = 0;
}

LL_APART static uint8_t ll_send_data(ll_ctx *c)
{
    const ll_record *r;
    ll_place first = c->next, end = c->ring.used;
    uint8_t frame = LL_MAXREC, is_resent = first < c->ring.fixed, halvings = c->halvings;
    uint16_t boot;
    uint32_t base_ms;
#if LL_RING / 2 > LL_WINDOW
    ll_place window_end = (ll_place)(c->seen + LL_WINDOW);
    if (end > window_end) end = window_end;
#endif
    if (end > LL_RING / 2) end = LL_RING / 2; /* what the host cannot commit must not pin the ring */
    if (end <= first) return 0;
    while (halvings--) frame >>= 1;
    if (frame < LL_FRAME_MIN) frame = LL_FRAME_MIN;
    if ((ll_place)(end - first) > frame) end = (ll_place)(first + frame);
    r = ll_at(c, first);
    boot = r->boot;
    base_ms = r->ms;
    ll_begin(c, 0x03);
    ll_u16(c, boot);
    ll_u32(c, c->ring.tail + first);
    ll_u32(c, base_ms);
    do {
        ll_u16(c, (uint16_t)(r->ms - base_ms));
        ll_u8(c, r->ch);
        ll_u8(c, (uint8_t)(boot == c->ring.boot ? r->status : r->status | LL_EARLIER_BOOT));
        ll_u32(c, (uint32_t)r->value);
        r = ll_at(c, ++first);
    } while (first < end && r->boot == boot && r->ms - base_ms <= 0xFFFFUL);
    ll_judge_line(c, is_resent);
    if (!is_resent && !(c->flags & LL_TIMED)) {
        c->flags |= LL_TIMED;
        c->timed = c->next;
        c->timed_at = (uint16_t)c->now;
    }
    c->next = first;
    if (first > c->ring.fixed) {
        c->ring.fixed = first; /* before the first byte is out: from now on these numbers are fixed */
        ll_store(c);
    }
    if (!(c->flags & LL_WAITING)) c->waiting_at = (uint16_t)c->now;
    c->flags |= LL_WAITING;
    ll_end(c);
    return 1;
}

LL_APART static void ll_go_back(ll_ctx *c)
{
    c->next = c->seen;
    c->flags &= (uint8_t)~LL_TIMED; /* a time taken from a resent record would say nothing */
    c->waiting_at = (uint16_t)c->now;
}

/* Whether so many ms have passed since one of our times. The low half will do: the loop looks at least once a second.
 */
LL_APART static uint8_t ll_has_passed(const ll_ctx *c, uint16_t at, uint16_t ms)
{
    return (uint16_t)((uint16_t)c->now - at) >= ms;
}

uint8_t ll_poll(ll_ctx *c, uint32_t ms)
{
    c->now = ms;
    if (ll_has_passed(c, c->heard_at, LL_SILENCE)) c->heard = 0;
    if (ll_has_passed(c, c->sent_at, LL_WAKE_AFTER)) c->flags &= (uint8_t)~LL_SPOKE;
    if ((c->flags & LL_WAITING) && ll_has_passed(c, c->waiting_at, c->rto_ms)) {
        if (++c->expiries >= LL_EXPIRIES_MAX) c->flags &= (uint8_t) ~(LL_LINKED | LL_WAITING);
        c->rto_ms = (uint16_t)(2U * c->rto_ms);
        if (c->rto_ms > LL_RTO_MAX) c->rto_ms = LL_RTO_MAX;
        ll_go_back(c);
    }
    if (!(c->flags & LL_LINKED)) {
        if (ll_has_passed(c, c->hello_at, LL_HELLO_EACH)) ll_say_hello(c);
        return 0;
    }
    if (c->desc_due < c->cfg->channel_count) {
        ll_desc(c, c->desc_due++);
        ll_end(c);
        return 1;
    }
    if (ll_has_passed(c, c->stat_at, LL_STAT_EACH)) ll_say_stat(c);
    return ll_send_data(c);
}

/* ---- what the host says ---- */

/* The host has more than before: take the time of the round trip, if nothing of it was sent twice. The timeout comes
 * down with every such step, also without a new time: on a line where all is sent twice it would stay doubled for ever.
 */
LL_APART static void ll_note_trip(ll_ctx *c)
{
    uint16_t rto;
    if ((c->flags & LL_TIMED) && c->seen > c->timed) {
        c->rtt_ms = (uint16_t)((uint16_t)c->now - c->timed_at);
        c->flags &= (uint8_t)~LL_TIMED;
    }
    rto = (uint16_t)(c->rto_ms - c->rto_ms / 8U + c->rtt_ms / 2U);
    if (rto < LL_RTO_MIN) rto = LL_RTO_MIN;
    if (rto > LL_RTO_MAX) rto = LL_RTO_MAX;
    c->rto_ms = rto;
}

/* Where in the ring the number lies that a host names; LL_NOWHERE if it was never sent or is gone. */
#define LL_NOWHERE ((ll_place) - 1)
LL_APART static ll_place ll_place_of(const ll_ctx *c, const uint8_t *number)
{
    uint32_t n = ll_get32(number) - c->ring.tail;
    return n > c->ring.fixed ? LL_NOWHERE : (ll_place)n;
}

LL_APART static uint8_t ll_hear_ack(ll_ctx *c)
{
    ll_place committed = ll_place_of(c, c->rx + 5), seen = ll_place_of(c, c->rx + 9);
    if (committed == LL_NOWHERE || seen == LL_NOWHERE) {
        ll_say_hello(c);
        return LL_NO_REASON;
    }
    if (seen < committed) return LL_FIELD;
    if (!(c->flags & LL_LINKED)) {
        c->flags |= LL_LINKED;
        c->expiries = 0;
        c->rto_ms = LL_RTO_START;
        c->rtt_ms = LL_RTO_START / 4;
        c->stat_at = (uint16_t)c->now;
        c->seen = seen;
        ll_go_back(c);
    } else if (seen > c->seen) {
        c->seen = seen;
        ll_note_trip(c);
        c->expiries = 0;
        c->waiting_at = (uint16_t)c->now;
        if (c->next <= seen) {
            c->next = seen;
            c->flags &= (uint8_t)~LL_WAITING;
        }
    } else if (seen < c->seen) {
        c->seen = seen; /* the host was started again and forgot what had arrived */
        ll_go_back(c);
    } else if (committed == 0 && c->next > seen && ll_has_passed(c, c->went_back_at, c->rtt_ms)) {
        /* Said before, so there is a hole. At most once in a round trip: a duplicate cannot start a storm. */
        c->went_back_at = (uint16_t)c->now;
        ll_go_back(c);
    }
    if (committed) ll_forget(c, committed);
    return LL_NO_REASON;
}

/* Do the command in rx, with n arguments, or say why not. */
static uint8_t ll_do(ll_ctx *c, uint8_t op, uint8_t n)
{
#ifdef LL_HAS_CMD
    static const uint8_t counts[LL_REBOOT + 1] LL_FLASH = {0xFF, 1, 3, 0, 1, 0}; /* arguments of each op */
    const uint8_t *args = c->rx + 8;
    uint8_t status;
    if (op > LL_REBOOT) return LL_UNKNOWN_OP;
    if (n != LL_FLASH_U8(&counts[op]) || (op <= LL_SET_PERIOD && args[0] >= c->cfg->channel_count)) return LL_BAD_ARGS;
    if (op != LL_SEND_DESC && op != LL_REBOOT) {
        status = ll_cmd(c->cfg->user, op, args);
        if (status != LL_DONE) return status;
    }
    if (op == LL_SET_PERIOD) {
        c->period_ds[args[0]] = ll_get16(args + 1);
        ll_sum_descriptions(c);
    }
    if (op == LL_TARE) {
        /* The answer names the first record weighed anew, so no number before it may move any more. */
        c->ring.fixed = c->ring.used;
        ll_store(c);
    }
#else
    (void)n;
    if (op != LL_SEND_DESC) return LL_UNKNOWN_OP;
#endif
    if (op == LL_SEND_DESC) c->desc_due = 0;
    return LL_DONE;
}

/* Answer the command in rx; n counts its arguments. The same number again is only answered again. */
LL_APART static void ll_hear_cmd(ll_ctx *c, uint8_t n)
{
    uint16_t id = ll_get16(c->rx + 5);
    uint8_t op = c->rx[7], is_done = 0;
    if (id != c->answer_id) { /* never 0 */
        c->answer_id = id;
        c->answer_status = ll_do(c, op, n);
        is_done = c->answer_status == LL_DONE;
        if (is_done && op == LL_TARE) c->tare_seq = c->ring.tail + c->ring.used;
    }
    ll_begin_boot(c, 0x06);
    ll_u16(c, id);
    ll_u8(c, c->answer_status);
    if (op == LL_TARE && c->answer_status == LL_DONE) ll_u32(c, c->tare_seq);
    ll_end(c);
#ifdef LL_HAS_CMD
    if (is_done && op == LL_SET_PERIOD) ll_say_hello(c); /* its new desc_crc makes the host ask */
    if (is_done && op == LL_REBOOT) (void)ll_cmd(c->cfg->user, op, c->rx + 8);
#endif
}

/* Check a segment and act on its message; returns why it was refused, or LL_NO_REASON. */
LL_APART static uint8_t ll_hear(ll_ctx *c, uint8_t n)
{
    static const uint8_t lengths[4] LL_FLASH = {4, 12, 8, 7}; /* HELLO_REQ, ACK, TIME_REQ, CMD without arguments */
    const uint8_t *body = c->rx + 1;
    uint8_t type, length;
    uint16_t boot;
    if (n > LL_HEARD_MAX) return LL_OVERSIZE;
    if (c->left) return LL_BAD_COBS;
    if (n < 8) return LL_TOO_SHORT;
    n = (uint8_t)(n - 4);
    if (ll_crc(0, body, n) != ll_get32(body + n)) return LL_BAD_CRC;
    if (body[0] != 1) return LL_VERSION;
    type = (uint8_t)(body[1] ^ 0x80);
    if (type & 0x80) return LL_DIRECTION; /* a board's: the line echoes */
    if (type > 3) return LL_TYPE;
    length = LL_FLASH_U8(&lengths[type]);
    if (n < length || (n > length && type != 3)) return LL_LENGTH;
    boot = ll_get16(body + 2);
    if (type == 0 && boot != 0) return LL_FIELD;
    if (type == 3 && ll_get16(body + 4) == 0) return LL_FIELD;
    if (type == 0 || boot != c->ring.boot) {
        ll_say_hello(c);
    } else if (type == 1) {
        return ll_hear_ack(c);
    } else if (type == 2) {
        ll_begin_boot(c, 0x02);
        ll_bytes(c, body + 4, 4);
        ll_u32(c, c->now);
        ll_end(c);
    } else {
        ll_hear_cmd(c, (uint8_t)(n - 7));
    }
    return LL_NO_REASON;
}

void ll_rx(ll_ctx *c, uint8_t byte, uint32_t ms)
{
    uint8_t n = c->heard;
    c->now = ms;
    c->heard_at = (uint16_t)ms;
    if (byte != 0) {
        /* COBS: a code stands for the zero before it, the first one for nothing (so the message begins at rx[1]), and
         * says how far it is to the next one. */
        if (n == 0) c->left = 0;
        if (c->left == 0) {
            c->left = byte;
            byte = 0;
        }
        c->left--;
        if (n >= sizeof c->rx) return; /* too long already */
        c->rx[n] = byte;
        c->heard = (uint8_t)(n + 1);
        return;
    }
    if (n == 0) return;
    c->heard = 0;
    c->refused_for = ll_hear(c, (uint8_t)(n - 1));
    if (c->refused_for != LL_NO_REASON) c->refused++;
}

void ll_init(ll_ctx *c, const ll_config *cfg)
{
    uint8_t *p = (uint8_t *)&c->cfg, *end = (uint8_t *)&c->before, is_kept = 0;
    while (p != end) *p++ = 0;
    c->cfg = cfg;
    c->desc_due = cfg->channel_count;
#ifndef LL_HAS_SAVE
    if (cfg->cause != LL_BY_POWER && cfg->cause != LL_BY_BROWN_OUT)
#endif
        is_kept = ll_is_kept(c);
    if (is_kept) {
        c->flags = LL_KEPT;
        c->ring.boot++;
    } else {
        c->ring.tail = c->ring.dropped = 0;
        c->ring.used = c->ring.fixed = c->ring.slot = 0;
        c->ring.boot = cfg->boot;
    }
    ll_store(c);
    ll_sum_descriptions(c);
}

#ifdef __cplusplus
}
#endif
#endif /* LL_IMPLEMENTATION */
