// Operations as values: what an operation does, and on what. Engine has a function for each of them in every
// form; with Engine::try_submit they are submitted without exceptions.
#ifndef AURA_OP_HPP
#define AURA_OP_HPP

#include <aura/buffer.hpp>

#include <climits>
#include <cstdint>
#include <span>

#include <sys/stat.h>
#include <sys/uio.h>

namespace aura::op {

/// A read or a write.
class Io {
public:
  using value_type = ssize_t;

  Io(aura_op_type_t type, int fd, BufferRef buf, std::size_t len, off_t offset) noexcept
      : type_(type), fd_(fd), buf_(buf), len_(len), offset_(offset) {}

  [[nodiscard]] const char *name() const noexcept { return type_ == AURA_OP_WRITE ? "write" : "read"; }
  [[nodiscard]] aura_request_t *submit(aura_engine_t *engine, aura_callback_t callback, void *user_data) const noexcept {
    return type_ == AURA_OP_WRITE ? aura_write(engine, fd_, buf_.c_buf(), len_, offset_, callback, user_data)
                                  : aura_read(engine, fd_, buf_.c_buf(), len_, offset_, callback, user_data);
  }
  void describe(aura_op_t &op) const noexcept {
    aura_op_init(&op, type_);
    op.fd = fd_;
    op.buf = buf_.c_buf();
    op.len = len_;
    op.offset = offset_;
  }

private:
  aura_op_type_t type_;
  int fd_;
  BufferRef buf_;
  std::size_t len_;
  off_t offset_;
};

/// A read into, or a write from, several buffers. The array stays valid until the operation is over.
class Vectored {
public:
  using value_type = ssize_t;

  Vectored(aura_op_type_t type, int fd, std::span<const iovec> iov, off_t offset) noexcept
      : type_(type), fd_(fd), iov_(iov), offset_(offset) {}

  [[nodiscard]] const char *name() const noexcept { return type_ == AURA_OP_WRITEV ? "writev" : "readv"; }
  [[nodiscard]] aura_request_t *submit(aura_engine_t *engine, aura_callback_t callback, void *user_data) const noexcept {
    // More than there can be is refused by the library.
    const int count = iov_.size() > INT_MAX ? INT_MAX : static_cast<int>(iov_.size());
    return type_ == AURA_OP_WRITEV ? aura_writev(engine, fd_, iov_.data(), count, offset_, callback, user_data)
                                   : aura_readv(engine, fd_, iov_.data(), count, offset_, callback, user_data);
  }
  void describe(aura_op_t &op) const noexcept {
    aura_op_init(&op, type_);
    op.fd = fd_;
    op.iov = iov_.data();
    op.len = iov_.size();
    op.offset = offset_;
  }

private:
  aura_op_type_t type_;
  int fd_;
  std::span<const iovec> iov_;
  off_t offset_;
};

/// An fsync or fdatasync.
class Sync {
public:
  using value_type = void;

  Sync(aura_op_type_t type, int fd) noexcept : type_(type), fd_(fd) {}

  [[nodiscard]] const char *name() const noexcept { return type_ == AURA_OP_FDATASYNC ? "fdatasync" : "fsync"; }
  [[nodiscard]] aura_request_t *submit(aura_engine_t *engine, aura_callback_t callback, void *user_data) const noexcept {
    const unsigned flags = type_ == AURA_OP_FDATASYNC ? AURA_FSYNC_DATASYNC : AURA_FSYNC_DEFAULT;
    return aura_fsync(engine, fd_, flags, callback, user_data);
  }
  void describe(aura_op_t &op) const noexcept {
    aura_op_init(&op, type_);
    op.fd = fd_;
  }

private:
  aura_op_type_t type_;
  int fd_;
};

/// An openat. The path stays valid until the operation is over.
class Openat {
public:
  using value_type = int;

  Openat(int dirfd, const char *pathname, int flags, mode_t mode) noexcept
      : dirfd_(dirfd), pathname_(pathname), flags_(flags), mode_(mode) {}

  [[nodiscard]] const char *name() const noexcept { return "openat"; }
  [[nodiscard]] aura_request_t *submit(aura_engine_t *engine, aura_callback_t callback, void *user_data) const noexcept {
    return aura_openat(engine, dirfd_, pathname_, flags_, mode_, callback, user_data);
  }
  void describe(aura_op_t &op) const noexcept {
    aura_op_init(&op, AURA_OP_OPENAT);
    op.fd = dirfd_;
    op.pathname = pathname_;
    op.op_flags = flags_;
    op.mode = mode_;
  }

private:
  int dirfd_;
  const char *pathname_;
  int flags_;
  mode_t mode_;
};

/// A statx. Path and buffer stay valid until the operation is over.
class Statx {
public:
  using value_type = void;

  Statx(int dirfd, const char *pathname, int flags, unsigned mask, struct statx *buf) noexcept
      : dirfd_(dirfd), pathname_(pathname), flags_(flags), mask_(mask), buf_(buf) {}

  [[nodiscard]] const char *name() const noexcept { return "statx"; }
  [[nodiscard]] aura_request_t *submit(aura_engine_t *engine, aura_callback_t callback, void *user_data) const noexcept {
    return aura_statx(engine, dirfd_, pathname_, flags_, mask_, buf_, callback, user_data);
  }
  void describe(aura_op_t &op) const noexcept {
    aura_op_init(&op, AURA_OP_STATX);
    op.fd = dirfd_;
    op.pathname = pathname_;
    op.op_flags = flags_;
    op.mask = mask_;
    op.statxbuf = buf_;
  }

private:
  int dirfd_;
  const char *pathname_;
  int flags_;
  unsigned mask_;
  struct statx *buf_;
};

/// A close, fallocate, ftruncate or sync_file_range.
class Metadata {
public:
  using value_type = void;

  Metadata(aura_op_type_t type, int fd, int flags = 0, off_t offset = 0, off_t len = 0) noexcept
      : type_(type), fd_(fd), flags_(flags), offset_(offset), len_(len) {}

  [[nodiscard]] const char *name() const noexcept {
    switch (type_) {
    case AURA_OP_CLOSE:
      return "close";
    case AURA_OP_FALLOCATE:
      return "fallocate";
    case AURA_OP_FTRUNCATE:
      return "ftruncate";
    default:
      return "sync_file_range";
    }
  }
  [[nodiscard]] aura_request_t *submit(aura_engine_t *engine, aura_callback_t callback, void *user_data) const noexcept {
    switch (type_) {
    case AURA_OP_CLOSE:
      return aura_close(engine, fd_, callback, user_data);
    case AURA_OP_FALLOCATE:
      return aura_fallocate(engine, fd_, flags_, offset_, len_, callback, user_data);
    case AURA_OP_FTRUNCATE:
      return aura_ftruncate(engine, fd_, len_, callback, user_data);
    default:
      return aura_sync_file_range(engine, fd_, offset_, len_, static_cast<unsigned>(flags_), callback, user_data);
    }
  }
  void describe(aura_op_t &op) const noexcept {
    aura_op_init(&op, type_);
    op.fd = fd_;
    op.op_flags = flags_;
    op.offset = offset_;
    op.len = static_cast<std::size_t>(len_); // A negative one is refused as too large.
  }

private:
  aura_op_type_t type_;
  int fd_;
  int flags_;
  off_t offset_;
  off_t len_;
};

[[nodiscard]] inline Io read(int fd, BufferRef buf, std::size_t len, off_t offset) noexcept {
  return {AURA_OP_READ, fd, buf, len, offset};
}
[[nodiscard]] inline Io write(int fd, BufferRef buf, std::size_t len, off_t offset) noexcept {
  return {AURA_OP_WRITE, fd, buf, len, offset};
}
[[nodiscard]] inline Vectored readv(int fd, std::span<const iovec> iov, off_t offset) noexcept {
  return {AURA_OP_READV, fd, iov, offset};
}
[[nodiscard]] inline Vectored writev(int fd, std::span<const iovec> iov, off_t offset) noexcept {
  return {AURA_OP_WRITEV, fd, iov, offset};
}
[[nodiscard]] inline Sync fsync(int fd) noexcept { return {AURA_OP_FSYNC, fd}; }
[[nodiscard]] inline Sync fdatasync(int fd) noexcept { return {AURA_OP_FDATASYNC, fd}; }
[[nodiscard]] inline Openat openat(int dirfd, const char *pathname, int flags, mode_t mode) noexcept {
  return {dirfd, pathname, flags, mode};
}
[[nodiscard]] inline Metadata close(int fd) noexcept { return {AURA_OP_CLOSE, fd}; }
[[nodiscard]] inline Statx statx(int dirfd, const char *pathname, int flags, unsigned mask, struct statx *buf) noexcept {
  return {dirfd, pathname, flags, mask, buf};
}
[[nodiscard]] inline Metadata fallocate(int fd, int mode, off_t offset, off_t len) noexcept {
  return {AURA_OP_FALLOCATE, fd, mode, offset, len};
}
[[nodiscard]] inline Metadata ftruncate(int fd, off_t length) noexcept { return {AURA_OP_FTRUNCATE, fd, 0, 0, length}; }
[[nodiscard]] inline Metadata sync_file_range(int fd, off_t offset, off_t nbytes, unsigned flags) noexcept {
  return {AURA_OP_SYNC_FILE_RANGE, fd, static_cast<int>(flags), offset, nbytes};
}

} // namespace aura::op

namespace aura::detail {

template <typename Op>
[[gnu::cold, gnu::noinline]] aura_request_t *submit_described(const Op &op, aura_engine_t *engine, std::uint32_t flags,
                                                              aura_callback_t callback, void *user_data) noexcept {
  aura_op_t described;
  op.describe(described);
  described.flags = flags;
  return aura_submit(engine, &described, callback, user_data);
}

/// Submits an operation: in its short form, or as a descriptor if there are flags (AURA_FIXED_FILE).
template <typename Op>
[[gnu::always_inline]] inline aura_request_t *submit(const Op &op, aura_engine_t *engine, std::uint32_t flags,
                                                     aura_callback_t callback, void *user_data) noexcept {
  if (flags == 0) [[likely]] {
    return op.submit(engine, callback, user_data);
  }
  return submit_described(op, engine, flags, callback, user_data);
}

} // namespace aura::detail

#endif
