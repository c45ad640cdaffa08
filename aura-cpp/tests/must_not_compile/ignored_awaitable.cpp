// An operation that nobody awaits never begins.
// expected: nodiscard
#include <aura.hpp>

aura::Task<> f(aura::Engine &engine) {
#if defined(ACCEPTED)
  co_await engine.async_fsync(0);
#else
  engine.async_fsync(0);
  co_return;
#endif
}
