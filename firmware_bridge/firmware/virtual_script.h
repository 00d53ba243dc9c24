/* virtual_script.h: a recorded log as readings to play, and the reading of numbers without losing a digit.
 *
 * Not a parser of any one maker's files: a CSV with a header, no quoted commas, a time in the first column (seconds, or
 * ISO 8601 with or without an offset) and values in named ones. The file is hostile until read: its size is bounded,
 * and a row that makes no sense is left out and counted. Values become thousandths, halves to even.
 */
#ifndef LARDER_VIRTUAL_SCRIPT_H
#define LARDER_VIRTUAL_SCRIPT_H

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_MAX 1000000
#define COLUMNS_MAX 4 /* columns played, each a channel */
#define FIELDS_MAX 64
#define LINE_MAX_BYTES 4096
#define VALUE_MAX (1L << 29) /* what the link's arithmetic allows */

typedef struct {
    int64_t at_ms;
    long number; /* of the row, to keep the file's order among equal times */
    int32_t values[COLUMNS_MAX];
} script_row;

typedef struct {
    script_row *rows;
    long count, skipped;
    int64_t period_ms; /* median step */
} script;

/* Read a decimal number as thousandths; returns 0 if it is none. */
static int parse_milli(const char *text, int64_t *milli)
{
    int is_negative = *text == '-', digits = 0, places = 0, is_after_point = 0, round_up = 0, is_exact = 1;
    int64_t v = 0;
    if (*text == '-' || *text == '+') text++;
    for (; isdigit((unsigned char)*text) || (*text == '.' && !is_after_point); text++) {
        if (*text == '.') {
            is_after_point = 1;
            continue;
        }
        digits++;
        if (places < 3) {
            v = v * 10 + (*text - '0');
            places += is_after_point;
        } else {
            if (places == 3)
                round_up = *text - '0';
            else
                is_exact = is_exact && *text == '0';
            places++;
        }
        if (v > (int64_t)1 << 50) return 0;
    }
    while (*text == ' ' || *text == '\r' || *text == '\n') text++;
    if (!digits || *text) return 0;
    for (; places < 3; places++) v *= 10;
    if (round_up > 5 || (round_up == 5 && (!is_exact || (v & 1)))) v++;
    *milli = is_negative ? -v : v;
    return 1;
}

static int64_t days_from_civil(int64_t y, int m, int d)
{
    int64_t era, of_era;
    y -= m <= 2;
    era = (y >= 0 ? y : y - 399) / 400;
    of_era = y - era * 400;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1 -
           719468;
}

/* Read a time as milliseconds; returns 0 if it is none. */
static int parse_time(const char *text, int64_t *at_ms)
{
    int year, month, day, hour, minute, second, read = 0, offset_h = 0, offset_m = 0;
    int64_t milli = 0;
    char fraction[16] = "0.";
    if (parse_milli(text, at_ms)) return 1;
    if (sscanf(text, "%4d-%2d-%2d%*1[T ]%2d:%2d:%2d%n", &year, &month, &day, &hour, &minute, &second, &read) != 6)
        return 0;
    if (read == 0 || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60)
        return 0;
    if (hour < 0 || minute < 0 || second < 0) return 0;
    text += read;
    if (*text == '.') {
        size_t n = strspn(++text, "0123456789");
        if (n == 0 || n > 9) return 0;
        memcpy(fraction + 2, text, n);
        fraction[2 + n] = 0;
        if (!parse_milli(fraction, &milli)) return 0;
        text += n;
    }
    if (*text == '+' || *text == '-') {
        if (sscanf(text + 1, "%2d%*1[:]%2d", &offset_h, &offset_m) != 2 &&
            sscanf(text + 1, "%2d%2d", &offset_h, &offset_m) < 1)
            return 0;
        if (*text == '-') offset_h = -offset_h, offset_m = -offset_m;
    } else if (*text && *text != 'Z') {
        return 0;
    }
    *at_ms =
        (((days_from_civil(year, month, day) * 24 + hour - offset_h) * 60 + minute - offset_m) * 60 + second) * 1000 +
        milli;
    return 1;
}

/* Split a line at its commas, in place; returns how many fields there are. */
static int split(char *line, char **fields)
{
    int n = 0;
    line[strcspn(line, "\r\n")] = 0;
    for (; n < FIELDS_MAX; n++) {
        fields[n] = line;
        line = strchr(line, ',');
        if (!line) return n + 1;
        *line++ = 0;
    }
    return n;
}

static int by_time(const void *a, const void *b)
{
    const script_row *x = (const script_row *)a, *y = (const script_row *)b;
    if (x->at_ms != y->at_ms) return x->at_ms < y->at_ms ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* Put the rows in order of time, the first at 0, and find the median step. */
static int arrange(script *s)
{
    int64_t *steps = (int64_t *)calloc((size_t)s->count, sizeof *steps), first_ms;
    long i;
    if (!steps) return 0;
    qsort(s->rows, (size_t)s->count, sizeof *s->rows, by_time);
    first_ms = s->rows[0].at_ms;
    for (i = 0; i < s->count; i++) s->rows[i].at_ms -= first_ms;
    for (i = 1; i < s->count; i++) steps[i - 1] = s->rows[i].at_ms - s->rows[i - 1].at_ms;
    qsort(steps, (size_t)s->count - 1, sizeof *steps, by_size);
    s->period_ms = s->count > 1 ? steps[(s->count - 1) / 2] : 1000;
    free(steps);
    return 1;
}

/* Read the named columns of a log; returns a sentence if that cannot be. */
static const char *read_script(script *s, const char *path, char *const *columns, int column_count)
{
    char line[LINE_MAX_BYTES], *fields[FIELDS_MAX];
    int at[COLUMNS_MAX], i, n;
    long room = 0;
    FILE *file = fopen(path, "r");
    *s = (script){0};
    if (!file) return "the script cannot be opened";
    if (!fgets(line, sizeof line, file)) line[0] = 0;
    n = split(line, fields);
    for (i = 0; i < column_count; i++) {
        for (at[i] = 0; at[i] < n && strcmp(fields[at[i]], columns[i]) != 0;) at[i]++;
        if (at[i] == n) break;
    }
    for (; i == column_count && s->count < ROWS_MAX && fgets(line, sizeof line, file);) {
        script_row row = {0};
        int64_t milli, is_good;
        int c;
        n = split(line, fields);
        is_good = parse_time(fields[0], &row.at_ms);
        for (c = 0; c < column_count && is_good; c++) {
            is_good = at[c] < n && parse_milli(fields[at[c]], &milli) && milli < VALUE_MAX && milli > -VALUE_MAX;
            if (is_good) row.values[c] = (int32_t)milli;
        }
        if (!is_good) {
            s->skipped++;
            continue;
        }
        if (s->count == room) {
            script_row *more = (script_row *)realloc(s->rows, (size_t)(room = room ? 2 * room : 1024) * sizeof *more);
            if (!more) break;
            s->rows = more;
        }
        row.number = s->count;
        s->rows[s->count++] = row;
    }
    fclose(file);
    if (i < column_count) return "the script has no such column";
    if (!s->count) return "no row of the script can be read";
    return arrange(s) ? NULL : "there is not enough memory";
}

#endif
