// Who drops the request by accident could not cancel it.
// expected: nodiscard
#include <aura.hpp>

void f(aura::Engine &engine, char *memory) {
  const auto call = [](aura::Request &, ssize_t) {};
#if defined(ACCEPTED)
  static_cast<void>(engine.read(0, memory, 1, 0, call));
#else
  engine.read(0, memory, 1, 0, call);
#endif
}
