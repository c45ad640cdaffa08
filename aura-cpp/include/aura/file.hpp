// Whole files and whole buffers: what takes more than one operation.
#ifndef AURA_FILE_HPP
#define AURA_FILE_HPP

#include <aura/engine.hpp>
#include <aura/when.hpp>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace aura {

/// Fills memory from offset on, with as many reads as it takes. ENODATA: the file ends before.
inline Task<result<void>> try_read_exact(Engine &engine, int fd, std::span<std::byte> into, off_t offset) {
  while (!into.empty()) {
    const auto bytes = co_await engine.try_read(fd, into.data(), into.size(), offset);
    if (!bytes || *bytes == 0) {
      co_return bytes ? failure(ENODATA, "read_exact: the file ends before") : bytes.why();
    }
    into = into.subspan(static_cast<std::size_t>(*bytes));
    offset += *bytes;
  }
  co_return result<void>();
}
inline Task<void> read_exact(Engine &engine, int fd, std::span<std::byte> into, off_t offset) {
  (co_await try_read_exact(engine, fd, into, offset)).value();
}

/// Writes all of the memory from offset on, with as many writes as it takes.
inline Task<result<void>> try_write_all(Engine &engine, int fd, std::span<const std::byte> from, off_t offset) {
  while (!from.empty()) {
    const BufferRef memory(static_cast<const void *>(from.data()));
    const auto bytes = co_await engine.try_write(fd, memory, from.size(), offset);
    if (!bytes || *bytes == 0) {
      co_return bytes ? failure(ENOSPC, "write_all: nothing more is written") : bytes.why();
    }
    from = from.subspan(static_cast<std::size_t>(*bytes));
    offset += *bytes;
  }
  co_return result<void>();
}
inline Task<void> write_all(Engine &engine, int fd, std::span<const std::byte> from, off_t offset) {
  (co_await try_write_all(engine, fd, from, offset)).value();
}

namespace detail {

/// A descriptor that is closed in any case.
class OwnedFd {
public:
  explicit OwnedFd(int fd) noexcept : fd_(fd) {}
  OwnedFd(const OwnedFd &) = delete;
  OwnedFd &operator=(const OwnedFd &) = delete;
  ~OwnedFd() {
    if (fd_ >= 0) {
      ::close(fd_);
    }
  }
  [[nodiscard]] int get() const noexcept { return fd_; }
  int release() noexcept { return std::exchange(fd_, -1); }

private:
  int fd_;
};

inline Task<result<std::uint64_t>> try_size_of(Engine &engine, int fd) {
  struct statx about {};
  const auto asked = co_await engine.try_statx(fd, "", AURA_AT_EMPTY_PATH, AURA_STATX_SIZE, &about);
  if (!asked) {
    co_return asked.why();
  }
  co_return about.stx_size;
}

/// Whether a path names the open file, by whatever name. No, if it names nothing.
inline Task<bool> is_same_file(Engine &engine, int fd, const char *path) {
  struct statx one {}, other {};
  const bool exist = co_await engine.try_statx(fd, "", AURA_AT_EMPTY_PATH, STATX_INO, &one) &&
                     co_await engine.try_statx(AT_FDCWD, path, 0, STATX_INO, &other);
  co_return exist && one.stx_ino == other.stx_ino && one.stx_dev_major == other.stx_dev_major &&
      one.stx_dev_minor == other.stx_dev_minor;
}

/// What the copiers of a file share: each takes the next piece until there are no more.
struct Copying {
  Engine &engine;
  int from, to;
  std::uint64_t bytes;
  std::atomic<std::uint64_t> next{0};
  std::atomic<std::uint64_t> copied{0};
  std::atomic<bool> failed{false};
};

inline Task<result<void>> copy_pieces(Copying &copying, std::size_t piece_bytes) {
  auto buffer = copying.engine.try_allocate_buffer(piece_bytes);
  if (!buffer) {
    co_return buffer.why();
  }
  while (!copying.failed) {
    const auto offset = static_cast<off_t>(copying.next.fetch_add(piece_bytes));
    if (static_cast<std::uint64_t>(offset) >= copying.bytes) {
      break;
    }
    const auto left = copying.bytes - static_cast<std::uint64_t>(offset);
    const auto piece = buffer->span().first(static_cast<std::size_t>(std::min<std::uint64_t>(left, piece_bytes)));
    auto done = co_await try_read_exact(copying.engine, copying.from, piece, offset);
    if (done) {
      done = co_await try_write_all(copying.engine, copying.to, piece, offset);
    }
    if (!done) {
      copying.failed = true;
      co_return done;
    }
    copying.copied += piece.size();
  }
  co_return result<void>();
}

} // namespace detail

/// A file as bytes.
inline Task<result<std::vector<std::byte>>> try_read_file(Engine &engine, std::string path) {
  const auto opened = co_await engine.try_openat(AT_FDCWD, path.c_str(), O_RDONLY | O_CLOEXEC, 0);
  if (!opened) {
    co_return opened.why();
  }
  const detail::OwnedFd file(*opened);
  const auto size = co_await detail::try_size_of(engine, file.get());
  if (!size) {
    co_return size.why();
  }
  // Its size is a hint: it may grow or shrink meanwhile, and files of the kernel (in /proc) say 0.
  std::vector<std::byte> bytes(static_cast<std::size_t>(*size) + 1); // One more, which shows the end.
  std::size_t filled = 0;
  for (;;) {
    if (filled == bytes.size()) {
      bytes.resize(std::max(2 * filled, std::size_t{4096}));
    }
    const auto read = co_await engine.try_read(file.get(), &bytes[filled], bytes.size() - filled, static_cast<off_t>(filled));
    if (!read) {
      co_return read.why();
    }
    if (*read == 0) {
      break;
    }
    filled += static_cast<std::size_t>(*read);
  }
  bytes.resize(filled);
  co_return bytes;
}
inline Task<std::vector<std::byte>> read_file(Engine &engine, std::string path) {
  co_return (co_await try_read_file(engine, std::move(path))).value();
}

/// Copies a file, several pieces at a time; gives the number of bytes. The copy is made with the permissions `mode`, or
/// overwritten if it exists; it is not synchronised. EINVAL: both are the same file.
inline Task<result<std::uint64_t>> try_copy_file(Engine &engine, std::string from, std::string to, mode_t mode = 0644) {
  constexpr std::size_t copiers = 8;
  constexpr std::size_t piece_bytes = std::size_t{256} << 10;
  const auto source = co_await engine.try_openat(AT_FDCWD, from.c_str(), O_RDONLY | O_CLOEXEC, 0);
  if (!source) {
    co_return source.why();
  }
  const detail::OwnedFd reading(*source);
  const auto size = co_await detail::try_size_of(engine, reading.get());
  if (!size) {
    co_return size.why();
  }
  if (co_await detail::is_same_file(engine, reading.get(), to.c_str())) {
    co_return failure(EINVAL, "copy_file: a file cannot be its own copy"); // Opening it would empty it.
  }
  const auto target = co_await engine.try_openat(AT_FDCWD, to.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  if (!target) {
    co_return target.why();
  }
  detail::OwnedFd writing(*target);
  detail::Copying copying{engine, reading.get(), writing.get(), *size, {}, {}, {}};
  std::vector<Task<result<void>>> all;
  for (std::size_t started = 0; started < copiers && started * piece_bytes < *size; started++) {
    all.push_back(detail::copy_pieces(copying, piece_bytes));
  }
  for (const auto &ended : co_await when_all(std::move(all))) {
    if (!ended) {
      co_return ended.why();
    }
  }
  const auto closed = co_await engine.try_close(writing.release()); // It may be the one to report a failed write.
  if (!closed) {
    co_return closed.why();
  }
  co_return copying.copied.load();
}
inline Task<std::uint64_t> copy_file(Engine &engine, std::string from, std::string to, mode_t mode = 0644) {
  co_return (co_await try_copy_file(engine, std::move(from), std::move(to), mode)).value();
}

} // namespace aura

#endif
