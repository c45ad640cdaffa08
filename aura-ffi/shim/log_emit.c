/*
 * aura_log_emit: stable Rust cannot define a function with a variable number of arguments. The message
 * is formatted here and delivered there.
 */
#include "aura.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

enum { MESSAGE_BYTES = 256 };

/* Defined in src/log.rs. */
bool aura_ffi_log_is_heard(void);
void aura_ffi_log_deliver(int level, const char *message);

void aura_log_emit(int level, const char *fmt, ...) {
  if (fmt == NULL || !aura_ffi_log_is_heard()) {
    return;
  }
  const int saved = errno; /* Before vsnprintf, which may use it for %m and may change it. */
  char message[MESSAGE_BYTES];
  va_list arguments;
  va_start(arguments, fmt);
  const int length = vsnprintf(message, sizeof message, fmt, arguments);
  va_end(arguments);
  if (length >= 0) {
    aura_ffi_log_deliver(level, message);
  }
  errno = saved;
}
