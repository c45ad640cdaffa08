// What depends on the compiler and its flags: exceptions or none, the thread sanitizer.
#ifndef AURA_DETAIL_CONFIG_HPP
#define AURA_DETAIL_CONFIG_HPP

#if !defined(__cplusplus) || (__cplusplus < 202002L)
#error "aura.hpp needs C++20: compile with -std=c++20 or later"
#endif

#include <aura.h>

#include <cstdio>
#include <exception>
#include <utility>

#if defined(__cpp_exceptions)
#define AURA_TRY try
#define AURA_CATCH_ALL catch (...)
#else
#define AURA_TRY if constexpr (true)
#define AURA_CATCH_ALL else
#endif

#if defined(__SANITIZE_THREAD__)
#define AURA_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define AURA_TSAN 1
#endif
#endif

// The library hands memory from the submitting to the processing thread by way of the kernel, which the
// thread sanitizer does not see. These tell it.
#if defined(AURA_TSAN)
extern "C" void __tsan_acquire(void *address);
extern "C" void __tsan_release(void *address);
#define AURA_HANDS_OVER(address) __tsan_release(address)
#define AURA_TAKES_OVER(address) __tsan_acquire(address)
#else
#define AURA_HANDS_OVER(address) static_cast<void>(address)
#define AURA_TAKES_OVER(address) static_cast<void>(address)
#endif

namespace aura::detail {

/// Ends the program over misuse that cannot be repaired, and says why.
[[noreturn]] inline void give_up(const char *why) noexcept {
  std::fprintf(stderr, "aura: %s\n", why);
  std::terminate();
}

/// Throws an exception; without exceptions, ends the program with its message.
template <typename E, typename... Arguments> [[noreturn]] void raise(Arguments &&...arguments) {
#if defined(__cpp_exceptions)
  throw E(std::forward<Arguments>(arguments)...);
#else
  give_up(E(std::forward<Arguments>(arguments)...).what());
#endif
}

/// Destroys and frees nothing, runs a function when it goes out of scope.
template <typename F> class Defer {
public:
  explicit Defer(F function) : function_(std::move(function)) {}
  Defer(const Defer &) = delete;
  Defer &operator=(const Defer &) = delete;
  ~Defer() { function_(); }

private:
  F function_;
};

} // namespace aura::detail

#endif
