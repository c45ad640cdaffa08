// Engines, buffers and tasks have one owner.
// expected: deleted
#include <aura.hpp>

aura::Engine f(aura::Engine &engine) {
#if defined(ACCEPTED)
  return std::move(engine);
#else
  return engine;
#endif
}
