// What the examples share: ending with a message, files to work on.
#ifndef SUPPORT_HPP
#define SUPPORT_HPP

#include <aura.hpp>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

/// Ends the program if this does not hold.
inline void ensure(bool holds, const char *what) {
  if (!holds) {
    std::fprintf(stderr, "failed: %s\n", what);
    std::exit(EXIT_FAILURE);
  }
}

/// Byte of a sample file at an offset.
inline std::byte sample_byte(std::size_t offset) { return static_cast<std::byte>(((offset / 8) >> (offset % 8 * 4)) ^ offset); }

/// Whether these are the bytes of a sample from an offset on.
inline bool is_sample(std::span<const std::byte> bytes, std::size_t offset) {
  for (std::size_t i = 0; i < bytes.size(); i++) {
    if (bytes[i] != sample_byte(offset + i)) {
      return false;
    }
  }
  return true;
}

inline void fill_sample(std::span<std::byte> bytes, std::size_t offset) {
  for (std::size_t i = 0; i < bytes.size(); i++) {
    bytes[i] = sample_byte(offset + i);
  }
}

/// A file in the temporary folder that is removed at the end.
class TemporaryFile {
public:
  explicit TemporaryFile(std::size_t sample_bytes = 0) {
    const char *folder = std::getenv("TMPDIR");
    path_ = std::string(folder == nullptr ? "/tmp" : folder) + "/aura-XXXXXX";
    fd_ = ::mkstemp(path_.data());
    std::vector<std::byte> bytes(sample_bytes);
    fill_sample(bytes, 0);
    ensure(fd_ >= 0 && ::pwrite(fd_, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()), path_.c_str());
  }
  TemporaryFile(const TemporaryFile &) = delete;
  TemporaryFile &operator=(const TemporaryFile &) = delete;
  ~TemporaryFile() {
    ::close(fd_);
    ::unlink(path_.c_str());
  }

  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] const std::string &path() const { return path_; }

private:
  std::string path_;
  int fd_;
};

/// The body of main(): failures are said.
template <typename F> int example(F body) {
  try {
    body();
    return EXIT_SUCCESS;
  } catch (const std::exception &error) {
    std::fprintf(stderr, "failed: %s\n", error.what());
    return EXIT_FAILURE;
  }
}

#endif
