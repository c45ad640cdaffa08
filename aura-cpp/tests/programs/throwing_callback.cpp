// An exception that leaves a callback ends the program: std::terminate() is called, and nothing else.
#include <aura.hpp>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>

int main() {
  std::set_terminate([] {
    std::puts("terminated");
    std::fflush(stdout);
    std::_Exit(42);
  });
  aura::Engine engine;
  char byte;
  const int fd = ::open("/proc/self/exe", O_RDONLY);
  const auto read = engine.read(fd, &byte, 1, 0, [](aura::Request &, ssize_t) { throw std::runtime_error("from a callback"); });
  try {
    engine.drain();
  } catch (...) {
    std::puts("caught behind the library's back");
  }
  return read ? 1 : 2;
}
