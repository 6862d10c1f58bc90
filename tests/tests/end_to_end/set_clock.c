/* Shifts a program's wall clock by as many seconds as the file in SET_CLOCK says. To be preloaded.
   The local cloud's Kinesis is a library that reads the system's clock, and a test must not set
   that. Nor can it be written in Rust, since no code here is `unsafe`. */

#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *time) {
  int result = syscall(SYS_clock_gettime, clock, time);
  const char *path = getenv("SET_CLOCK");
  if (result != 0 || clock != CLOCK_REALTIME || path == NULL) return result;
  FILE *file = fopen(path, "r");
  if (file == NULL) return result;
  long seconds = 0;
  if (fscanf(file, "%ld", &seconds) == 1) time->tv_sec += seconds;
  fclose(file);
  return result;
}
