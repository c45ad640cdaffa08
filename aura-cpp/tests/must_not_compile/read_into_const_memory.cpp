// Constant memory becomes a BufferRef only if one says so.
// expected: invalid conversion|cannot convert|no viable
#include <aura.hpp>

void f(aura::Engine &engine, char *memory, const char *constant) {
#if defined(ACCEPTED)
  static_cast<void>(constant);
  static_cast<void>(engine.async_read(0, memory, 1, 0));
#else
  static_cast<void>(memory);
  static_cast<void>(engine.async_read(0, constant, 1, 0));
#endif
}
