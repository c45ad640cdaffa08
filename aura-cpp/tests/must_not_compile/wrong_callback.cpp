// A callback takes a request and a result.
// expected: constraint|no matching
#include <aura.hpp>

void f(aura::Engine &engine, char *memory) {
#if defined(ACCEPTED)
  static_cast<void>(engine.read(0, memory, 1, 0, [](aura::Request &, ssize_t) {}));
#else
  static_cast<void>(engine.read(0, memory, 1, 0, [](std::nullptr_t) {}));
#endif
}
