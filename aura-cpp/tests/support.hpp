// What many tests need: files, engines, and counting what operator new is asked for.
#ifndef SUPPORT_HPP
#define SUPPORT_HPP

#include <aura.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

/// A descriptor that is closed.
class Fd {
public:
  explicit Fd(int fd) : fd_(fd) { REQUIRE(fd >= 0); }
  Fd(const Fd &) = delete;
  Fd &operator=(const Fd &) = delete;
  ~Fd() { ::close(fd_); }
  operator int() const { return fd_; }

private:
  int fd_;
};

/// Byte of a test file at an offset.
inline std::byte content(std::size_t offset) { return static_cast<std::byte>(offset % 251); }

inline std::string scratch_path() {
  static int number = 0;
  const char *folder = std::getenv("TMPDIR");
  return std::string(folder == nullptr ? "/tmp" : folder) + "/aura-cpp-" + std::to_string(::getpid()) + "-" +
         std::to_string(number++);
}

/// A file that has no name any more.
inline int scratch_file(std::size_t bytes = 0) {
  const std::string path = scratch_path();
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  REQUIRE(fd >= 0);
  ::unlink(path.c_str());
  std::vector<std::byte> all(bytes);
  for (std::size_t i = 0; i < bytes; i++) {
    all[i] = content(i);
  }
  REQUIRE(::pwrite(fd, all.data(), bytes, 0) == static_cast<ssize_t>(bytes));
  return fd;
}

/// A pipe that nobody writes to: reads of it wait until they are cancelled.
class Silence {
public:
  Silence() { REQUIRE(::pipe2(ends_, O_CLOEXEC) == 0); }
  Silence(const Silence &) = delete;
  Silence &operator=(const Silence &) = delete;
  ~Silence() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  [[nodiscard]] int reading() const { return ends_[0]; }
  [[nodiscard]] int writing() const { return ends_[1]; }

private:
  int ends_[2]{};
};

/// One ring, a fixed limit.
inline aura::Options small(int depth = 64) {
  aura::Options options;
  options.ring_count(1).queue_depth(depth).initial_in_flight(depth).disable_adaptive();
  return options;
}

inline bool under_valgrind() { return std::getenv("AURA_UNDER_VALGRIND") != nullptr; }

/// Whether the machine is slowed down by a tool, so that a tenth of the repetitions has to do.
inline bool is_slow() {
#if defined(AURA_TSAN) || defined(__SANITIZE_ADDRESS__)
  return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
  return true;
#endif
#endif
  return under_valgrind();
}

/// Calls of operator new since the program began, on all threads.
long allocations();
/// The next call of operator new on this thread throws.
void fail_next_allocation();

/// What a call throws as Error: its errno; 0 if nothing.
template <typename F> int thrown(F call) {
  try {
    call();
  } catch (const aura::Error &error) {
    return error.code();
  }
  return 0;
}

#endif
