/* virtual_sensor.c: a whole sensor board as a POSIX process, made of the same header as a real one.
 *
 * Not a part of an installed market: for the demo, for tests, and for trying a bridge without hardware. It measures a
 * made-up place or plays a recorded log, speaks on a pseudo terminal of its own, and can be as faulty as a real one: a
 * noisy line, a stall, a reset that keeps the ring, a power cut that loses it, a clock that runs wrong. Same seed, same
 * readings.
 *
 * Build: cc -std=c99 -O2 -o virtual_sensor virtual_sensor.c -lm
 */
#define _XOPEN_SOURCE 700
#ifndef LL_RING
#define LL_RING 4096
#endif
#define LL_CH 4
#define LL_HAS_CMD
#define LL_IMPLEMENTATION
#include "larder_link.h"

#include <signal.h>
#include <sys/mman.h>
#include <time.h>

#include "virtual_line.h"
#include "virtual_options.h"
#include "virtual_place.h"
#include "virtual_script.h"

#define WAIT_MS_MAX 20           /* how long the board's loop sleeps at most */
#define MEASURED_AT_ONCE_MAX 500 /* so that a board that was held up still speaks */
#define HEARTBEAT_MS 60000       /* of a door when no edge came */
#define DOOR 1

static struct {
    ll_ctx *link;
    ll_config config;
    ll_channel channels[LL_CH];
    line_state line;
    place place;
    script script;
    FILE *produced;
    double booted_ms, due_ms, door_at_ms;
    long row;
    uint32_t life_head; /* of the ring, when this life of it began */
    uint64_t made, life_made, merged, dropped, lost;
    int32_t tare;
    uint64_t allowed; /* readings that may be made, where orders are taken */
    char order[32];
    size_t order_count;
    int was_open, wants_reset, wants_cut;
} board;

static volatile sig_atomic_t is_ending;
static void end_soon(int number) { (void)number, is_ending = 1; }

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1000.0 + (double)t.tv_nsec / 1e6;
}

/* ---- what the header asks of a program ---- */

void ll_tx(void *user, const uint8_t *bytes, uint16_t n) { (void)user, line_send(&board.line, bytes, n); }

uint8_t ll_cmd(void *user, uint8_t op, const uint8_t *args)
{
    int is_open;
    (void)user;
    if (op == LL_REBOOT) board.wants_reset = 1;
    if (op == LL_SET_PERIOD && args[0] == 0) asked.period_s = (args[1] | args[2] << 8) / 10.0;
    if (op == LL_TARE) {
        if (args[0] != 0 || board.place.kind != SHELF) return LL_FAILED;
        board.tare = place_measure(&board.place, board.place.at_s, &is_open);
    }
    return LL_DONE;
}

/* ---- the board ---- */

static int32_t uptime_ms_at(double at_ms)
{
    return (int32_t)(uint32_t)(int64_t)((at_ms - board.booted_ms) * (1 + asked.clock_ppm / 1e6));
}

/* Begin an uptime; a ring that is not kept begins at the chosen number. */
static void start(uint8_t cause, double at_ms)
{
    board.config.cause = cause;
    board.booted_ms = at_ms;
    ll_init(board.link, &board.config);
    board.was_open = -1;
    board.wants_reset = board.wants_cut = 0;
    if (board.link->flags & LL_KEPT) return;
    if (cause == LL_BY_SOFTWARE) board.config.cause = LL_BY_POWER; /* there was no ring to keep */
    board.link->ring.tail = (uint32_t)asked.seq_start;
    ll_store(board.link);
}

static void begin_life(void)
{
    board.life_head = board.link->ring.tail + board.link->ring.used;
    board.life_made = 0;
    board.dropped -= board.link->ring.dropped;
}

/* Add up what became of the readings of a life of the ring. */
static void end_life(void)
{
    uint32_t numbered = board.link->ring.tail + board.link->ring.used - board.life_head;
    board.merged += board.life_made - numbered;
    board.dropped += board.link->ring.dropped;
}

static void cut_power(double at_ms)
{
    end_life();
    board.lost += board.link->ring.used;
    board.config.boot = (uint16_t)(board.link->ring.boot + 1);
    memset(board.link, 0xA5, sizeof *board.link); /* what memory holds when power comes back */
    start(LL_BY_POWER, at_ms);
    begin_life();
}

static void put(uint8_t channel, int32_t value, int32_t uptime_ms)
{
    ll_put(board.link, channel, 0, value, (uint32_t)uptime_ms);
    board.made++;
    board.life_made++;
    if (!board.produced) return;
    fprintf(board.produced, "%u %lu %u 0 %ld %lu\n", board.link->ring.boot,
            (unsigned long)(uint32_t)(board.link->ring.tail + board.link->ring.used - 1), channel, (long)value,
            (unsigned long)(uint32_t)uptime_ms);
}

static void put_row(const script_row *row, int32_t uptime_ms)
{
    uint8_t c;
    for (c = 0; c < asked.columns; c++) put(c, row->values[c], uptime_ms);
}

/* Measure once, as of a moment. */
static void measure(double at_ms, double place_s)
{
    int is_open;
    int32_t value = place_measure(&board.place, place_s, &is_open), uptime_ms = uptime_ms_at(at_ms);
    put(0, value - board.tare, uptime_ms);
    if (!asked.has_door || (is_open == board.was_open && at_ms - board.door_at_ms < HEARTBEAT_MS)) return;
    board.was_open = is_open;
    board.door_at_ms = at_ms;
    put(DOOR, is_open, uptime_ms);
}

/* Measure all that is due; since_ms is the start. */
static void measure_due(double at_ms, double since_ms)
{
    int n = 0;
    for (; n < MEASURED_AT_ONCE_MAX; n++) {
        if (asked.takes_orders && board.made >= board.allowed) break;
        if (asked.script) {
            if (board.row >= board.script.count) break;
            if ((double)board.script.rows[board.row].at_ms > (at_ms - since_ms) * asked.speed) break;
            put_row(&board.script.rows[board.row++], uptime_ms_at(at_ms));
        } else {
            if (board.due_ms > at_ms || (asked.count && board.made >= (uint64_t)asked.count)) break;
            measure(board.due_ms, (board.due_ms - since_ms) / 1000 * asked.speed);
            board.due_ms += asked.period_s * 1000;
        }
    }
    if (board.produced && n) fflush(board.produced);
}

/* Take what came on standard input; an order that is none is passed over. */
static void take_orders(void)
{
    char byte;
    while (asked.takes_orders && read(STDIN_FILENO, &byte, 1) == 1) {
        if (byte != '\n') {
            if (board.order_count + 1 < sizeof board.order) board.order[board.order_count++] = byte;
            continue;
        }
        board.order[board.order_count] = 0;
        board.order_count = 0;
        if (strncmp(board.order, "make ", 5) == 0) board.allowed += strtoul(board.order + 5, NULL, 10);
        if (strcmp(board.order, "reset") == 0) board.wants_reset = 1;
        if (strcmp(board.order, "cut") == 0) board.wants_cut = 1;
    }
}

/* Put the whole log into the ring with its own times, as after an outage; uptime goes on a second after the last row.
 */
static void measure_backlog(void)
{
    for (; board.row < board.script.count; board.row++)
        put_row(&board.script.rows[board.row],
                (int32_t)(uint32_t)((int64_t)asked.ms_start + board.script.rows[board.row].at_ms));
    board.booted_ms -= (double)board.script.rows[board.script.count - 1].at_ms + 1000;
    if (board.produced) fflush(board.produced);
}

/* ---- what it is ---- */

static void describe(int c, uint8_t kind, int8_t exp10, uint8_t flags, int32_t lo, int32_t hi, double period_ms,
                     uint16_t noise, const char *unit, const char *name)
{
    double ds = period_ms / 100;
    uint16_t period_ds = (uint16_t)(ds < 1 ? 1 : ds > 65535 ? 65535 : lrint(ds));
    ll_channel channel = LL_CHANNEL(kind, exp10, flags, lo, hi, period_ds, noise, "", "");
    memcpy(channel.unit, unit, strlen(unit));
    memcpy(channel.name, name, strlen(name) < sizeof channel.name ? strlen(name) : sizeof channel.name);
    board.channels[c] = channel;
}

static void describe_column(int c, const char *column, const char *name)
{
    char full[64];
    double period_ms = (double)board.script.period_ms / (asked.has_backlog ? 1 : asked.speed);
    snprintf(full, sizeof full, "%s%s%s", c ? column : "", c ? " " : "", name);
    if (strcmp(column, "humidity") == 0)
        describe(c, LL_HUMIDITY, -3, LL_KEEP_HIGHEST, 0, 100000, period_ms, 62, "%RH", full);
    else if (strcmp(column, "weight") == 0)
        describe(c, LL_WEIGHT, -3, LL_KEEP_LATEST, -2000, 30000, period_ms, 1, "kg", full);
    else if (strcmp(column, "voltage") == 0)
        describe(c, LL_VOLTAGE, -3, LL_KEEP_LOWEST, 0, 60000, period_ms, 1, "V", full);
    else if (strcmp(column, "temperature") == 0 || strcmp(column, "value") == 0)
        describe(c, LL_TEMPERATURE, -3, LL_KEEP_HIGHEST, -55000, 125000, period_ms, 62, "Cel", full);
    else
        describe(c, LL_KIND_OTHER, -3, LL_KEEP_LATEST, -VALUE_MAX, VALUE_MAX, period_ms, 0, "", full);
}

static const char *describe_all(void)
{
    static const char *const kinds[] = {"fridge", "freezer", "shelf", "ambient", "counter"};
    double period_ms = asked.period_s * 1000;
    int kind = 0, c;
    char door[64];
    while (kind <= COUNTER && strcmp(asked.kind, kinds[kind]) != 0) kind++;
    if (kind > COUNTER) return "--kind is fridge, freezer, shelf, ambient or counter";
    board.config.channel_count = (uint8_t)(asked.script ? asked.columns : 1 + asked.has_door);
    if (asked.script) {
        for (c = 0; c < asked.columns; c++) describe_column(c, asked.column[c], asked.name);
    } else if (kind == SHELF) {
        describe(0, LL_WEIGHT, -3, LL_KEEP_LATEST, -2000, 30000, period_ms, 1, "kg", asked.name);
    } else if (kind == COUNTER) {
        describe(0, LL_COUNT, 0, LL_KEEP_HIGHEST, 0, VALUE_MAX, period_ms, 0, "count", asked.name);
    } else {
        describe(0, LL_TEMPERATURE, -3, kind == AMBIENT ? LL_KEEP_FARTHEST : LL_KEEP_HIGHEST, -55000, 125000, period_ms,
                 62, "Cel", asked.name);
    }
    snprintf(door, sizeof door, "door %s", asked.name);
    if (asked.has_door && !asked.script)
        describe(DOOR, LL_DOOR, 0, LL_EVENT | LL_KEEP_LATEST, 0, 1, HEARTBEAT_MS, 0, "/", door);
    place_begin(&board.place, (place_kind)kind, (uint64_t)asked.seed * 1000003U + asked.uid_bytes[7]);
    return NULL;
}

/* ---- its memory, its loop ---- */

static int is_due(double *times, int n, double passed_s)
{
    int i;
    for (i = 0; i < n; i++) {
        if (times[i] < 0 || times[i] > passed_s) continue;
        times[i] = -1;
        return 1;
    }
    return 0;
}

static int open_memory(void)
{
    int fd;
    void *memory;
    struct timespec t;
    if (asked.state) {
        fd = open(asked.state, O_RDWR | O_CREAT | O_CLOEXEC, 0660);
        if (fd < 0) return 0;
        if (lseek(fd, 0, SEEK_END) != (off_t)sizeof(ll_ctx) && ftruncate(fd, 0)) return 0;
        if (ftruncate(fd, (off_t)sizeof(ll_ctx))) return 0;
        memory = mmap(NULL, sizeof(ll_ctx), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        close(fd);
        if (memory == MAP_FAILED) return 0;
        board.link = (ll_ctx *)memory;
    } else if (!(board.link = (ll_ctx *)calloc(1, sizeof(ll_ctx)))) {
        return 0;
    }
    clock_gettime(CLOCK_REALTIME, &t);
    board.config.boot = (uint16_t)(asked.boot >= 0 ? (long)asked.boot : t.tv_nsec / 1000 ^ t.tv_sec ^ getpid());
    board.config.firmware = 0x0100;
    board.config.channels = board.channels;
    memcpy(board.config.uid, asked.uid_bytes, sizeof board.config.uid);
    return 1;
}

static int wait_ms(double at_ms, int has_more)
{
    double due_ms = board.due_ms - at_ms;
    if (has_more && line_has_room(&board.line)) return 0;
    if (asked.script || (asked.count && board.made >= (uint64_t)asked.count)) due_ms = WAIT_MS_MAX;
    if (board.line.out_count) due_ms = 1;
    return due_ms < 0 ? 0 : due_ms > WAIT_MS_MAX ? WAIT_MS_MAX : (int)due_ms;
}

static void live(double since_ms)
{
    unsigned char read_bytes[4096], heard[2 * sizeof read_bytes];
    double last_ms = since_ms, deaf_until_ms = 0;
    int has_more = 0;
    while (!is_ending) {
        struct pollfd one = {.fd = board.line.ours, .events = POLLIN};
        double at_ms = now_ms(), passed_s = (at_ms - since_ms) / 1000;
        uint32_t uptime_ms;
        size_t n, i;
        take_orders();
        if (is_due(asked.power_cut_at, asked.power_cuts, passed_s) || board.wants_cut) cut_power(at_ms);
        if (is_due(asked.reset_at, asked.resets, passed_s) || board.wants_reset) start(LL_BY_PIN, at_ms);
        if (is_due(asked.stall, asked.stalls, passed_s)) deaf_until_ms = at_ms + 1000;
        uptime_ms = (uint32_t)uptime_ms_at(at_ms);
        measure_due(at_ms, since_ms);
        n = line_read(&board.line, read_bytes, sizeof read_bytes, heard);
        if (at_ms >= deaf_until_ms) {
            for (i = 0; i < n; i++) ll_rx(board.link, heard[i], uptime_ms);
            do has_more = line_has_room(&board.line) && ll_poll(board.link, uptime_ms);
            while (has_more);
            has_more = !line_has_room(&board.line);
        }
        line_flush(&board.line, at_ms - last_ms);
        last_ms = at_ms;
        (void)poll(&one, 1, wait_ms(at_ms, has_more));
        if (one.revents & (POLLERR | POLLNVAL)) break;
        if ((one.revents & POLLHUP) && !(one.revents & POLLIN)) (void)poll(NULL, 0, WAIT_MS_MAX);
    }
}

static int write_tally(void)
{
    FILE *file = fopen(asked.tally, "w");
    if (!file) return 0;
    end_life();
    fprintf(file,
            "{\"made\": %llu, \"merged\": %llu, \"dropped\": %llu, \"lost\": %llu, \"waiting\": %u, \"resent\": %lu}\n",
            (unsigned long long)board.made, (unsigned long long)board.merged, (unsigned long long)board.dropped,
            (unsigned long long)board.lost, board.link->ring.used, (unsigned long)board.link->resent);
    return fclose(file) == 0;
}

int main(int argc, char **argv)
{
    struct sigaction ending;
    const char *problem;
    double since_ms;
    int code = take_options(argc, argv);
    if (code) return code < 0 ? 0 : code;
    if (asked.script &&
        (problem = read_script(&board.script, asked.script, (char *const *)asked.column, asked.columns)))
        return refuse("--script", problem);
    if ((problem = describe_all())) return refuse("--kind", problem);
    memset(&ending, 0, sizeof ending);
    ending.sa_handler = end_soon;
    sigaction(SIGTERM, &ending, NULL);
    sigaction(SIGINT, &ending, NULL);
    board.line = (line_state){.noise = asked.noise,
                              .drop = asked.drop,
                              .dup = asked.dup,
                              .bytes_per_ms = asked.baud / 1e4,
                              .random = (uint64_t)asked.seed,
                              .ours = (int)asked.fd,
                              .theirs = -1};
    if (asked.produced && !(board.produced = fopen(asked.produced, "a"))) return perror(asked.produced), 1;
    if (!open_memory()) return perror("memory"), 1;
    since_ms = now_ms();
    start(LL_BY_SOFTWARE, since_ms - asked.ms_start / (1 + asked.clock_ppm / 1e6));
    begin_life();
    board.due_ms = since_ms;
    if (asked.has_backlog) measure_backlog();
    if (asked.fd >= 0 ? fcntl(board.line.ours, F_SETFL, O_NONBLOCK) != 0 : !line_open(&board.line, asked.link))
        return perror(asked.link ? asked.link : "terminal"), 1;
    if (asked.takes_orders && fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK)) return perror("orders"), 1;
    printf("ready %s\n", asked.link ? asked.link : asked.fd >= 0 ? "fd" : board.line.device);
    fflush(stdout);
    live(since_ms);
    line_close(&board.line);
    if (asked.tally && !write_tally()) return perror(asked.tally), 1;
    return 0;
}
