/* virtual_options.h: what a virtual board can be asked to be, and how that is typed.
 *
 * Not the board. One table holds every option with its limits; what is outside them is refused with a sentence and
 * code 2.
 */
#ifndef LARDER_VIRTUAL_OPTIONS_H
#define LARDER_VIRTUAL_OPTIONS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "virtual_script.h"

#define USAGE_ERROR 2
#define FAULTS_MAX 32

/* What was asked for. Times are seconds since the start; shares are from 0 to 1. */
static struct {
    const char *link, *uid, *name, *kind, *script, *column[COLUMNS_MAX], *state, *produced, *tally;
    double period_s, speed, noise, drop, dup, clock_ppm, seed, boot, seq_start, ms_start, count, fd, baud;
    double reset_at[FAULTS_MAX], power_cut_at[FAULTS_MAX], stall[FAULTS_MAX];
    int columns, resets, power_cuts, stalls, has_door, has_backlog, takes_orders;
    uint8_t uid_bytes[8];
} asked = {.name = "fridge-1", .kind = "fridge", .period_s = 1, .speed = 1, .boot = -1, .fd = -1};

enum { TEXT, NUMBER, TIMES, FLAG };
static const struct {
    const char *name;
    int type;
    void *to;
    int *count;
    double lowest, highest;
    const char *help;
} options[] = {
    {"--link", TEXT, &asked.link, NULL, 0, 0, "PATH  make PATH point to the terminal"},
    {"--fd", NUMBER, &asked.fd, NULL, 0, 1e6, "N  speak on this open descriptor instead"},
    {"--uid", TEXT, &asked.uid, NULL, 0, 0, "HEX  16 hex digits"},
    {"--name", TEXT, &asked.name, NULL, 0, 0, "NAME  of the measured channel"},
    {"--kind", TEXT, &asked.kind, NULL, 0, 0, "KIND  fridge, freezer, shelf, ambient or counter"},
    {"--door", FLAG, &asked.has_door, NULL, 0, 0, " also report a door, edge by edge"},
    {"--period-s", NUMBER, &asked.period_s, NULL, 0.0005, 6553, "S  between readings"},
    {"--count", NUMBER, &asked.count, NULL, 1, 1e9, "N  make so many readings, then only deliver"},
    {"--script", TEXT, &asked.script, NULL, 0, 0, "FILE.csv  play a recorded log"},
    {"--column", TEXT, asked.column, &asked.columns, 0, COLUMNS_MAX, "NAME  a column of the log; may be repeated"},
    {"--backlog", FLAG, &asked.has_backlog, NULL, 0, 0, " the whole log was measured before the host listens"},
    {"--speed", NUMBER, &asked.speed, NULL, 0.001, 1e6, "X  seconds of the place in a second"},
    {"--seed", NUMBER, &asked.seed, NULL, 0, 9e15, "N"},
    {"--state", TEXT, &asked.state, NULL, 0, 0, "FILE  keep the ring there over restarts"},
    {"--produced", TEXT, &asked.produced, NULL, 0, 0, "FILE  append a line for each reading"},
    {"--tally", TEXT, &asked.tally, NULL, 0, 0, "FILE  at the end, write what became of them"},
    {"--noise", NUMBER, &asked.noise, NULL, 0, 1, "P  share of bytes with a flipped bit, each way"},
    {"--drop", NUMBER, &asked.drop, NULL, 0, 1, "P  share of bytes lost, each way"},
    {"--dup", NUMBER, &asked.dup, NULL, 0, 1, "P  share of bytes doubled, each way"},
    {"--baud", NUMBER, &asked.baud, NULL, 300, 1e7, "N  send no faster than this"},
    {"--stall", TIMES, asked.stall, &asked.stalls, 0, 1e9, "S  hear and say nothing for a second; may be repeated"},
    {"--reset-at", TIMES, asked.reset_at, &asked.resets, 0, 1e9, "S  reset, ring kept; may be repeated"},
    {"--power-cut-at", TIMES, asked.power_cut_at, &asked.power_cuts, 0, 1e9,
     "S  lose power and the ring; may be repeated"},
    {"--orders", FLAG, &asked.takes_orders, NULL, 0, 0, " measure only as told on standard input: make N, reset, cut"},
    {"--clock-ppm", NUMBER, &asked.clock_ppm, NULL, -1e5, 1e5, "N  the board's clock runs fast by so much"},
    {"--boot", NUMBER, &asked.boot, NULL, 0, 65535, "N  number of the first boot"},
    {"--seq-start", NUMBER, &asked.seq_start, NULL, 0, 4294967295.0, "N  number of the first record"},
    {"--ms-start", NUMBER, &asked.ms_start, NULL, 0, 4294967295.0, "N  uptime at the start, in ms"},
};
#define OPTIONS (sizeof options / sizeof *options)

static int refuse(const char *what, const char *why)
{
    fprintf(stderr, "virtual_sensor: %s: %s\n", what, why);
    return USAGE_ERROR;
}

static int help(void)
{
    size_t i;
    puts("Be a sensor board on a pseudo terminal until SIGTERM.");
    for (i = 0; i < OPTIONS; i++) printf("  %s %s\n", options[i].name, options[i].help);
    return 0;
}

static int take_option(size_t o, const char *value)
{
    char *end;
    double number;
    int *count = options[o].count;
    if (count && *count >= (options[o].type == TEXT ? COLUMNS_MAX : FAULTS_MAX)) return 0;
    if (options[o].type == TEXT) {
        ((const char **)options[o].to)[count ? (*count)++ : 0] = value;
        return 1;
    }
    number = strtod(value, &end);
    if (end == value || *end || !(number >= options[o].lowest && number <= options[o].highest)) return 0;
    ((double *)options[o].to)[count ? (*count)++ : 0] = number;
    return 1;
}

static int parse_uid(void)
{
    uint8_t any = 0, all = 0xFF;
    int i, one;
    if (!asked.uid || strlen(asked.uid) != 16 || strspn(asked.uid, "0123456789abcdefABCDEF") != 16) return 0;
    for (i = 0; i < 8; i++) {
        sscanf(asked.uid + 2 * i, "%2x", (unsigned *)&one);
        asked.uid_bytes[i] = (uint8_t)one;
        any |= (uint8_t)one, all &= (uint8_t)one;
    }
    return any != 0 && all != 0xFF;
}

/* Read the command line; returns 0, or the code to end with. */
static int take_options(int argc, char **argv)
{
    int i;
    size_t o;
    for (i = 1; i < argc; i++) {
        size_t length = strcspn(argv[i], "=");
        const char *value = argv[i][length] ? argv[i] + length + 1 : NULL;
        if (strcmp(argv[i], "--help") == 0) return help(), -1;
        for (o = 0; o < OPTIONS; o++)
            if (strlen(options[o].name) == length && strncmp(options[o].name, argv[i], length) == 0) break;
        if (o == OPTIONS) return refuse(argv[i], "there is no such option");
        if (options[o].type == FLAG) {
            *(int *)options[o].to = 1;
            continue;
        }
        if (!value && i + 1 < argc) value = argv[++i];
        if (!value || !take_option(o, value)) return refuse(options[o].name, options[o].help);
    }
    if (!parse_uid()) return refuse("--uid", "16 hex digits, not all 0 and not all f");
    if (strlen(asked.name) > 16 ||
        strspn(asked.name, " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`"
                           "abcdefghijklmnopqrstuvwxyz{|}~") != strlen(asked.name))
        return refuse("--name", "at most 16 printable ASCII characters");
    if (asked.script && !asked.columns) asked.column[asked.columns++] = "value";
    if (asked.has_backlog && !asked.script) return refuse("--backlog", "needs --script");
    return 0;
}

#endif
