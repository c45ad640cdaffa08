// Bytes from a file make no object with a constructor.
// expected: constraint|no matching
#include <aura.hpp>

#include <string>

void f(aura::Buffer &buffer) {
#if defined(ACCEPTED)
  static_cast<void>(buffer.as<int>());
#else
  static_cast<void>(buffer.as<std::string>());
#endif
}
