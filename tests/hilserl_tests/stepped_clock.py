"""A wall clock that a test sets while processes run; their monotonic clock is not touched.

A test may not set the clock of the computer. A small library, which is preloaded into the
processes, adds an offset from a mapped file to every reading of the wall clock.
"""

import os
from pathlib import Path
import shutil
import struct
import subprocess

SOURCE = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *offset;

__attribute__((constructor)) static void map_offset(void) {
  /* A process with real-time priority that waits without sleeping would stop the computer: after
     2 s it gets SIGXCPU, after 20 s the system kills it. */
  struct rlimit limit = {2000000, 20000000};
  setrlimit(RLIMIT_RTTIME, &limit);
  const char *path = getenv("STEPPED_CLOCK");
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return;
  void *page = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
  close(file);
  if (page != MAP_FAILED) offset = page;
}

static void add(struct timespec *t, int64_t ns) {
  int64_t sum = t->tv_nsec + ns % 1000000000;
  t->tv_sec += ns / 1000000000;
  if (sum < 0) { sum += 1000000000; t->tv_sec -= 1; }
  if (sum >= 1000000000) { sum -= 1000000000; t->tv_sec += 1; }
  t->tv_nsec = sum;
}

int clock_gettime(clockid_t id, struct timespec *t) {
  int result = syscall(SYS_clock_gettime, id, t);
  if (!result && offset && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) add(t, *offset);
  return result;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  t->tv_sec = now.tv_sec;
  t->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *t) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (t) *t = now.tv_sec;
  return now.tv_sec;
}

/* Deadlines of the wall clock: the kernel compares them with its own clock. */
int sem_timedwait(sem_t *s, const struct timespec *until) {
  static int (*wait)(sem_t *, clockid_t, const struct timespec *);
  if (!wait) wait = dlsym(RTLD_NEXT, "sem_clockwait");
  struct timespec real = *until;
  if (offset) add(&real, -*offset);
  return wait(s, CLOCK_REALTIME, &real);
}

int pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *until) {
  static int (*wait)(pthread_cond_t *, pthread_mutex_t *, clockid_t, const struct timespec *);
  if (!wait) wait = dlsym(RTLD_NEXT, "pthread_cond_clockwait");
  /* A condition may have the monotonic clock (Python's lock of the interpreter has it); which one
     it has, nobody can ask, but its time is that since the computer's start. */
  if (until->tv_sec < 1000000000) return wait(c, m, CLOCK_MONOTONIC, until);
  struct timespec real = *until;
  if (offset) add(&real, -*offset);
  return wait(c, m, CLOCK_REALTIME, &real);
}

int pthread_mutex_timedlock(pthread_mutex_t *m, const struct timespec *until) {
  static int (*lock)(pthread_mutex_t *, clockid_t, const struct timespec *);
  if (!lock) lock = dlsym(RTLD_NEXT, "pthread_mutex_clocklock");
  struct timespec real = *until;
  if (offset) add(&real, -*offset);
  return lock(m, CLOCK_REALTIME, &real);
}
"""


class SteppedClock:
    """The clock of all processes that have `environment`. directory: for library and offset."""

    def __init__(self, directory: Path):
        self._file = directory / 'clock_offset'
        self._file.write_bytes(bytes(8))
        self._library = directory / 'stepped_clock.so'
        compiler = shutil.which('cc') or shutil.which('c++')
        assert compiler, 'no C compiler; set-up needs one, too'
        subprocess.run(
            [compiler, '-xc', '-', '-shared', '-fPIC', '-O1', '-o', self._library],
            input=SOURCE,
            text=True,
            check=True,
        )
        self.offset = 0.0  # s

    @property
    def environment(self) -> dict[str, str]:
        """Variables for the processes that read this clock."""
        return {'LD_PRELOAD': str(self._library), 'STEPPED_CLOCK': str(self._file)}

    def step(self, seconds: float) -> None:
        """Set the clock forward, or back, for all its processes at this moment."""
        self.offset += seconds
        with open(self._file, 'r+b') as file:
            os.pwrite(file.fileno(), struct.pack('=q', round(self.offset * 1e9)), 0)
