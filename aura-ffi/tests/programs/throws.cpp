// An exception that leaves a callback ends the process: this one has to be aborted.
#include <aura.h>

#include <cstdio>
#include <stdexcept>

static void on_read(aura_request_t *, ssize_t, void *) { throw std::runtime_error("from a callback"); }

int main() {
  static char byte;
  const int fd = open("/proc/self/exe", O_RDONLY);
  aura_engine_t *engine = aura_create();
  if (engine == nullptr || aura_read(engine, fd, aura_buf(&byte), 1, 0, on_read, nullptr) == nullptr) {
    return 1;
  }
  try {
    aura_wait(engine, -1);
  } catch (...) {
    std::puts("caught behind the library's back");
    return 2;
  }
  std::puts("went on as if nothing had happened");
  return 3;
}
