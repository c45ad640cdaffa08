// A task that nobody awaits never begins.
// expected: nodiscard
#include <aura.hpp>

aura::Task<> inner();
aura::Task<> f() {
#if defined(ACCEPTED)
  co_await inner();
#else
  inner();
  co_return;
#endif
}
