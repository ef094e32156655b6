/* A board's clock that goes wrong or is not set, for one process: preloaded. In seconds ahead: CLOCK_AHEAD_S;
   CLOCK_SET=1: it is said to be synchronised. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>

static long ahead_s(void) {
    const char *text = getenv("CLOCK_AHEAD_S");
    return text == NULL ? 0 : atol(text);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (real == NULL) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int rc = real(clock, now);
    if (rc == 0 && clock == CLOCK_REALTIME) now->tv_sec += ahead_s();
    return rc;
}

time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out != NULL) *out = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    out->tv_sec = now.tv_sec;
    out->tv_usec = now.tv_nsec / 1000;
    return 0;
}

int adjtimex(struct timex *about) {
    (void)about;
    const char *text = getenv("CLOCK_SET");
    return text != NULL && text[0] == '1' ? TIME_OK : TIME_ERROR;
}
