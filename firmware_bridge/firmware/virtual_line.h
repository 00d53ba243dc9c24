/* virtual_line.h: the virtual board's end of a line: a pseudo terminal, its name, its speed and its faults.
 *
 * Not a protocol. Holds one descriptor of the far end, so that a bridge that closes its port does not end ours; the
 * link is made and removed atomically. What is damaged, lost or doubled depends on the seed alone.
 */
#ifndef LARDER_VIRTUAL_LINE_H
#define LARDER_VIRTUAL_LINE_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "virtual_place.h"

#define OUT_BYTES 4096 /* on their way to the wire, doubled bytes included */
#define OUT_FULL 64    /* what the buffer of a small UART holds; with more than this a board waits */

typedef struct {
    double noise, drop, dup; /* shares of the bytes, each way */
    double bytes_per_ms;     /* 0: as quick as the system carries them */
    uint64_t random;
    int ours, theirs;
    const char *link;
    char device[128];
    unsigned char out[OUT_BYTES];
    size_t out_count;
    double allowance; /* bytes the wire may carry by now */
} line_state;

/* Put the faults of the line on some bytes; `to` has room for twice as many. Returns how many come out. */
static size_t line_damage(line_state *l, const unsigned char *from, size_t n, unsigned char *to)
{
    size_t out = 0, i;
    if (l->noise == 0 && l->drop == 0 && l->dup == 0) {
        memcpy(to, from, n);
        return n;
    }
    for (i = 0; i < n; i++) {
        unsigned char byte = from[i];
        if (random_share(&l->random) < l->drop) continue;
        if (random_share(&l->random) < l->noise) byte = (unsigned char)(byte ^ 1U << random_bits(&l->random) % 8);
        to[out++] = byte;
        if (random_share(&l->random) < l->dup) to[out++] = byte;
    }
    return out;
}

/* Open a terminal of our own in raw mode and name it; returns 0 and sets errno if that cannot be. */
static int line_open(line_state *l, const char *link)
{
    struct termios raw;
    char fresh[1024];
    const char *name;
    l->link = link;
    l->ours = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (l->ours < 0 || grantpt(l->ours) || unlockpt(l->ours) || !(name = ptsname(l->ours))) return 0;
    if (snprintf(l->device, sizeof l->device, "%s", name) >= (int)sizeof l->device) return 0;
    l->theirs = open(l->device, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (l->theirs < 0 || tcgetattr(l->theirs, &raw)) return 0;
    raw.c_iflag &= (tcflag_t) ~(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    raw.c_oflag &= (tcflag_t)~OPOST;
    raw.c_lflag &= (tcflag_t) ~(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
    raw.c_cflag = (raw.c_cflag & (tcflag_t) ~(CSIZE | PARENB)) | CS8;
    if (tcsetattr(l->theirs, TCSANOW, &raw) || fcntl(l->ours, F_SETFL, O_NONBLOCK)) return 0;
    if (!link) return 1;
    if (snprintf(fresh, sizeof fresh, "%s.%ld", link, (long)getpid()) >= (int)sizeof fresh) return 0;
    (void)unlink(fresh);
    return symlink(l->device, fresh) == 0 && rename(fresh, link) == 0;
}

/* Pull the cable: the link goes, unless it is another's by now. */
static void line_close(line_state *l)
{
    char target[sizeof l->device];
    ssize_t n;
    if (!l->link) return;
    n = readlink(l->link, target, sizeof target - 1);
    if (n < 0) return;
    target[n] = 0;
    if (strcmp(target, l->device) == 0) (void)unlink(l->link);
}

static int line_has_room(const line_state *l) { return l->out_count < OUT_FULL; }

/* Take bytes of the board; what does not fit is lost, as on a wire without flow control. */
static void line_send(line_state *l, const unsigned char *bytes, size_t n)
{
    if (2 * n > OUT_BYTES - l->out_count) return;
    l->out_count += line_damage(l, bytes, n, l->out + l->out_count);
}

/* Write what the wire may carry after so many ms; with nobody reading the rest is lost. */
static void line_flush(line_state *l, double passed_ms)
{
    size_t n = l->out_count;
    if (l->bytes_per_ms > 0) {
        double most = 20 * l->bytes_per_ms + 1;
        l->allowance += passed_ms * l->bytes_per_ms;
        if (l->allowance > most) l->allowance = most; /* an idle wire saves nothing up */
        if ((double)n > l->allowance) n = (size_t)l->allowance;
        l->allowance -= (double)n;
    }
    if (!n || (write(l->ours, l->out, n) < 0 && errno == EINTR)) return;
    l->out_count -= n;
    memmove(l->out, l->out + n, l->out_count);
}

/* Read what came, damaged; `to` has room for twice `n`. Returns how many bytes, 0 if there are none. */
static size_t line_read(line_state *l, unsigned char *buffer, size_t n, unsigned char *to)
{
    ssize_t got = read(l->ours, buffer, n);
    return got > 0 ? line_damage(l, buffer, (size_t)got, to) : 0;
}

#endif
