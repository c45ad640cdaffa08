// A constant Buffer is for writing from, by ref().
// expected: deleted
#include <aura.hpp>

void f(aura::Engine &engine, aura::Buffer &buffer, const aura::Buffer &constant) {
#if defined(ACCEPTED)
  static_cast<void>(constant);
  static_cast<void>(engine.try_submit(aura::op::read(0, buffer, 1, 0), [](aura::Request &, ssize_t) {}));
#else
  static_cast<void>(buffer);
  static_cast<void>(engine.try_submit(aura::op::read(0, constant, 1, 0), [](aura::Request &, ssize_t) {}));
#endif
}
