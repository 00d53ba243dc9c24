/* Stands between one real process and the disk: writes down, slows, kills or refuses what the process does to files
 * below one folder. Loaded with LD_PRELOAD; everything is set by environment variables, see __init__.py beside it.
 *
 * It is not a disk: what a power cut would have left is worked out afterwards from the log, by power.py.
 * Rules: no malloc, no stdio and no lock in any wrapper. One record is one writev to a file opened with O_APPEND, which
 * the kernel keeps in one piece and in order, across threads and processes. A record is written after its operation,
 * so an operation in the log has happened; an acknowledgement (a write to file descriptor 1) is recorded before it,
 * so that nobody has seen an acknowledgement that is not in the log.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { KIND_WRITE = 'W', KIND_TRUNCATE = 'T', KIND_SYNC = 'S', KIND_UNLINK = 'U', KIND_RENAME = 'R', KIND_CREATE = 'C',
       KIND_ACKNOWLEDGE = 'A' };
enum { ON_NOTHING = 0, ON_WRITE, ON_SYNC };

/* Little-endian on the machines this runs on; power.py reads the same layout. `number` is an offset, a size, or for a
 * sync the length of the log when the sync began: only what stood in the log by then is promised to be on the disk. */
struct record {
    uint32_t size;
    uint8_t kind;
    uint8_t zero[3];
    uint32_t pid;
    uint32_t path_size;
    uint64_t number;
};

static char folder[PATH_MAX];
static size_t folder_size;
static int log_fd = -1;
static unsigned delay_ms_min, delay_ms_max;
static _Atomic uint64_t random_state = 1;
static int kill_on = ON_NOTHING, kill_is_after;
static long kill_at;
static char kill_suffix[64];
static char kill_note[PATH_MAX];
static _Atomic long kill_seen;
static long fail_from;
static int fail_errno;
static char fail_until[PATH_MAX];
static _Atomic long fail_seen;

static int (*real_open)(const char *, int, ...);
static int (*real_openat)(int, const char *, int, ...);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*real_write)(int, const void *, size_t);
static int (*real_ftruncate)(int, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_unlink)(const char *);
static int (*real_unlinkat)(int, const char *, int);
static int (*real_rename)(const char *, const char *);

static void copy_text(char *to, size_t size, const char *from) {
    size_t n = from ? strnlen(from, size - 1) : 0;
    memcpy(to, from ? from : "", n);
    to[n] = 0;
}

/* "what:count:when:suffix", such as "write:7:before:-wal" */
static void read_kill(const char *text) {
    kill_on = strncmp(text, "write:", 6) == 0 ? ON_WRITE : ON_SYNC;
    const char *rest = strchr(text, ':');
    if (!rest) return;
    kill_at = strtol(rest + 1, (char **)&rest, 10);
    kill_is_after = strncmp(rest, ":after", 6) == 0;
    rest = *rest ? strchr(rest + 1, ':') : NULL;
    copy_text(kill_suffix, sizeof kill_suffix, rest ? rest + 1 : "");
}

__attribute__((constructor)) static void start(void) {
    real_open = dlsym(RTLD_NEXT, "open64");
    real_openat = dlsym(RTLD_NEXT, "openat64");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_write = dlsym(RTLD_NEXT, "write");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_unlink = dlsym(RTLD_NEXT, "unlink");
    real_unlinkat = dlsym(RTLD_NEXT, "unlinkat");
    real_rename = dlsym(RTLD_NEXT, "rename");
    copy_text(folder, sizeof folder, getenv("LARDER_FAULT_FOLDER"));
    folder_size = strlen(folder);
    const char *text;
    if ((text = getenv("LARDER_FAULT_LOG")))
        log_fd = real_open(text, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if ((text = getenv("LARDER_FAULT_DELAY_MS"))) {
        delay_ms_min = (unsigned)strtoul(text, (char **)&text, 10);
        delay_ms_max = *text == ':' ? (unsigned)strtoul(text + 1, NULL, 10) : delay_ms_min;
    }
    if ((text = getenv("LARDER_FAULT_SEED"))) random_state = strtoull(text, NULL, 10) * 2 + 1;
    if ((text = getenv("LARDER_FAULT_KILL"))) read_kill(text);
    copy_text(kill_note, sizeof kill_note, getenv("LARDER_FAULT_KILL_NOTE"));
    if ((text = getenv("LARDER_FAULT_FAIL"))) {
        fail_errno = strncmp(text, "EROFS", 5) == 0 ? EROFS : ENOSPC;
        const char *count = strchr(text, ':');
        fail_from = count ? strtol(count + 1, NULL, 10) : 1;
    }
    copy_text(fail_until, sizeof fail_until, getenv("LARDER_FAULT_FAIL_UNTIL"));
}

static int ends_with(const char *path, const char *suffix) {
    size_t a = strlen(path), b = strlen(suffix);
    return a >= b && memcmp(path + a - b, suffix, b) == 0;
}

/* Below the folder, and no shared-memory index: that one is rebuilt from the WAL and never read after a power cut. */
static int is_ours(const char *path) {
    return folder_size && strncmp(path, folder, folder_size) == 0 && path[folder_size] == '/' && !ends_with(path, "-shm");
}

static int path_of(int fd, char *path) {
    char link[32] = "/proc/self/fd/";
    char digits[12];
    int n = 0, at = 14;
    for (int rest = fd; rest || !n; rest /= 10) digits[n++] = (char)('0' + rest % 10);
    while (n) link[at++] = digits[--n];
    link[at] = 0;
    ssize_t size = readlink(link, path, PATH_MAX - 1);
    path[size < 0 ? 0 : size] = 0;
    return size > 0;
}

/* The path of an open file if it is ours. Keeps errno: this runs around system calls. */
static int ours_by_fd(int fd, char *path) {
    int saved = errno;
    int ours = fd >= 0 && folder_size && path_of(fd, path) && is_ours(path);
    errno = saved;
    return ours;
}

static int absolute(int at_fd, const char *path, char *full) {
    if (path[0] == '/') {
        copy_text(full, PATH_MAX, path);
        return 1;
    }
    char base[PATH_MAX];
    if (at_fd == AT_FDCWD ? !getcwd(base, sizeof base) : !path_of(at_fd, base)) return 0;
    size_t a = strlen(base), b = strlen(path);
    if (a + b + 2 > PATH_MAX) return 0;
    memcpy(full, base, a);
    full[a] = '/';
    memcpy(full + a + 1, path, b + 1);
    return 1;
}

static void note(uint8_t kind, const char *path, uint64_t number, const void *data, size_t data_size) {
    if (log_fd < 0) return;
    int saved = errno;
    struct record head = { .kind = kind, .pid = (uint32_t)getpid(), .path_size = (uint32_t)strlen(path), .number = number };
    head.size = (uint32_t)(sizeof head + head.path_size + data_size);
    struct iovec parts[3] = { { &head, sizeof head }, { (void *)path, head.path_size }, { (void *)data, data_size } };
    /* A log that cannot be written would make every later conclusion wrong. */
    if (writev(log_fd, parts, 3) != (ssize_t)head.size) abort();
    errno = saved;
}

static void die(const char *path) {
    int fd = kill_note[0] ? real_open(kill_note, O_WRONLY | O_CREAT | O_APPEND, 0600) : -1;
    if (fd >= 0) {
        struct iovec parts[3] = { { "killed at ", 10 }, { (void *)path, strlen(path) }, { "\n", 1 } };
        if (writev(fd, parts, 3) < 0) abort();
    }
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

/* Counts this operation and says whether the process ends at it. */
static int is_the_end(int on, const char *path) {
    return kill_on == on && ends_with(path, kill_suffix) && atomic_fetch_add(&kill_seen, 1) + 1 == kill_at;
}

static int is_refused(void) {
    if (!fail_errno || atomic_fetch_add(&fail_seen, 1) + 1 < fail_from) return 0;
    if (fail_until[0] && access(fail_until, F_OK) == 0) return 0;
    errno = fail_errno;
    return 1;
}

static ssize_t written(int fd, const void *data, size_t size, off_t offset, int has_offset) {
    char path[PATH_MAX];
    if (!ours_by_fd(fd, path)) return has_offset ? real_pwrite(fd, data, size, offset) : real_write(fd, data, size);
    if (is_refused()) return -1;
    int ends = is_the_end(ON_WRITE, path);
    if (ends && !kill_is_after) die(path);
    ssize_t done = has_offset ? real_pwrite(fd, data, size, offset) : real_write(fd, data, size);
    if (done > 0) {
        int saved = errno;
        if (!has_offset) offset = lseek(fd, 0, SEEK_CUR) - done;
        errno = saved;
        note(KIND_WRITE, path, (uint64_t)offset, data, (size_t)done);
    }
    if (ends) die(path);
    return done;
}

ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset) { return written(fd, data, size, offset, 1); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) { return written(fd, data, size, offset, 1); }

ssize_t write(int fd, const void *data, size_t size) {
    if (fd == STDOUT_FILENO) {
        note(KIND_ACKNOWLEDGE, "", 0, data, size);
        return real_write(fd, data, size);
    }
    return written(fd, data, size, 0, 0);
}

int ftruncate64(int fd, off_t size) {
    char path[PATH_MAX];
    if (!ours_by_fd(fd, path)) return real_ftruncate(fd, size);
    if (is_refused()) return -1;
    int result = real_ftruncate(fd, size);
    if (result == 0) note(KIND_TRUNCATE, path, (uint64_t)size, "", 0);
    return result;
}
int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

static void wait_a_little(void) {
    if (!delay_ms_max) return;
    uint64_t state = atomic_fetch_add(&random_state, 0x9E3779B97F4A7C15u); /* splitmix64, by Sebastiano Vigna */
    state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9u;
    state = (state ^ (state >> 27)) * 0x94D049BB133111EBu;
    state ^= state >> 31;
    uint64_t ms = delay_ms_min + (delay_ms_max > delay_ms_min ? state % (delay_ms_max - delay_ms_min + 1) : 0);
    struct timespec rest = { (time_t)(ms / 1000), (long)(ms % 1000) * 1000000 };
    while (nanosleep(&rest, &rest) == -1 && errno == EINTR) {}
}

static int synced(int fd, int (*real)(int)) {
    char path[PATH_MAX];
    if (!ours_by_fd(fd, path) && !(folder_size && path_of(fd, path) && strcmp(path, folder) == 0)) return real(fd);
    struct stat log;
    uint64_t covers = log_fd >= 0 && fstat(log_fd, &log) == 0 ? (uint64_t)log.st_size : 0;
    int ends = is_the_end(ON_SYNC, path);
    if (ends && !kill_is_after) die(path);
    wait_a_little();
    int result = real(fd);
    if (result == 0) note(KIND_SYNC, path, covers, "", 0);
    if (ends) die(path);
    return result;
}
int fsync(int fd) { return synced(fd, real_fsync); }
int fdatasync(int fd) { return synced(fd, real_fdatasync); }

static int opened(int at_fd, const char *path, int flags, mode_t mode) {
    char full[PATH_MAX];
    int changes = flags & (O_CREAT | O_TRUNC);
    if (!changes || !absolute(at_fd, path, full) || !is_ours(full)) return real_openat(at_fd, path, flags, mode);
    if (fail_errno == EROFS && is_refused()) return -1;
    int saved = errno;
    int existed = access(full, F_OK) == 0;
    errno = saved;
    int fd = real_openat(at_fd, path, flags, mode);
    if (fd >= 0 && !existed) note(KIND_CREATE, full, 0, "", 0);
    if (fd >= 0 && existed && (flags & O_TRUNC)) note(KIND_TRUNCATE, full, 0, "", 0);
    return fd;
}

#define MODE_OF(flags) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); }

int open64(const char *path, int flags, ...) { MODE_OF(flags) return opened(AT_FDCWD, path, flags, mode); }
int open(const char *path, int flags, ...) { MODE_OF(flags) return opened(AT_FDCWD, path, flags, mode); }
int openat64(int at_fd, const char *path, int flags, ...) { MODE_OF(flags) return opened(at_fd, path, flags, mode); }
int openat(int at_fd, const char *path, int flags, ...) { MODE_OF(flags) return opened(at_fd, path, flags, mode); }

static int unlinked(int at_fd, const char *path, int flags) {
    char full[PATH_MAX];
    int ours = absolute(at_fd, path, full) && is_ours(full);
    if (ours && fail_errno == EROFS && is_refused()) return -1;
    int result = at_fd == AT_FDCWD && !flags ? real_unlink(path) : real_unlinkat(at_fd, path, flags);
    if (ours && result == 0 && !(flags & AT_REMOVEDIR)) note(KIND_UNLINK, full, 0, "", 0);
    return result;
}
int unlink(const char *path) { return unlinked(AT_FDCWD, path, 0); }
int unlinkat(int at_fd, const char *path, int flags) { return unlinked(at_fd, path, flags); }

int rename(const char *from, const char *to) {
    char full_from[PATH_MAX], full_to[PATH_MAX];
    int ours = absolute(AT_FDCWD, from, full_from) && absolute(AT_FDCWD, to, full_to) && is_ours(full_to);
    if (ours && fail_errno == EROFS && is_refused()) return -1;
    int result = real_rename(from, to);
    /* The path is the old name, the data the new one. */
    if (ours && result == 0) note(KIND_RENAME, full_from, 0, full_to, strlen(full_to));
    return result;
}
